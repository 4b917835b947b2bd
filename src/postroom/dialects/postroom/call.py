"""What a handler knows of the call beside its parameters and body."""

from msgspec import Struct

from postroom.storage.store import Store


class Call(Struct, frozen=True):
    """One call of an administrative client."""

    store: Store
    now: int
    """Milliseconds since the epoch."""
