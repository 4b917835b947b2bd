"""What an operation declares (dialects/operation.py)."""

from msgspec import Struct

from postroom.dialects.operation import Answer, Nothing, by_path, operation


class Parameters(Struct):
    folder: str
    id: int
    limit: int = 20


@operation("GET", "/things/{folder}/{id:int}", parameters=Parameters, answers={200: None}, errors={404: "No such thing."})
async def get_thing(_call: object, _parameters: Parameters, _body: None) -> Answer:
    """Show a thing.

    All of it.
    """
    return Answer(200)


@operation("DELETE", "/things/{folder}/{id:int}", parameters=Parameters, answers={204: None})
async def delete_thing(_call: object, _parameters: Parameters, _body: None) -> Answer:
    """Delete a thing."""
    return Answer(204)


@operation("GET", "/things", parameters=Nothing, answers={200: None})
async def list_things(_call: object, _parameters: Nothing, _body: None) -> Answer:
    """List things."""
    return Answer(200)


def test_name_and_words_come_from_the_handler() -> None:
    assert (get_thing.name, get_thing.summary, get_thing.description) == ("get_thing", "Show a thing.", "All of it.")


def test_a_path_tells_its_parameters() -> None:
    assert (get_thing.plain_path, get_thing.in_path) == ("/things/{folder}/{id}", {"folder", "id"})
    assert list_things.in_path == frozenset()


def test_operations_of_one_path_are_together() -> None:
    assert by_path((get_thing, list_things, delete_thing)) == {
        "/things/{folder}/{id:int}": {"GET": get_thing, "DELETE": delete_thing},
        "/things": {"GET": list_things},
    }
