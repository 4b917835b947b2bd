"""One authenticated call of the dialect."""

from collections.abc import AsyncIterator, Callable

from msgspec import Struct
from starlette.requests import Request

from postroom.dialects.schoology import errors
from postroom.dialects.schoology.routing import Found
from postroom.dialects.signed_call import Nonce, SignedCall
from postroom.directory.records import Client
from postroom.settings import Settings
from postroom.storage.store import Store


class Caller(Struct, frozen=True, kw_only=True):
    """Who calls, as the signature proves."""

    client: Client
    user_id: int | None
    """The person for whom the call is made."""
    request_token: str | None
    """Key of the request token that is to be exchanged."""
    nonce: Nonce


class Call(SignedCall):
    """What a handler knows of the call beside its parameters and body."""

    def __init__(self, store: Store, caller: Caller, now: int, request: Request, find: Callable[[str], Found]) -> None:
        super().__init__(store, caller.nonce, now)
        self.caller = caller
        self.find = find
        """Path below the mount → the operations there; see ``routing.Table.find``."""
        self._request = request

    @property
    def user_id(self) -> int:
        """The person for whom the call is made. Raises ``SchoologyError`` (403) where there is nobody."""
        if self.caller.user_id is None:
            raise errors.forbidden()
        return self.caller.user_id

    @property
    def client(self) -> Client:
        """The program that calls."""
        return self.caller.client

    @property
    def settings(self) -> Settings:
        """The settings of the installation."""
        return self.store.settings

    def url(self, path: str) -> str:
        """Return the absolute URL of a path below the mount: from the settings, never from the Host header (§5.2)."""
        return f"{self.settings.public_url}/v1{path}"

    def header(self, name: str) -> str | None:
        """Return a header of the request."""
        return self._request.headers.get(name)

    def stream(self) -> AsyncIterator[bytes]:
        """Return the body as it comes, for an operation whose body is ``bytes``: the handler gets an empty one. It has no bound."""
        return self._request.stream()
