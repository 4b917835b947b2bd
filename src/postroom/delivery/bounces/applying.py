"""What a bounce changes: rules in one transaction, each bounce counted under ``bounce.<result>`` in the same one.

Only a signed return path says whose mail came back; what the report says of addresses chooses among the recipients of one
message at most. ``Result`` tells what happened:

- ``applied``: a permanent failure, of a recipient that was delivered to, or of which nobody knew. It is ``failed`` now.
- ``repeated``: a permanent failure, but the recipient was not reached anyhow. Nothing changes, as in all cases below but one.
- ``open``: a permanent failure of an earlier try of somebody who is queued or deferred. The next try has an outcome of its own.
- ``sending``: a permanent failure, while the outcome of the try is still being written. Not counted; to be applied again.
- ``delayed``: the mail system goes on trying.
- ``success``: the mail arrived, or left for where no reports come from.
- ``complaint``: its recipient does not want such mail. The address is suppressed.
- ``auto_reply``, ``unrecognised``, ``malformed``: see ``reading``.
- ``unmatched``: there is no such recipient any more, or the report names nobody of the message.
- ``forged``: no return path of ours.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, and_, bindparam, func, insert, select, update

from postroom.clock import DAY
from postroom.delivery import counters, policy, verp
from postroom.delivery.bounces.hard import nobody_there
from postroom.delivery.bounces.records import Report, Reported
from postroom.delivery.verp import ReturnPath
from postroom.directory import suppressions
from postroom.directory.suppressions import Reason
from postroom.directory.values import LARGEST_ID, chunks
from postroom.messages import reports
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import attempts, recipients

RELAY: Final = "bounce"
"""What stands in ``attempts.relay`` for a bounce."""

Result = Literal[
    "applied",
    "repeated",
    "open",
    "sending",
    "delayed",
    "success",
    "complaint",
    "auto_reply",
    "unrecognised",
    "malformed",
    "unmatched",
    "forged",
]

_BOUNCING: Final = frozenset({"delivered", "unknown"})
"""States that a bounce ends: the relay has taken the mail, or nobody knows whether it has."""

_STILL_TRIED: Final = frozenset({"queued", "deferred"})

_FAIL: Final = (
    update(recipients)
    .where(recipients.c.id == bindparam("number"))
    .values(state="failed", due_at=None, settled_at=bindparam("now"), reply_code=bindparam("code"), reply_text=bindparam("text"))
)
_KEEP: Final = insert(attempts).values(
    recipient_id=bindparam("number"),
    at=bindparam("now"),
    relay=RELAY,
    outcome="failed",
    reply_code=bindparam("code"),
    reply_text=bindparam("text"),
    fault=bindparam("fault"),
)


class _Match(Struct, frozen=True):
    """A recipient of ours and what the report says of it."""

    row: Row[*tuple[Any, ...]]
    said: Reported


def apply(tx: Tx, settings: Settings, vault: Vault, envelope_recipient: str, report: Report, now: int) -> Result:  # noqa: PLR0917 - as units are called
    """Write down what a mail to ``envelope_recipient`` means; say what that was. Applied again, it changes nothing more."""
    path = verp.read(settings, vault, envelope_recipient)
    result = "forged" if path is None else _apply(tx, settings, path, report, now)
    if result != "sending":
        counters.count(tx, f"bounce.{result}")
    return result


def refuse(tx: Tx) -> None:
    """Count a mail to an address that is no return path of ours."""
    counters.count(tx, "bounce.forged")


def _apply(tx: Tx, settings: Settings, path: ReturnPath, report: Report, now: int) -> Result:
    if report.kind == "complaint":
        return _complain(tx, settings, path, report, now)
    if report.kind != "bounce":
        return report.kind
    failed = [said for said in report.recipients if said.action == "failed"]
    if failed:
        return _bounce(tx, settings, path, failed, now)
    return "delayed" if any(said.action == "delayed" for said in report.recipients) else "success"


def _bounce(tx: Tx, settings: Settings, path: ReturnPath, failed: Sequence[Reported], now: int) -> Result:
    matches = _matches(tx, path, failed)
    states = {match.row.state for match in matches}
    if "sending" in states:
        return "sending"
    bounced = [match for match in matches if match.row.state in _BOUNCING]
    if bounced:
        _fail(tx, bounced, now)
        _suppress(tx, settings, path, bounced, now)
        reports.note_bounces(tx, {match.row.message_id for match in bounced if match.row.role != "self"}, now)
        reports.settle(tx, settings, {match.row.message_id for match in bounced}, now)
        return "applied"
    if states & _STILL_TRIED:
        return "open"
    return "repeated" if matches else "unmatched"


def _matches(tx: Tx, path: ReturnPath, said: Sequence[Reported]) -> list[_Match]:
    """Find the recipients that the report speaks of, and lock them.

    The own return path of a recipient needs no address to be believed: whom mail was forwarded to has another one.
    """
    if path.kind == "recipient":
        rows = _locked(tx, recipients.c.id == path.number)
        return [_Match(row, _about(row.email, said) or said[0]) for row in rows]
    if path.number > LARGEST_ID:
        return []
    named = sorted({address for one in said for address in one.addresses})
    rows = [
        row
        for some in chunks(named)
        for row in _locked(tx, and_(recipients.c.message_id == path.number, func.lower(recipients.c.email).in_(some)))
    ]
    return [_Match(row, about) for row in rows if (about := _about(row.email, said)) is not None]


def _locked(tx: Tx, condition: ColumnElement[bool]) -> Sequence[Row[*tuple[Any, ...]]]:
    columns = (recipients.c.id, recipients.c.message_id, recipients.c.email, recipients.c.role, recipients.c.state)
    return tx.execute(select(*columns).where(condition, recipients.c.state != "listed").order_by(recipients.c.id).with_for_update()).all()


def _about(email: str | None, said: Iterable[Reported]) -> Reported | None:
    return next((one for one in said if email is not None and email.lower() in one.addresses), None)


def _fail(tx: Tx, bounced: Sequence[_Match], now: int) -> None:
    """Let recipients fail for good, with the words of the bounce, and keep it among their tries."""
    replies = [{"number": match.row.id, "code": match.said.code, "text": match.said.text, "now": now} for match in bounced]
    tx.execute(_FAIL, replies)
    faults = [policy.fault_of(match.said.status, match.said.text) for match in bounced]
    tx.execute(_KEEP, [{**reply, "fault": fault} for reply, fault in zip(replies, faults, strict=True)])


def _suppress(tx: Tx, settings: Settings, path: ReturnPath, bounced: Sequence[_Match], now: int) -> None:
    """Remember addresses where nobody is.

    Not by the return path of a message, which each of its recipients knows: one could silence another. Nor when the report is
    about other addresses only, as when mail was forwarded to one that is gone.
    """
    if path.kind == "message":
        return
    for match in bounced:
        about_it = not match.said.addresses or match.row.email.lower() in match.said.addresses
        if about_it and nobody_there(match.said.status, match.said.text):
            _put_on_list(tx, settings, match.row, "hard_bounce", match.said.text, now)


def _complain(tx: Tx, settings: Settings, path: ReturnPath, report: Report, now: int) -> Result:
    """Suppress the address whose owner complained. It was delivered to and stays so. Of a message's return path nobody can be sure."""
    rows = _locked(tx, recipients.c.id == path.number) if path.kind == "recipient" else []
    for row in rows:
        said = _about(row.email, report.recipients)
        _put_on_list(tx, settings, row, "complaint", said.text if said else "complaint", now)
    return "complaint" if rows else "unmatched"


def _put_on_list(tx: Tx, settings: Settings, row: Row[*tuple[Any, ...]], reason: Reason, detail: str, now: int) -> None:  # noqa: PLR0917 - the row
    days = settings.delivery.suppress_days
    if days and row.email is not None:
        suppressions.suppress(tx, row.email, reason, detail, now, expires_at=now + days * DAY, message_id=row.message_id)
