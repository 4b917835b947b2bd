"""From a path to the operations there, and from text to their parameters (wire/schoology.md §1.2, §5.2)."""

from typing import Annotated

import pytest
from msgspec import Meta, Struct

from postroom.dialects.operation import Answer, Nothing, operation
from postroom.dialects.schoology import routing
from postroom.dialects.schoology.errors import SchoologyError
from postroom.dialects.schoology.routing import Table


class Given(Struct):
    id: Annotated[int, Meta(ge=1)] = 1
    folder: str = ""
    limit: int = 20


@operation("GET", "/m/{folder}", parameters=Given, answers={200: None})
async def in_folder(_call: object, _parameters: Given, _body: None) -> Answer:
    """Show a folder."""
    return Answer(200)


@operation("POST", "/m/{id:int}", parameters=Given, answers={200: None})
async def answer(_call: object, _parameters: Given, _body: None) -> Answer:
    """Answer."""
    return Answer(200)


@operation("GET", "/m/recipients", parameters=Nothing, answers={200: None})
async def recipients(_call: object, _parameters: Nothing, _body: None) -> Answer:
    """List recipients."""
    return Answer(200)


TABLE = Table((in_folder, answer, recipients))


def test_a_path_without_parameters_goes_first_then_one_of_digits() -> None:
    assert TABLE.find("/m/recipients").verbs == {"GET": recipients}
    assert TABLE.find("/m/17").verbs == {"POST": answer}
    assert TABLE.find("/m/17").values == {"id": "17"}
    assert TABLE.find("/m/inbox").values == {"folder": "inbox"}


@pytest.mark.parametrize("path", ["/m", "/m/", "/m/a/b", "/M/recipients", "/m/recipients/", "m/a", "/m/a\n/"])
def test_other_paths_lead_nowhere(path: str) -> None:
    with pytest.raises(SchoologyError) as refused:
        TABLE.find(path)
    assert (refused.value.status, refused.value.text) == (404, None)


def test_head_is_get_and_other_methods_are_told_what_is_possible() -> None:
    assert TABLE.find("/m/inbox").operation("HEAD") is in_folder
    for verb in ("HEAD", "GET", "DELETE"):
        with pytest.raises(SchoologyError) as refused:
            TABLE.find("/m/17").operation(verb)
        assert (refused.value.status, refused.value.headers) == (405, {"Allow": "POST, OPTIONS"})


def test_of_a_repeated_parameter_the_last_counts_and_the_path_most() -> None:
    read = routing.parameters(answer, {"id": "17"}, [("limit", "3"), ("id", "5"), ("limit", "4"), ("x", "y")])
    assert read == Given(id=17, limit=4)


@pytest.mark.parametrize("number", ["0", "9" * 5_000])
def test_what_cannot_stand_in_the_path_is_not_there(number: str) -> None:
    with pytest.raises(SchoologyError) as refused:
        routing.parameters(answer, {"id": number}, [])
    assert refused.value.status == 404


def test_what_cannot_stand_in_the_query_is_named() -> None:
    with pytest.raises(SchoologyError) as refused:
        routing.parameters(answer, {"id": "1"}, [("limit", "x")])
    assert (refused.value.status, refused.value.text) == (400, "limit: expected `int`, got `str`")
