"""Work that takes the original a while (wire/onlyoffice.md §4 Operation). Here it is done when the answer comes."""

import re
import secrets
from typing import Final

from msgspec import Struct

from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.downloads import path_of_all
from postroom.dialects.onlyoffice.errors import not_found
from postroom.dialects.onlyoffice.operation import Nothing, Operations, operation

RECALCULATED: Final = 1
FOLDER_REMOVED: Final = 5
FILTER_APPLIED: Final = 6
FILES_PACKED: Final = 8

_IDENTIFIER: Final = re.compile(r"([1568])-([0-9]{1,19})-[0-9a-f]{32}", re.ASCII)


class Operation(Struct, frozen=True, kw_only=True, rename="camel"):
    """Work that is done."""

    completed: bool = True
    id: str
    status: str = ""
    error: str = ""
    percents: int = 100
    source: str = ""
    """Of files that were put together: where they are fetched."""
    operation_type: int
    operation: str = ""


class OperationId(Struct, frozen=True, kw_only=True):
    """Which operation."""

    id: str


def done(kind: int, about: int = 0) -> Operation:
    """Return an operation of one kind, about a message or about nothing."""
    return _operation(f"{kind}-{about}-{secrets.token_hex(16)}", kind, about)


@operation("GET", "/mail/operations", Nothing, result=list[Operation])
async def get_operations(call: Call, given: Nothing) -> list[Operation]:
    """List work that is going on: none ever is."""
    del call, given
    return []


@operation("GET", "/mail/operations/{id}", OperationId, result=Operation)
async def get_operation(call: Call, given: OperationId) -> Operation:
    """Tell how an operation goes: it is done."""
    del call
    found = _IDENTIFIER.fullmatch(given.id)
    if found is None:
        raise not_found(f"Operation with {given.id[:100]} wasn't found.")
    return _operation(given.id, int(found[1]), int(found[2]))


def _operation(identifier: str, kind: int, about: int) -> Operation:
    return Operation(id=identifier, operation_type=kind, source=path_of_all(about) if kind == FILES_PACKED else "")


OPERATIONS: Final[Operations] = (get_operations, get_operation)
