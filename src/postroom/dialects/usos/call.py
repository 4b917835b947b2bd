"""One authenticated call of a method: for whom, when, and the way to the store."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from postroom.dialects.signed_call import Nonce, SignedCall
from postroom.dialects.usos import errors
from postroom.dialects.usos.formats import Output
from postroom.dialects.usos.modules import Module
from postroom.directory.records import Client
from postroom.storage.store import Store


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls, as the signature proves; whoever did not sign is nobody."""

    client: Client | None = None
    user_id: int | None = None
    """The person for whom the call is made."""
    scopes: frozenset[str] = frozenset()
    token: str | None = None
    """Key of the token that the request was signed with."""
    nonce: Nonce | None = None


class Call(SignedCall):
    """What a handler knows of the call beside its arguments."""

    def __init__(self, store: Store, caller: Caller, now: int, modules: Sequence[Module]) -> None:
        super().__init__(store, caller.nonce, now)
        self.caller = caller
        self.modules = modules
        """All modules of the dialect, for those methods that describe it."""
        self.output = Output("json", None)
        """How the answer is wanted; known when the handler runs."""
        self.zone = ZoneInfo(store.settings.usos.timezone)
        """Time zone of dates in answers."""

    @property
    def user_id(self) -> int:
        """The person for whom the call is made. Raises ``UsosError`` where the method can do without one, but not this call."""
        if self.caller.user_id is None:
            raise errors.method_forbidden("user_missing")
        return self.caller.user_id

    @property
    def client(self) -> Client:
        """The program that calls. Raises ``UsosError`` where the method can do without one, but not this call."""
        if self.caller.client is None:
            raise errors.method_forbidden("consumer_missing")
        return self.caller.client

    @property
    def administrative(self) -> bool:
        """Whether a program calls that may do anything for anybody."""
        return self.caller.client is not None and self.caller.client.administrative
