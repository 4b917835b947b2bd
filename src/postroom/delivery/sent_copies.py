"""Copies of sent messages, put into folders of other mail servers: queued, leased, retried (``messages.copies`` asks for them).

| what happened | the copy |
|---|---|
| the server kept it, or has it already | done |
| the server is away, shows no certificate that we trust, is full, or refuses for reasons of its own | tried again with growing pauses |
| the login is refused | tried ``MAX_REFUSALS`` times, ``delivery.retry_longest`` apart, then failed |
| two days are over | failed |
| the server says that it never will, or no mail can be made | failed at once |
| the server may not be named any more, or its name leads to a forbidden address (``reaching``) | the same |

A refused login is not tried more often, so that we do not lock anybody's account, and not less, so that a directory that
hiccups or a password that is set right has its chance.

A copy runs in a thread, since its library is blocking; ``AT_ONCE`` of them run at the same time. It takes ``LONGEST``
seconds at most and holds a lease of ``LEASE``, so nobody else begins it meanwhile.
"""

import asyncio
import functools
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog
from msgspec import structs

from postroom.clock import SECOND, now
from postroom.delivery import composer, contexts, copy_queue, policy, reaching
from postroom.delivery.copy_queue import ClaimedCopy, CopyOutcome
from postroom.delivery.imap import CONNECT, Answer, Conversation
from postroom.directory import mail_servers
from postroom.errors import Invalid, Unavailable
from postroom.messages import copies
from postroom.messages.copies import ImapAccount
from postroom.settings import DeliverySettings
from postroom.storage.store import Store

AT_ONCE: Final = 4
"""Copies that one worker makes at the same time."""

ONE_HOST: Final = 2
"""Of these, to one host: one that does not answer is not to hold up the others."""

LONGEST: Final = 120.0
"""Seconds that one try may take."""

LEASE: Final = LONGEST + 6 * CONNECT
"""Seconds of a lease: whoever was told to stop may still wait for names and connections."""

MAX_REFUSALS: Final = 3
"""Refused logins after which a copy is given up."""

GRACE: Final = 3.0
"""Seconds that copies which are being made get when they are told to stop, and then their release."""

_LONGEST_WAIT: Final = 5.0
"""Seconds after which an idle worker looks even if nothing woke it."""

_SHORTEST_WAIT: Final = 0.25
"""Seconds between two looks: while mail pours out every commit wakes us, seldom for a copy."""

_STORE_PAUSE: Final = 1.0
"""Seconds before the next try when the store is away."""

_log: Final = structlog.get_logger("postroom.delivery")


async def keep_copying(store: Store, owner: str, wake: asyncio.Event) -> None:
    """Make the copies that are due, until cancelled; then finish or put back what was begun, within twice ``GRACE``.

    ``owner`` is the name of the worker. ``wake`` is set by whoever hears of a commit. A store that is away is waited for.
    """
    copier = _Copier(store, owner, wake)
    try:
        await copier.run()
    finally:
        await copier.stop()


def judge(copy: ClaimedCopy, answer: Answer, delivery: DeliverySettings, *, now: int, dice: float) -> CopyOutcome:
    """Say what becomes of a copy after one try, as the table above has it; ``dice`` is a random number from 0 to 1."""
    if answer.kind == "done":
        return CopyOutcome(copy_id=copy.id, state="done", reply_text=answer.words)
    refused = answer.kind == "login"
    if answer.kind == "never" or now >= copy.expires_at or (refused and copy.refusals + 1 >= MAX_REFUSALS):
        return CopyOutcome(copy_id=copy.id, state="failed", reply_text=answer.words, refused=refused)
    pause = round(delivery.retry_longest * SECOND) if refused else policy.pause(copy.attempts, delivery, dice)
    due = min(now + pause, copy.expires_at)  # the last try falls on the expiry
    return CopyOutcome(copy_id=copy.id, state="queued", reply_text=answer.words, due_at=due, refused=refused)


