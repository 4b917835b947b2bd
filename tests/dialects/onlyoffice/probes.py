"""Operations that show what the frame does with what comes and goes."""

from typing import Any

from msgspec import Struct, field, to_builtins

from postroom.dialects.onlyoffice import errors
from postroom.dialects.onlyoffice.binder import Long, Moment
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.lists import Listing
from postroom.dialects.onlyoffice.operation import Nothing, operation
from postroom.dialects.onlyoffice.uploads import received
from postroom.errors import Forbidden, Invalid, NotFound, TooLarge, Unavailable, WrongState


class Part(Struct, frozen=True, rename="camel"):
    file_id: int = 0
    size: Long = 0


class Probe(Struct, frozen=True, rename="camel"):
    """One of every kind."""

    id: int = 0
    sender: str | None = field(default=None, name="from")
    to: list[str] = []
    important: bool = False
    from_date: Moment | None = None
    attachments: list[Part] = []


class Numbered(Struct, frozen=True):
    id: int


class Named(Struct, frozen=True):
    kind: str = ""


class Item(Struct, frozen=True, rename="camel"):
    """An item; its numbers are a tuple, so that items can stand in sets."""

    id: int
    first_name: str
    note: str | None = None
    parts: tuple[int, ...] = ()


ITEMS = [Item(3, "Ewa"), Item(1, "adam", "x"), Item(2, "Żaneta")]


@operation("PUT", "/probe/echo", Probe, result=Any)
async def echo(_call: Call, given: Probe) -> object:
    """Say what came."""
    return to_builtins(given)


@operation("POST", "/probe/echo", Probe, result=Any)
async def echo_post(_call: Call, given: Probe) -> object:
    """Say what came."""
    return to_builtins(given)


@operation("GET", "/probe/echo", Probe, result=Any)
async def echo_get(_call: Call, given: Probe) -> object:
    """Say what came."""
    return to_builtins(given)


@operation("DELETE", "/probe/{id:[0-9]+}", Numbered, result=int)
async def remove(_call: Call, given: Numbered) -> int:
    """Say the number."""
    return given.id


@operation("GET", "/probe/who", Nothing, result=int)
async def who(call: Call, _given: Nothing) -> int:
    """Say who is calling."""
    return call.user_id


@operation("GET", "/probe/items", Nothing, result=list[Item])
async def items(_call: Call, _given: Nothing) -> list[Item]:
    """List items."""
    return ITEMS


@operation("GET", "/probe/pages", Nothing, result=list[Item])
async def pages(_call: Call, _given: Nothing) -> Listing:
    """List a page of items."""
    return Listing(items=ITEMS, total=70, paged=True)


@operation("GET", "/probe/kinds/{kind}", Named, result=Any)
async def kinds(_call: Call, given: Named) -> object:
    """Answer with one of every kind, or an error."""
    answers: dict[str, object] = {
        "nothing": None,
        "number": 7,
        "zero": 0,
        "truth": True,
        "text": "zażółć",
        "smile": "a\U0001f600",
        "empty": "",
        "record": ITEMS[1],
        "none": [],
        "long": "x" * 5_000,
        "odd": "<a>\x00\x1b\r\n</a>",
    }
    problems: dict[str, Exception] = {
        "argument": errors.argument("Empty ids collection", "ids"),
        "missing": errors.missing("from"),
        "not_found": errors.not_found("Message with 5 wasn't found."),
        "forbidden": errors.forbidden("Sending emails is permitted only in the Drafts folder"),
        "core_not_found": NotFound("inst_address", 5),
        "core_invalid": Invalid("subject", "a value is required"),
        "core_state": WrongState("draft_required"),
        "core_forbidden": Forbidden("not_yours"),
        "core_large": TooLarge("subject", 200),
        "core_unavailable": Unavailable("the disk is full"),
    }
    if given.kind in problems:
        raise problems[given.kind]
    return answers[given.kind]


@operation("POST", "/probe/file", Probe, result=Any, takes_file=True)
async def upload(call: Call, given: Probe) -> object:
    """Say how large a file is."""
    async with received(call, 1_000) as file:
        if file is None:
            return None
        return {"id": given.id, "name": file.filename, "type": file.content_type, "size": file.blob.size}


PROBES = (echo, echo_post, echo_get, remove, who, items, pages, kinds, upload)
