"""What the parts of delivery hand to each other, as small typed records; times in milliseconds (``postroom.clock``)."""

from msgspec import Struct

from postroom.messages.records import Lane, Recipient, Role, State


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
    suppress: bool = False
    """Whether the address does not exist, so that nothing should be sent to it for a while."""


class Batch(Struct, frozen=True, kw_only=True):
    """What one transaction of a worker writes."""

    outcomes: tuple[Outcome, ...]
    starts: tuple[int, ...]
    """Recipients whose mail goes on the wire next."""
    ended: tuple[int, ...]
    """Messages that may have no open recipient any more."""


class QueueLine(Struct, frozen=True, kw_only=True):
    """One message that still has open recipients."""

    message_id: int
    subject: str
    lane: Lane
    states: dict[State, int]
    """How many recipients are in which open state."""
    since: int | None
    """When the message was sent."""
    next_due: int | None
    last_reply: str
    """The latest answer of the relay to any of the open recipients; empty before the first one."""


class Attempt(Struct, frozen=True, kw_only=True):
    """One try that did not succeed."""

    at: int
    relay: str
    outcome: str
    reply_code: int | None
    reply_text: str


class RollLine(Recipient, frozen=True, kw_only=True):
    """One recipient of a message with everything that became of it."""

    name: str
    """Full name of a person of the organisation, else empty."""
    tries: list[Attempt]
