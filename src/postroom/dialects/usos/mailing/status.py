"""services/mailing: what became of messages, and of the whole module (wire/usos.md §1.5 rows 1, 2, 6)."""

import re
from collections import Counter
from typing import Annotated, Final

from msgspec import Struct

from postroom.dialects.endpoint import Access, Argument, ErrorCase, endpoint
from postroom.dialects.usos.arguments import NOWHERE
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.mailing.common import ACCESS, MODULE
from postroom.dialects.usos.wire import status_of
from postroom.errors import NotFound
from postroom.messages import mailing_status, workload
from postroom.messages.mailing_status import Progress, Reference
from postroom.storage.database import Tx

MAX_ASKED: Final = 10_000

_REFERENCE: Final = re.compile(r"([1-9][0-9]{0,9})(?:-([1-9][0-9]{0,18}))?")
_NOT_FOUND: Final = ErrorCase(
    error="object_not_found",
    param_names=("message_id",),
    description="the message could not be found, was sent with another consumer key, or more than 7 days ago",
)
_RETURNS: Final = """\
finished: whether nothing more will be tried; counts: a dictionary of how many recipients are pending, sent and error; recipients: \
a list of dictionaries email, status and reason (the last words of the mail server, or null), or null when there are more than 20"""


def _reference(value: str) -> Reference:
    """Read the ID of a message or of one mail of it; one that cannot be is as any unknown one."""
    found = _REFERENCE.fullmatch(value)
    if found is None:
        return Reference(NOWHERE)
    return Reference(int(found[1]), None if found[2] is None else int(found[2]))


def _references(value: str) -> dict[str, Reference]:
    asked = {part: _reference(part) for part in value.split("|") if part}
    if len(asked) > MAX_ASKED:
        raise ValueError(f"more than {MAX_ASKED}")
    return asked


class One(Struct, frozen=True):
    """Arguments of ``check_message_status``."""

    message_id: Annotated[Reference, Argument(parse=_reference, type="ID", description="Message ID.", required=True)]


class Some(Struct, frozen=True):
    """Arguments of ``check_messages_status``."""

    message_ids: Annotated[
        dict[str, Reference],
        Argument(parse=_references, type="list of IDs", description="Message IDs, at most 10,000.", required=True, many=True),
    ]


class Nothing(Struct, frozen=True):
    """``system_status`` takes no arguments."""


@endpoint(MODULE + "check_message_status", One, access=ACCESS, returns=f"A dictionary. {_RETURNS}.", errors=(_NOT_FOUND,))
async def check_message_status(call: Call, given: One) -> dict[str, object]:
    """Check the detailed status of a message.

    It must have been sent with the same consumer key, within the last 7 days.
    """
    found = await call.read(mailing_status.progress, call.client.id, [given.message_id], call.now)
    if given.message_id not in found:
        raise NotFound("message", given.message_id)
    return _shown(found[given.message_id])


@endpoint(
    MODULE + "check_messages_status",
    Some,
    access=ACCESS,
    returns=f"A dictionary: message ID → null for a message that could not be found, else a dictionary. {_RETURNS}.",
)
async def check_messages_status(call: Call, given: Some) -> dict[str, object]:
    """Check the status of several messages."""
    found = await call.read(mailing_status.progress, call.client.id, given.message_ids.values(), call.now)
    return {asked: _shown(found[reference]) if reference in found else None for asked, reference in given.message_ids.items()}


@endpoint(
    MODULE + "system_status",
    Nothing,
    access=Access(consumer="optional", token="ignored"),  # noqa: S106 - a need, no token
    returns="A dictionary. total_pending_message_count: mails that wait to be sent, each recipient counted by itself; daemon_running: "
    "whether somebody sends them; in signed calls also my_pending_message_count: those of the messages that the consumer sent.",
)
async def system_status(call: Call, _given: Nothing) -> dict[str, object]:
    """Get information on the status of the module."""
    client = call.caller.client

    def unit(tx: Tx) -> dict[str, object]:
        status: dict[str, object] = {
            "total_pending_message_count": workload.pending(tx),
            "daemon_running": workload.is_served(tx, call.now),
        }
        return status if client is None else status | {"my_pending_message_count": workload.pending_of_client(tx, client.id)}

    return await call.read(unit)


def _shown(progress: Progress) -> dict[str, object]:
    counts = Counter({"pending": 0, "sent": 0, "error": 0})
    for state, count in progress.states.items():
        counts[status_of(state) or "pending"] += count
    outcomes = progress.outcomes
    return {
        "finished": progress.finished,
        "counts": dict(counts),
        "recipients": None
        if outcomes is None
        else [{"email": one.email, "status": status_of(one.state), "reason": one.reply} for one in outcomes],
    }
