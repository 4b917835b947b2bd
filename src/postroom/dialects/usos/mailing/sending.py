"""services/mailing: send one message, or several with different content (wire/usos.md §1.5 rows 4, 5)."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from postroom.dialects.endpoint import arguments_of, endpoint
from postroom.dialects.usos import arguments
from postroom.dialects.usos.arguments import choice, json, text, texts
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.errors import UsosError
from postroom.dialects.usos.mailing.common import ACCESS, MODULE, FromEmail, FromName, Lang, SummaryTo, letter, max_body
from postroom.errors import Invalid, PostroomError, TooLarge
from postroom.messages import mailings
from postroom.messages.mailings import MAX_TOGETHER, Mailing
from postroom.messages.records import MAX_CONTENT, MAX_SUBJECT, ContentFormat
from postroom.settings import Settings
from postroom.storage.database import Tx


class Simple(Struct, frozen=True):
    """Arguments of ``send_simple_message``."""

    subject: Annotated[str, text("Subject.", MAX_SUBJECT, required=True)]
    content: Annotated[str, text("Content.", MAX_CONTENT, required=True)]
    recipients: Annotated[list[str], texts("Addresses; each gets a mail of its own.", required=True)]
    content_format: Annotated[ContentFormat, choice("Format of the content.", ("plain", "html"), default="plain")]
    from_name: FromName
    from_email: FromEmail
    send_summary_to: SummaryTo
    lang: Lang


class Several(Struct, frozen=True):
    """Arguments of ``send_simple_messages``."""

    param_sets: Annotated[
        str, json("List of dictionaries, at most 50,000; each holds the arguments of one call of send_simple_message, as strings.")
    ]


_FEW: Final = 20
"""Recipients up to which a message is checked and written without leaving the thread of the event loop (``Call.brief``)."""

_SIMPLE: Final = arguments_of(Simple)
_SETS: Final = msgspec.json.Decoder(list[Raw])
_SET: Final = msgspec.json.Decoder(dict[str, Raw])
_VALUE: Final = msgspec.json.Decoder(str | None)


@endpoint(
    MODULE + "send_simple_message",
    Simple,
    access=ACCESS,
    returns='A dictionary {"message_id": ID of the message, for check_message_status}.',
    sends=True,
    max_body=max_body,
)
async def send_simple_message(call: Call, given: Simple) -> dict[str, object]:
    """Send a message to any addresses.

    It is queued; check_message_status tells what became of it. All headers are set, plain text is wrapped, and a signature is added.
    """
    call.brief = len(given.recipients) <= _FEW
    mailing = _mailing(given) if call.brief else await asyncio.to_thread(_mailing, given)
    number = await call.send(mailings.send, call.store.settings, call.client.id, mailing, call.now)
    return {"message_id": str(number)}


@endpoint(
    MODULE + "send_simple_messages",
    Several,
    access=ACCESS,
    returns="A list: for each dictionary the ID of its message, or false where it was not accepted.",
    sends=True,
    max_body=max_body,
)
async def send_simple_messages(call: Call, given: Several) -> Any:  # noqa: ANN401 - the list, as it is kept for repeated calls
    """Call send_simple_message several times in one call.

    A dictionary that is not accepted does not hinder the others, and the answer does not say why; send_simple_message does. What is
    accepted is queued together: either all of it or, when the service is not available, nothing.
    """
    sets = await asyncio.to_thread(_read_sets, given.param_sets)
    return await call.send(_send_sets, call.store.settings, call.client.id, sets, call.now)


def _mailing(given: Simple) -> Mailing:
    return mailings.checked(letter(given, given.subject, given.content, given.content_format), given.recipients)


def _read_sets(param_sets: str) -> list[Mailing | None]:
    """Read every set; ``None`` stands for those that are not accepted. Raises ``Invalid`` for what is no list."""
    try:
        sets = _SETS.decode(param_sets)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid("param_sets", f"no list in JSON: {error}") from None
    if len(sets) > MAX_TOGETHER:
        raise TooLarge("param_sets", MAX_TOGETHER)
    found: list[Mailing | None] = []
    room = MAX_TOGETHER
    for one in sets:
        mailing = _read_set(one)
        if mailing is None or len(mailing.emails) > room:
            found.append(None)
        else:
            found.append(mailing)
            room -= len(mailing.emails)
    return found


def _read_set(one: Raw) -> Mailing | None:
    try:
        values = _SET.decode(one)
        named = [(name, _VALUE.decode(values[name])) for name in _SIMPLE if name in values]
        pairs = [(name, value) for name, value in named if value is not None]
        return _mailing(arguments.read(Simple, _SIMPLE, pairs, MODULE + "send_simple_message"))
    except (msgspec.DecodeError, UsosError, PostroomError):
        return None  # the contract has no reason told


def _send_sets(tx: Tx, settings: Settings, client_id: int, sets: Sequence[Mailing | None], now: int) -> list[str | Literal[False]]:
    numbers = iter(mailings.send_all(tx, settings, client_id, [one for one in sets if one is not None], now))
    return [False if one is None else str(next(numbers)) for one in sets]
