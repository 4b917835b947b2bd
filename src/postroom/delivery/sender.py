"""One connection to a relay, and the mails that go over it one after the other.

    take a job ─► compose ─► durable: on the wire ─► content ─► reply ─► durable: outcome ─► the next one
                                                         └── the envelope of the next job goes out behind the final dot

The outcome of one mail and the beginning of the next are one entry of one group commit; nothing of the next mail but its
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
from postroom.delivery.limits import Pause
from postroom.delivery.mail import Mail
from postroom.delivery.records import Due, Outcome
from postroom.delivery.relay import Relay
from postroom.delivery.smtp import Answer, SmtpConnection, SmtpError
from postroom.delivery.window import Job, Taken, domain_of
from postroom.delivery.wire import CLOSING
from postroom.errors import Invalid

LONGEST_AHEAD: Final = 1.0
"""Seconds for which a job may wait, its envelope open, for the mail before it; then another connection takes it."""

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
        self._refused = Pause()
        self._ahead: _Parcel | None = None
        self._sent_at = 0.0  # when the present mail went out

    @property
    def ended(self) -> bool:
        """Whether its relay hands out nothing any more."""
        return self._relay.ended

    async def run(self) -> None:
        """Send one mail after the other."""
        try:
            while not self._relay.ended:
                parcel = await self._begin()
                while parcel is not None:
                    parcel = await self._send(parcel)
        finally:
            await self._part()

    def reconsider(self) -> None:
        """Give back the job that waits behind a mail which is not answered for long; to be called now and then."""
        if self._ahead is not None and _time() - self._sent_at > LONGEST_AHEAD:
            parcel, self._ahead = self._ahead, None
            self._relay.done(parcel.taken, works=False)
            self._relay.put(self._dispatch.assign([parcel.taken.job]))

    # -- beginning ---------------------------------------------------------------------------------------------------

    async def _begin(self) -> _Parcel | None:
        """Wait for a job and make it durable that it goes out; ``None`` when there is none, or when it is ours no more."""
        taken = await self._next()
        parcel = self._composed(taken) if taken is not None else None
        if parcel is None:
            return None
        try:
            await self._connect(parcel.envelope)
        except SmtpError as error:
            await self._cannot_connect(parcel, error)
            return None
        return self._kept(parcel, await self._dispatch.settler.submit((), parcel.ids))

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
        self._dispatch.call_for_more()
        job = self._dispatch.still_held(taken.job)
        if job is None:
            self._relay.done(taken, works=False)
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
        return _Parcel(structs.replace(taken, job=job) if job is not taken.job else taken, envelope, mail)

    def _kept(self, parcel: _Parcel, lost: frozenset[int]) -> _Parcel | None:
        """Return the parcel with those recipients that are still ours."""
        if not lost:
            return parcel
        dues = tuple(due for due in parcel.dues if due.id not in lost)
        self._dispatch.settler.not_sent(lost)
        self._dispatch.leases.drop(lost)
        if not dues:
            self._relay.done(parcel.taken, works=False)
            return None
        envelope = structs.replace(parcel.envelope, recipients=tuple(due.email or "" for due in dues))
        taken = structs.replace(parcel.taken, job=structs.replace(parcel.taken.job, dues=dues))
        return _Parcel(taken, envelope, parcel.mail)

    # -- sending -----------------------------------------------------------------------------------------------------

    async def _send(self, parcel: _Parcel) -> _Parcel | None:
        """Send one mail; return the next one when the outcome of this one, and that the next goes out, are durable."""
        self._relay.busy += 1
        try:
            results = await self._hand_over(parcel)
        except asyncio.CancelledError:
            self._interrupted(parcel)
            raise
        finally:
            self._relay.busy -= 1
        following, self._ahead = self._ahead, None
        trouble = not self._relay.own and any(policy.relay_trouble(result) for result in results)
        if trouble and not self._refused_alone(results):
            await self._in_trouble([parcel, following] if following is not None else [parcel], results)
            return None
        outcomes = await self._judged(parcel, results)
        lost = await self._dispatch.settler.submit(outcomes, following.ids if following is not None else ())
        self._dispatch.told(outcomes)
        if following is None or (kept := self._kept(following, lost)) is None:
            return None
        self._relay.begun(kept.taken)
        return kept

    async def _hand_over(self, parcel: _Parcel) -> Sequence[policy.Result]:
        """Return what the relay says for each recipient.

        A connection that has been used may have gone stale, or the relay may want no more mails over it: it is replaced once.
        Nothing was taken over it.
        """
        used = self._mails > 0
        try:
            results = await self._answers(parcel)
        except SmtpError as error:
            if not (used and error.stale and error.phase == "transaction"):
                return [error] * len(parcel.dues)
        else:
            if not (used and all(isinstance(result, Answer) and policy.relay_trouble(result) for result in results)):
                return results
        await self._part()
        try:
            return await self._answers(parcel)
        except SmtpError as error:
            return [error] * len(parcel.dues)

    async def _answers(self, parcel: _Parcel) -> Sequence[policy.Result]:
        connection = await self._connect(parcel.envelope)
        if self._ahead is None:
            self._ahead = self._following()
        self._mails += 1
        self._sent_at = _time()
        try:
            return await connection.send(parcel.envelope, parcel.mail, self._ahead.envelope if self._ahead is not None else None)
        except Invalid as error:
            return [error] * len(parcel.dues)

    def _following(self) -> _Parcel | None:
        """Take the job that goes over this connection next."""
        if self._mails + 1 >= self._relay.settings.messages_per_connection:
            return None
        taken = self._relay.take_ahead()
        return self._composed(taken) if taken is not None else None

    async def _connect(self, envelope: Envelope) -> SmtpConnection:
        """Return a connection over which this envelope may go next. Raises ``SmtpError``."""
        connection = self._connection
        if connection is not None:
            if connection.ready_for(envelope) and self._mails < self._relay.settings.messages_per_connection:
                return connection
            await self._part()
        self._connection = connection = await self._relay.connect()
        return connection

    async def _part(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._mails = 0
            await self._relay.part(connection)

    async def _judged(self, parcel: _Parcel, results: Sequence[policy.Result]) -> list[Outcome]:
        """Say what becomes of each recipient; those that were one too many for the relay go into a transaction of their own."""
        answered = any(isinstance(result, Answer) for result in results)
        if answered:
            self._relay.works()
            self._refused.end()
        self._relay.sent += any(isinstance(result, Answer) and result.taken for result in results)
        self._relay.done(parcel.taken, works=answered)
        again = _again(parcel.taken.job, results)
        if again:
            await self._dispatch.give_back(again)
        left = {due.id for job in again for due in job.dues}
        return self._outcomes([(due, result) for due, result in zip(parcel.dues, results, strict=True) if due.id not in left])

    def _outcomes(self, results: Sequence[tuple[Due, policy.Result]]) -> list[Outcome]:
        settings, label, at = self._dispatch.settings.delivery, self._relay.label, now()
        outcomes = [
            policy.judge(due, result, settings, label, now=at, dice=random.random())  # noqa: S311 - jitter
            for due, result in results
        ]
        if len(results) > 1:  # the words of a refusal of all do not say whose address it is
            return [
                structs.replace(outcome, suppress=False) if isinstance(result, Answer) and result.step == "final dot" else outcome
                for outcome, (_, result) in zip(outcomes, results, strict=True)
            ]
        return outcomes

    # -- trouble -----------------------------------------------------------------------------------------------------

    async def _cannot_connect(self, parcel: _Parcel, error: SmtpError) -> None:
        """Give the job to others. While other connections are open the relay may only have enough of them: this one rests.

        No other one takes a letter whose author named the server, who is to hear what that says: it counts as a try.
        """
        self._relay.done(parcel.taken, works=False)
        if self._relay.own:
            await self._put_off(parcel, error)
            await self._dispatch.give_back(self._relay.window.drain())
            return
        if self._relay.down:
            await self._dispatch.give_back([parcel.taken.job, *self._relay.window.drain()])
            return
        self._relay.put([parcel.taken.job])
        self._refused.trouble(_time())
        await self._relay.rest(self._refused.left(_time()))

    async def _put_off(self, parcel: _Parcel, error: SmtpError) -> None:
        outcomes = self._outcomes([(due, error) for due in parcel.dues])
        await self._dispatch.settler.submit(outcomes)
        self._dispatch.told(outcomes)

    def _refused_alone(self, results: Sequence[policy.Result]) -> bool:
        """Tell whether the relay closes on this mail (421) while it works with others: then the mail is put off, not the relay."""
        closing = all(isinstance(result, Answer) and result.reply.code == CLOSING for result in results)
        return closing and self._relay.open > 1

    async def _in_trouble(self, parcels: Sequence[_Parcel], results: Sequence[policy.Result]) -> None:
        """Give everybody back who waits for the relay; none of them has been tried."""
        answer = next((result for result in results if isinstance(result, Answer)), None)
        if answer is not None:
            self._relay.failed(str(answer.reply))
        for parcel in parcels:
            self._relay.done(parcel.taken, works=False)
        await self._part()
        waiting = self._relay.window.drain() if self._relay.down else []
        await self._dispatch.give_back([*(parcel.taken.job for parcel in parcels), *waiting])

    def _interrupted(self, parcel: _Parcel) -> None:
        """Note, as the worker stops, that nobody knows what the relay would have said."""
        connection = self._connection
        if connection is None or connection.phase != "outcome":
            self._dispatch.settler.not_sent(parcel.ids)
            return
        stopped = SmtpError("outcome", "the worker stopped before the relay answered")
        self._dispatch.settler.submit(self._outcomes([(due, stopped) for due in parcel.dues]))


def _again(job: Job, results: Sequence[policy.Result]) -> list[Job]:
    """Return what goes out anew of a mail to several, nobody of it having been tried.

    Whoever was refused for being one too many (RFC 5321 section 4.5.3.1.10), since somebody else was taken in the same transaction;
    each by itself when one of them has an address that this relay cannot be told: that one is to fail alone.
    """
    if len(job.dues) == 1:
        return []
    if all(isinstance(result, Invalid) and result.parameter == "email" for result in results):
        return [structs.replace(job, dues=(due,), domain=domain_of(due.email or "")) for due in job.dues]
    if not any(isinstance(result, Answer) and result.step == "final dot" for result in results):
        return []
    left = tuple(due for due, result in zip(job.dues, results, strict=True) if isinstance(result, Answer) and policy.too_many(result))
    return [structs.replace(job, dues=left)] if left else []


def _time() -> float:
    return asyncio.get_running_loop().time()
