"""A client of the API that behaves as a real one must: it repeats what was not answered, and believes what was.

It writes the messages of a roll one after the other, in step with the deliveries, so that there is always both a request and a
mail under way when something is killed.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

import httpx2
from msgspec import Struct

from postroom.demo.client import Api, ApiError
from tests.crash.witness import Witness

SIZES: Final = (1, 2, 40, 100, 200)
"""Recipients of one message, drawn at random; those of 50 and more take the bulk lane."""

_PAUSE: Final = 0.05
"""Seconds before a request that was not answered is made again."""

_SECONDS: Final = 120.0
"""How long the client tries to get one request answered."""

_STOP_SECONDS: Final = 5.0
"""How long ``stop`` waits for a request that is under way."""

AHEAD: Final = 1_500
"""Recipients that are submitted and not yet taken, so that submitting lasts as long as delivering."""

_GIVEN_UP: Final = 0.5
"""Part of the unanswered ``send_message`` calls after which the client does not ask again: nobody was promised anything."""

Answer = Literal["accepted", "unanswered"]


class _Stopped(Exception):
    """The client was told to stop."""


class Letter(Struct, frozen=True):
    """One message as its sender knows it."""

    message_id: int
    addresses: list[str]
    answer: Answer


def rolls(total: int, dice: random.Random, named: Callable[[int], str] = "person{}@people.example".format) -> list[list[str]]:
    """Cut a roll of ``total`` invented addresses into messages of random size."""
    cut: list[list[str]] = []
    begun = 0
    while begun < total:
        size = min(dice.choice(SIZES), total - begun)
        cut.append([named(number) for number in range(begun, begun + size)])
        begun += size
    return cut


class Submitter:
    """Submits messages from a thread of its own, in step with what the sink has seen. Closes ``api`` and ``seen`` at the end."""

    def __init__(self, api: Api, messages: Iterable[list[str]], dice: random.Random, seen: Witness, ahead: int) -> None:
        """Prepare; ``start`` begins. It waits while more than ``ahead`` recipients are submitted and not yet taken by the sink."""
        self.letters: list[Letter] = []
        self.answers: list[float] = []
        """When each request was answered with 200 (``time.monotonic()``)."""
        self.refusals = 0
        """Requests answered 503."""
        self.requests = 0
        self.failure: BaseException | None = None
        self._api = api
        self._messages = messages
        self._dice = dice
        self._seen = seen
        self._ahead = ahead
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="submitter", daemon=True)

    def start(self) -> None:
        """Begin to submit."""
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether everything was submitted, or something went wrong."""
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Break off, and close the connections."""
        self._stop.set()
        self._thread.join(_STOP_SECONDS)
        self._seen.close()
        self._api.__exit__(None, None, None)

    def _run(self) -> None:
        try:
            submitted = 0
            for addresses in self._messages:
                while submitted - self._seen.count() > self._ahead and not self._stop.is_set():
                    time.sleep(0.005)
                if self._stop.is_set():
                    return
                self.letters.append(self._submit(addresses))
                submitted += len(addresses)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - told by whoever watches this thread
            self.failure = error

    def _submit(self, addresses: list[str]) -> Letter:
        message_id = int(self._repeat("create_message", subject="Crash", content="Nobody is lost.")["message_id"])
        number = str(message_id)
        self._repeat("update_recipients_group", message_id=number, emails="|".join(addresses))
        self._repeat("refresh_recipients", message_id=number)
        return Letter(message_id, addresses, self._send(number))

    def _send(self, number: str) -> Answer:
        """Send; a refusal that says "no draft" means that an earlier request without an answer was served after all.

        After 503 too: PostgreSQL may die after it has committed and before it has said so.
        """
        tried = False
        for _ in self._tries("send_message"):
            try:
                self._call("send_message", message_id=number)
            except ApiError as error:
                if tried and "draft_required" in error.body:
                    return "accepted"
                if error.status != httpx2.codes.SERVICE_UNAVAILABLE:
                    raise
                self.refusals += 1
            except httpx2.TransportError:
                if self._dice.random() < _GIVEN_UP:
                    return "unanswered"
            else:
                return "accepted"
            tried = True
        return "unanswered"

    def _repeat(self, method: str, **parameters: str) -> dict[str, str]:
        """Call a method that does no harm when it is served twice, until it is answered."""
        for _ in self._tries(method):
            try:
                return self._call(method, **parameters)
            except ApiError as error:
                if error.status != httpx2.codes.SERVICE_UNAVAILABLE:
                    raise
                self.refusals += 1
            except httpx2.TransportError:
                pass
        raise _Stopped

    def _call(self, method: str, **parameters: str) -> dict[str, str]:
        self.requests += 1
        answer: dict[str, str] = self._api.call(method, **parameters)
        self.answers.append(time.monotonic())
        return answer

    def _tries(self, method: str) -> Iterator[None]:
        end = time.monotonic() + _SECONDS
        while not self._stop.is_set():
            if time.monotonic() > end:
                raise TimeoutError(f"{method} was not answered within {_SECONDS} seconds")
            yield
            time.sleep(_PAUSE)
