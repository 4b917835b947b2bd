"""What processor time it costs to verify one signature: from header and body as they came to the comparison; the secrets are at hand.

The request is that of ``signed_message``, HMAC-SHA1 in the header; in ``settings`` stands the same for that of
``signed_create_message``, whose body has 950 characters of Polish text. The bound is oauthlib's own arithmetic on a request that is
taken apart already.
"""

import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

from oauthlib.common import Request
from oauthlib.oauth1.rfc5849 import Client as Signer
from oauthlib.oauth1.rfc5849 import signature as rfc5849

from benchmarks.measure import Measurement, Plan, Run, repeated
from postroom.dialects import oauth1
from postroom.dialects.parameters import decode, distinct

VERIFICATIONS: Final = 2_000
_BASE: Final = "http://127.0.0.1:8025/services/mailclient/"
_CLIENT_SECRET: Final = "c" * 40
_TOKEN_SECRET: Final = "t" * 40
_WINDOW: Final = 300


class _Signed:
    """A signed request, as it comes."""

    def __init__(self, method: str, parameters: dict[str, str]) -> None:
        self.url = _BASE + method
        self.body = urlencode(parameters).encode()
        signer = Signer("k" * 20, _CLIENT_SECRET, "t" * 20, _TOKEN_SECRET)  # type: ignore[no-untyped-call]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        _, headers, _ = signer.sign(self.url, "POST", self.body.decode(), form)  # type: ignore[no-untyped-call]
        self.header: str = headers["Authorization"]
        self._now = int(time.time())
        self._apart = self._taken_apart()

    def verify(self) -> None:
        """Verify it as the server does."""
        pairs = distinct(oauth1.from_header(self.header), decode(b""), decode(self.body))
        claim = oauth1.read_claim(pairs, self._now, _WINDOW)
        assert claim is not None
        oauth1.verify(claim, "POST", [self.url], _CLIENT_SECRET, _TOKEN_SECRET)

    def bound(self) -> None:
        """Let oauthlib do its part."""
        assert rfc5849.verify_hmac_sha1(self._apart, _CLIENT_SECRET, _TOKEN_SECRET)  # type: ignore[no-untyped-call]

    def _taken_apart(self) -> Any:  # noqa: ANN401 - oauthlib is untyped
        request: Any = Request(self.url, "POST")  # type: ignore[no-untyped-call]
        pairs = [*oauth1.from_header(self.header), *decode(self.body)]
        request.params = [pair for pair in pairs if pair[0] != "oauth_signature"]
        request.signature = dict(pairs)["oauth_signature"]
        return request


def one(plan: Plan) -> Measurement:
    """Measure microseconds for each signature."""
    short = _Signed("message", {"message_id": "17"})
    long = _Signed("create_message", {"subject": "Zaproszenie", "content": "Zażółć gęślą jaźń. " * 50})

    def once() -> Run:
        cost = _microseconds(short.verify)
        ratio = cost / _microseconds(short.bound)
        return Run(cost, {"of oauthlib's arithmetic": ratio}, {"µs with 950 characters of text": _microseconds(long.verify)})

    return repeated(once, plan.runs, unit="µs", settings={"verifications": VERIFICATIONS})


def _microseconds(work: Callable[[], None]) -> float:
    started = time.thread_time()
    for _ in range(VERIFICATIONS):
        work()
    return (time.thread_time() - started) / VERIFICATIONS * 1e6
