"""Arguments that methods have beside those that they declare themselves."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Struct

from postroom.dialects.endpoint import Argument, Endpoint, arguments_of
from postroom.dialects.usos import arguments
from postroom.dialects.usos.formats import Output
from postroom.messages.idempotency import MAX_KEY


class Repeatable(Struct, frozen=True):
    """The argument that every sending method has; the header ``Idempotency-Key`` says the same."""

    idempotency_key: Annotated[
        str | None, arguments.text("Key by which a repeated call is known; see the header Idempotency-Key.", MAX_KEY)
    ]


OUTPUT: Final = arguments_of(Output)
"""How the answer is wanted: arguments of every method."""
REPEATABLE: Final = arguments_of(Repeatable)
"""Arguments of every sending method."""


def arguments_with_common(endpoint: Endpoint[Any, Any]) -> Mapping[str, Argument]:
    """Return all arguments of a method but those of its signature, its own ones first."""
    return {**endpoint.arguments, **(REPEATABLE if endpoint.sends else {}), **OUTPUT}
