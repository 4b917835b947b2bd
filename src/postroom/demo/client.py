"""A small API client, as an application of the organisation would write it: OAuth 1.0a (RFC 5849), HMAC-SHA1, over HTTP.

Parameters go in a form body, which is signed with the rest; a file goes in a multipart body, which OAuth leaves unsigned
(RFC 5849 section 3.4.1.3.1), with the parameters beside it in the signed query.
"""

from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlencode

import httpx2
from oauthlib.oauth1.rfc5849 import Client as Signer

from postroom.directory.records import Client, Token

_FORM: Final = "application/x-www-form-urlencoded"
_TIMEOUT: Final = 30.0


class ApiError(Exception):
    """The server answered with an error."""

    def __init__(self, call: str, status: int, body: str) -> None:
        """Say what was called; ``status`` and ``body`` are those of the answer."""
        super().__init__(f"{call}: {status} {body}")
        self.status = status
        self.body = body


class Api:
    """``services/mailclient`` of one server, called for one person; a context manager that closes its connections."""

    def __init__(self, base_url: str, client: Client, token: Token) -> None:
        """Sign with the secrets of ``client`` and ``token``."""
        self._base = base_url
        self._signer = Signer(client.key, client.secret, token.token, token.secret)  # type: ignore[no-untyped-call]  # oauthlib is untyped
        self._http = httpx2.Client(timeout=_TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.close()

    def call(self, method: str, **parameters: str) -> Any:  # noqa: ANN401 - each method has a shape of its own
        """Call a method of ``services/mailclient``; return its decoded JSON. Raises ``ApiError``."""
        uri, headers, body = self._signed(self._uri(method), urlencode(parameters), {"Content-Type": _FORM})
        return _decoded(method, self._http.post(uri, content=body, headers=headers))

    def upload(self, method: str, name: str, content_type: str, data: bytes, **parameters: str) -> Any:  # noqa: ANN401 - as above
        """Call a method that takes a file. Raises ``ApiError``."""
        uri, headers, _ = self._signed(f"{self._uri(method)}?{urlencode(parameters)}")
        return _decoded(method, self._http.post(uri, files={"data": (name, data, content_type)}, headers=headers))

    def download(self, url: str) -> bytes:
        """Fetch what a link in a mail leads to, unsigned, as a recipient's browser does. Raises ``ApiError``."""
        response = self._http.get(url)
        if response.status_code != httpx2.codes.OK:
            raise ApiError(f"GET {url}", response.status_code, response.text)
        return response.content

    def _signed(self, uri: str, body: str | None = None, headers: dict[str, str] | None = None) -> tuple[str, dict[str, str], str]:
        return self._signer.sign(uri, "POST", body, headers)  # type: ignore[no-any-return,no-untyped-call]  # as above

    def _uri(self, method: str) -> str:
        return f"{self._base}/services/mailclient/{method}"


def _decoded(method: str, response: httpx2.Response) -> Any:  # noqa: ANN401 - as above
    if response.status_code != httpx2.codes.OK:
        raise ApiError(method, response.status_code, response.text)
    return response.json()