class _Copier:
    def __init__(self, store: Store, owner: str, wake: asyncio.Event) -> None:
        self._store = store
        self._owner = owner
        self._wake = wake
        self._running: dict[int, asyncio.Task[None]] = {}
        self._hosts: dict[int, str] = {}  # of the copies that run
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="postroom copy")

    async def run(self) -> None:
        while True:
            self._wake.clear()
            try:
                pause = await self._look()
            except Unavailable as error:
                _log.warning("store_unavailable", reason=str(error))
                pause = _STORE_PAUSE
            await asyncio.sleep(_SHORTEST_WAIT)
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def stop(self) -> None:
        """Wait a little for what is being made, break off the rest and put it back."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=GRACE)
        left = {number: task for number, task in self._running.items() if not task.done()}
        for task in left.values():
            task.cancel()
        await asyncio.gather(*left.values(), return_exceptions=True)
        self._threads.shutdown(wait=False)
        await self._release(list(left))

    async def _look(self) -> float:
        """Begin what is due, as far as there is room; return the seconds until there is a reason to look again."""
        room = AT_ONCE - len(self._running)
        if room <= 0:
            return _LONGEST_WAIT  # each copy that ends wakes us
        earliest = await self._store.database.read(copy_queue.next_due)
        at = now()
        if earliest is None or earliest > at:
            return _LONGEST_WAIT if earliest is None else min((earliest - at) / SECOND, _LONGEST_WAIT)
        recovered = await self._store.database.write(copy_queue.recover, at)
        if recovered:
            _log.warning("copies_recovered", copies=recovered)
        for _ in range(room):
            copy = await self._claim()
            if copy is None:
                return _LONGEST_WAIT  # what is due may be for hosts with enough to do: each copy that ends wakes us
            self._hosts[copy.id] = copy.host
            task = self._running[copy.id] = asyncio.create_task(self._make(copy), name=f"copy {copy.id}")
            task.add_done_callback(functools.partial(self._ended, copy.id))
        return _LONGEST_WAIT

    async def _claim(self) -> ClaimedCopy | None:
        busy = [host for host, copies_there in Counter(self._hosts.values()).items() if copies_there >= ONE_HOST]
        claim = asyncio.ensure_future(self._store.database.write(copy_queue.claim, self._owner, now(), round(LEASE * SECOND), busy))
        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:  # what is claimed must be known, to be put back
            copy = await claim
            await self._release([copy.id] if copy else [])
            raise

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        del self._running[number], self._hosts[number]
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("copy_broken", copy=number, exc_info=error)  # its lease runs out

    async def _make(self, copy: ClaimedCopy) -> None:
        answer = await self._answer(copy)
        outcome = judge(copy, answer, self._store.settings.delivery, now=now(), dice=random.random())  # noqa: S311 - jitter
        await self._settle(outcome)
        if outcome.state != "done":
            _log.info("not_copied", copy=copy.id, message=copy.message_id, state=outcome.state, attempts=copy.attempts)

    async def _answer(self, copy: ClaimedCopy) -> Answer:
        if not mail_servers.is_allowed(self._store.settings, copy.host, copy.port, "imap"):
            return Answer("never", mail_servers.NOT_ALLOWED)
        try:
            account = self._account(copy)
        except Unavailable as error:  # of the secret key, not of the store
            return Answer("never", error.reason)
        try:
            context = await self._store.database.read(contexts.load_copy, self._store.settings, self._store.vault, copy.message_id)
            if context is None:
                return Answer("never", "the message is gone")
            content = await composer.render_copy(self._store, context)
        except Unavailable as error:
            return Answer("later", f"no mail could be made yet: {error.reason}")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the message's own fault
            return Answer("never", _refusal(error, copy))
        return await self._converse(Conversation(account, self._resolver(account)), content, context.date, again=copy.attempts > 1)

    def _resolver(self, account: ImapAccount) -> Callable[[], str]:
        return functools.partial(reaching.resolve, self._store.settings, account.host, account.port, "imap")

    def _account(self, copy: ClaimedCopy) -> ImapAccount:
        account = ImapAccount(
            host=copy.host, port=copy.port, security=copy.security, username=copy.username, password="", folder=copy.folder
        )
        password = self._store.vault.decrypt(copy.secret, copies.purpose(copy.message_id, account))
        return structs.replace(account, password=password)

    async def _converse(self, conversation: Conversation, content: bytes, date: int, *, again: bool) -> Answer:
        append = functools.partial(conversation.append, content, date, again=again)
        work = asyncio.get_running_loop().run_in_executor(self._threads, append)
        try:
            async with asyncio.timeout(LONGEST):
                return await asyncio.shield(work)
        except TimeoutError:
            conversation.abort()
            return await work
        except asyncio.CancelledError:
            conversation.abort()
            raise

    async def _settle(self, outcome: CopyOutcome) -> None:
        while True:
            try:
                held = await self._store.database.write(copy_queue.settle, self._owner, outcome, now())
            except Unavailable as error:
                _log.warning("outcomes_wait_for_store", copy=outcome.copy_id, reason=str(error))
                await asyncio.sleep(_STORE_PAUSE)
            else:
                if not held:
                    _log.warning("lease_lost", copy=outcome.copy_id)
                return

    async def _release(self, ids: list[int]) -> None:
        if not ids:
            return
        try:
            async with asyncio.timeout(GRACE):
                await self._store.database.write(copy_queue.release, self._owner, ids, now())
        except (TimeoutError, Unavailable) as error:
            _log.warning("copies_left", copies=len(ids), reason=str(error))  # their leases run out


def _refusal(error: Exception, copy: ClaimedCopy) -> str:
    """Return in words why no mail could be made; what was not foreseen is logged."""
    if isinstance(error, Invalid):
        return f"no mail could be made: {error.parameter}: {error.reason}"
    _log.error("composing_failed", copy=copy.id, message=copy.message_id, exc_info=error)
    return f"no mail could be made: {type(error).__name__}"
