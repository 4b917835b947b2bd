"""What the parts of delivery hand to each other, as small typed records; times in milliseconds (``postroom.clock``)."""

from typing import Final, Literal

from msgspec import Struct

from postroom.messages.records import Lane, Recipient, Role, State

PARKED_MARK: Final = "parked:"
"""Begins the ``reply_text`` of a recipient that waits, without a due time, because workers died while they sent to it."""


Fault = Literal["relay", "address", "mailbox_full", "policy", "other"]
"""Whose matter a refusal is: our own standing with the relay (which costs a recipient no attempt, so none is kept with it), an
address that does not exist, a mailbox without room, what the receiving side allows (reputation, content, greylisting), or
anything else."""


class Due(Struct, frozen=True, kw_only=True):
    """A recipient that this worker has claimed and is to deliver to."""

    id: int
    message_id: int
    email: str | None
    name: str
    """Full name of a person of the organisation, else the display name that the author gave, else empty."""
    role: Role
    lane: Lane
    attempts: int
    """Tries, the coming one included."""
    ambiguous: bool
    expires_at: int | None
    variables: str | None = None
    """Values for the placeholders of a template, as a JSON object of texts."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one try."""

    recipient_id: int
    message_id: int
    state: State
    reply_code: int | None
    reply_text: str
    relay: str
    due_at: int | None = None
    """When to try again; ``None`` for a final state, and for an unknown outcome that is held for a person to decide."""
    ambiguous: bool = False
    fault: Fault | None = None
    """Of a refusal."""
    suppress: bool = False
    """Whether nothing should be sent to the address for a while, since there is none."""


class Batch(Struct, frozen=True, kw_only=True):
    """What one transaction of a worker writes."""

    outcomes: tuple[Outcome, ...]
    starts: tuple[int, ...]
    """Recipients whose mail goes on the wire next."""
    on_wire: tuple[int, ...]
    """All recipients of the worker whose mail may be on the wire from now on, those of ``starts`` among them."""
    ended: tuple[int, ...]
    """Messages that may have no open recipient any more."""


Place = tuple[int, int]
"""A place of the queue in the order of messages and their rolls: number of the message, number of the recipient."""


class Selection(Struct, frozen=True, kw_only=True):
    """Which open recipients an operator means: those for whom everything holds that is given."""

    message_id: int | None = None
    domain: str | None = None
    address: str | None = None
    recipient_ids: tuple[int, ...] = ()


class Affected(Struct, frozen=True, kw_only=True):
    """How many recipients an operation would change."""

    states: dict[State, int]
    """Their states now."""
    on_wire: int
    """Beside them, those of the selection that are being sent, and cannot be called back."""


class QueueLine(Struct, frozen=True, kw_only=True, tag_field="kind", tag="message"):
    """One message that still has open recipients."""

    message_id: int
    subject: str
    lane: Lane
    states: dict[State, int]
    """How many recipients are in which open state."""
    held: int
    """Those of them that wait for a person to decide, without a due time; parked ones included."""
    parked: int
    """Those that were put aside because workers died while they sent to them."""
    since: int | None
    """When the message was sent."""
    next_due: int | None
    last_reply: str
    """The latest answer of the relay to any of the open recipients; empty before the first one."""


class DomainLine(Struct, frozen=True, kw_only=True, tag_field="kind", tag="domain"):
    """One domain that recipients wait at."""

    domain: str
    waiting: int
    deferred: int
    """Those of them that were tried, and put off or of unknown outcome."""
    last_reply: str
    """The latest answer of a relay to any of them; empty before the first one."""


class Counter(Struct, frozen=True, kw_only=True, tag_field="kind", tag="counter"):
    """How often something happened, such as ``bounce.forged``."""

    name: str
    value: int


class RelayReport(Struct, frozen=True, kw_only=True):
    """How a worker gets on with one relay."""

    name: str
    address: str
    """Host and port."""
    up: bool
    reason: str = ""
    """Why it is not; empty while it is."""
    next_try_in: float | None = None
    """Seconds until it is tried again; ``None`` while it is up."""
    connections: int = 0
    busy: int = 0
    sent: int = 0
    """Mails that it took since the worker started; one that names several recipients counts once."""
    rate: float = 0.0
    """Mails a second that it took since the report before this one."""


class DomainReport(Struct, frozen=True, kw_only=True):
    """One domain that keeps connections of a relay busy, or is held back there."""

    name: str
    relay: str
    busy: int = 0
    """Connections."""
    waiting: int = 0
    """Recipients of it that the worker has claimed and not begun."""
    put_off: bool = False
    """Its limit is reached, or it is slow: others go first."""


class WorkerReport(Struct, frozen=True, kw_only=True):
    """What a worker tells of itself every few seconds."""

    relays: list[RelayReport] = []
    domains: list[DomainReport] = []


class WorkerLine(Struct, frozen=True, kw_only=True, tag_field="kind", tag="worker"):
    """A worker and its last report."""

    name: str
    started_at: int
    seen_at: int
    report: WorkerReport


class Attempt(Struct, frozen=True, kw_only=True):
    """One try that did not succeed."""

    at: int
    relay: str
    outcome: str
    fault: Fault | None
    """Whose matter it was, if it was a refusal of the relay."""
    reply_code: int | None
    reply_text: str


class RollLine(Recipient, frozen=True, kw_only=True):
    """One recipient of a message with everything that became of it."""

    name: str
    """Full name of a person of the organisation, else empty."""
    tries: list[Attempt]
