"""One connection to a relay, and the mails that go over it one after the other.

    take a job ─► compose ─► started_at durable ─► content ─► reply ─► outcome durable ─► the next one
                                                     └── the envelope of the next job goes out behind the final dot

The outcome of one mail and the start of the next are one entry of one group commit; nothing of the next mail but its
envelope is on the wire before that.
"""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from postroom.clock import now
from postroom.delivery import policy
from postroom.delivery.dispatch import Dispatch
from postroom.delivery.envelope import Envelope
from postroom.delivery.mail import Mail
from postroom.delivery.records import Due, Outcome
from postroom.delivery.relay import Relay
from postroom.delivery.smtp import Answer, SmtpConnection, SmtpError
from postroom.delivery.window import Taken
from postroom.errors import Invalid

_LONG: Final = 3600.0
"""Seconds after which a sender without a connection stops waiting, to begin anew."""


class _Parcel(Struct, frozen=True, eq=False):
    """A job with its mail, ready to go."""

    taken: Taken
    envelope: Envelope
    mail: Mail

    @property
    def dues(self) -> tuple[Due, ...]:
        return self.taken.job.dues

    @property
    def ids(self) -> list[int]:
        return [due.id for due in self.taken.job.dues]


class Sender:
    """Sends what a relay's window holds, over one connection at a time, until the relay hands out nothing any more."""

    def __init__(self, relay: Relay, dispatch: Dispatch) -> None:
        self._relay = relay
        self._dispatch = dispatch
        self._connection: SmtpConnection | None = None
        self._mails = 0  # over the present connection

    async def run(self) -> None:
        """Send one mail after the other."""
        parcel: _Parcel | None = None
        try:
            while True:
                if parcel is None:
                    parcel = await self._begin()
                    if parcel is None:
                        if self._relay.ended:
                            return
                        continue
                parcel = await self._send(parcel)
        finally:
            await self._part()

    async def _begin(self) -> _Parcel | None:
        """Wait for a job and make it durable that it begins; ``None`` when there is none, or when it is ours no more."""
        taken = await self._next()
        parcel = self._composed(taken) if taken is not None else None
        if parcel is None:
            return None
        self._relay.busy += 1
        try:
            lost = await self._dispatch.settler.submit((), parcel.ids)
        finally:
            self._relay.busy -= 1
        return self._kept(parcel, lost)

    async def _next(self) -> Taken | None:
        """Wait for a job; a connection that waits for long is closed meanwhile."""
        if self._connection is not None:
            taken = await self._relay.take(self._relay.settings.idle)
            if taken is not None or self._relay.ended:
                return taken
            await self._part()
        return await self._relay.take(_LONG)

    def _composed(self, taken: Taken) -> _Parcel | None:
        """Make the mail; whom none can be made for fails alone, with the reason. ``None``: there is nothing to send."""
        job = taken.job
        self._dispatch.call_for_more()
        if not self._dispatch.holds(job):
            self._drop(taken)  # whoever recovers them will send to them
            return None
        try:
            mail = job.skeleton.fill(job.dues[0])
            recipients = tuple(due.email or "" for due in job.dues)
            sender = self._dispatch.return_path(job)
            envelope = Envelope(sender, recipients, mail.size, mail.eight_bit, job.skeleton.delivery_receipt)
        except Exception as error:  # noqa: BLE001 - a name or address that breaks the composer fails alone
            self._relay.done(taken, works=False)
            self._dispatch.refuse(job.dues, error, self._relay.label)
            return None
        return _Parcel(taken, envelope, mail)

    def _kept(self, parcel: _Parcel, lost: frozenset[int]) -> _Parcel | None:
        """Return the parcel with those recipients that are still ours."""
        if not lost:
            return parcel
        dues = tuple(due for due in parcel.dues if due.id not in lost)
        self._dispatch.leases.drop(lost)
        if not dues:
            self._relay.done(parcel.taken, works=False)
            return None
        envelope = structs.replace(parcel.envelope, recipients=tuple(due.email or "" for due in dues))
        taken = structs.replace(parcel.taken, job=structs.replace(parcel.taken.job, dues=dues))
        return _Parcel(taken, envelope, parcel.mail)

    async def _send(self, parcel: _Parcel) -> _Parcel | None:
        """Send one mail; return the next one when the outcome of this one, and the start of the next, are durable."""
        self._relay.busy += 1
        try:
            results, following = await self._hand_over(parcel)
        except asyncio.CancelledError:
            self._interrupted(parcel)
            raise
        finally:
            self._relay.busy -= 1
        if any(policy.relay_trouble(result) for result in results):
            await self._relay_trouble(parcel, following, results)
            return None
        outcomes = self._judged(parcel, results)
        self._relay.done(parcel.taken, works=any(isinstance(result, Answer) for result in results))
        self._relay.sent += 1
        lost = await self._dispatch.settler.submit(outcomes, following.ids if following is not None else ())
        self._dispatch.told(outcomes)
        return self._kept(following, lost) if following is not None else None

    async def _hand_over(self, parcel: _Parcel) -> tuple[Sequence[policy.Result], _Parcel | None]:
        """Return what the relay says for each recipient, and the parcel that comes next if there is one already.

        A connection that went stale while it was idle is replaced once: nothing was taken over it.
        """
        used = self._mails > 0
        try:
            await self._connect(parcel.envelope)
        except SmtpError as error:
            return [error] * len(parcel.dues), None
        following = self._following()
        try:
            return await self._answers(parcel, following), following
        except SmtpError as error:
            if not (used and error.stale and error.phase == "transaction"):
                return [error] * len(parcel.dues), following
        try:
            await self._connect(parcel.envelope)
            return await self._answers(parcel, following), following
        except SmtpError as error:
            return [error] * len(parcel.dues), following

    async def _answers(self, parcel: _Parcel, following: _Parcel | None) -> Sequence[policy.Result]:
        connection = self._connection
        assert connection is not None  # noqa: S101 - _connect came before
        self._mails += 1
        try:
            return await connection.send(parcel.envelope, parcel.mail, following.envelope if following is not None else None)
        except Invalid as error:
            return [error] * len(parcel.dues)

    def _following(self) -> _Parcel | None:
        """Take the job that goes over this connection next, unless another connection waits for one."""
        if self._mails + 1 >= self._relay.settings.messages_per_connection:
            return None
        taken = self._relay.take_now()
        return self._composed(taken) if taken is not None else None

    async def _connect(self, envelope: Envelope) -> None:
        """Have a connection over which this envelope may go next. Raises ``SmtpError``."""
        if self._connection is not None:
            if self._connection.ready_for(envelope) and self._mails < self._relay.settings.messages_per_connection:
                return
            await self._part()
        self._connection = await self._relay.connect()
        self._mails = 0

    async def _part(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._mails = 0
            await self._relay.part(connection)

    def _judged(self, parcel: _Parcel, results: Sequence[policy.Result]) -> list[Outcome]:
        """Say what becomes of each recipient; those that were one too many for the relay go into a transaction of their own."""
        left = _left_over(parcel.dues, results)
        if left:
            self._relay.put([structs.replace(parcel.taken.job, dues=left)])
        settings, label, at = self._dispatch.settings.delivery, self._relay.label, now()
        return [
            policy.judge(due, result, settings, label, now=at, dice=random.random())  # noqa: S311 - jitter
            for due, result in zip(parcel.dues, results, strict=True)
            if due not in left
        ]

    async def _relay_trouble(self, parcel: _Parcel, following: _Parcel | None, results: Sequence[policy.Result]) -> None:
        """Give everybody back who waits for the relay; none of them has been tried."""
        answer = next((result for result in results if isinstance(result, Answer)), None)
        if answer is not None:
            self._relay.failed(str(answer.reply))
        waiting = [parcel, following] if following is not None else [parcel]
        for each in waiting:
            self._relay.done(each.taken, works=False)
        await self._part()
        await self._dispatch.give_back([*(each.taken.job for each in waiting), *self._relay.window.drain()], self._relay)

    def _interrupted(self, parcel: _Parcel) -> None:
        """Note, as the worker stops, that nobody knows what the relay would have said."""
        connection = self._connection
        if connection is None or connection.phase != "outcome":
            return
        stopped = SmtpError("outcome", "the worker stopped before the relay answered")
        self._dispatch.settler.submit(self._judged(parcel, [stopped] * len(parcel.dues)))

    def _drop(self, taken: Taken) -> None:
        self._relay.done(taken, works=False)
        self._dispatch.leases.drop(due.id for due in taken.job.dues)


def _left_over(dues: Sequence[Due], results: Sequence[policy.Result]) -> tuple[Due, ...]:
    """Return who was refused for being one too many (RFC 5321 section 4.5.3.1.10): somebody else was taken in the same transaction."""
    if not any(isinstance(result, Answer) and result.step == "final dot" for result in results):
        return ()
    return tuple(due for due, result in zip(dues, results, strict=True) if isinstance(result, Answer) and policy.too_many(result))
