"""Our SMTP client: one connection to a relay, one message at a time, one round trip for each.

Strict in what it sends (``mail``, ``envelope``), tolerant in what it reads (``replies``). With PIPELINING (RFC 2920) the
envelope of the next message goes out behind the final dot of this one, so a stream of messages costs one round trip each.
The *content* of the next one waits until it is asked for: nothing of it can have been taken before.

A failure says in which phase it came, since that decides what is known of the recipient: before MAIL nothing was tried,
before the final dot the mail was not taken, after it nobody knows (RFC 5321 section 4.5.3.2.6 and RFC 1047).
"""

import ssl
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from postroom.delivery import sasl
from postroom.delivery.envelope import Envelope, commands
from postroom.delivery.mail import FINAL_DOT, Mail
from postroom.delivery.replies import GarbageError, Reply
from postroom.delivery.veil import Veil
from postroom.delivery.wire import CLOSING, Wire, open_wire, reason, tls_context
from postroom.errors import Invalid
from postroom.settings import RelaySettings

Phase = Literal["session", "transaction", "outcome"]
"""``session``: no recipient was named yet. ``transaction``: MAIL went out. ``outcome``: the final dot went out."""

Step = Literal["MAIL", "RCPT", "DATA", "final dot"]

REFUSED: Final = 300
"""Where in this client's exchanges success ends: replies below are 2xx (RFC 5321 section 4.2.1)."""
_GO_AHEAD: Final = 354


class SmtpError(Exception):
    """The conversation broke: the connection was refused, lost, silent for too long, or garbage came.

    ``phase`` says how far the message was; ``code`` is that of the server's last word if it gave one (421, 535 …);
    ``stale`` that the connection ended without a word, as one does that was left alone for too long; ``final`` that no other try
    would come to anything else.
    """

    def __init__(self, phase: Phase, reason: str, code: int | None = None, *, stale: bool = False, final: bool = False) -> None:
        super().__init__(reason)
        self.phase: Phase = phase
        self.reason = reason
        self.code = code
        self.stale = stale
        self.final = final


class Answer(Struct, frozen=True):
    """What the server said of one recipient, and to which command."""

    step: Step
    reply: Reply

    @property
    def taken(self) -> bool:
        """Whether the server took responsibility for the mail."""
        return self.step == "final dot" and self.reply.code < REFUSED


class SmtpConnection:
    """One connection; made by ``connect``, for one task at a time."""

    def __init__(self, wire: Wire, veil: Veil) -> None:
        """Speak over ``wire``; ``veil`` hides our password from whatever the server says."""
        self._wire = wire
        self._veil = veil
        self._extensions: dict[str, str] = {}
        self._pipelining = False
        self._ahead: Envelope | None = None
        self.phase: Phase = "session"

    @property
    def usable(self) -> bool:
        """Whether any message may be sent over this connection next."""
        return self._wire.open and self.phase == "session" and self._ahead is None and not self._wire.unasked

    def ready_for(self, envelope: Envelope) -> bool:
        """Tell whether the message in this envelope may be sent next; once an envelope was opened ahead, no other may."""
        return self.usable if self._ahead is None else self._ahead is envelope and self._wire.open and not self._wire.unasked

    async def send(self, envelope: Envelope, mail: Mail, following: Envelope | None = None) -> list[Answer]:
        """Hand over one message; return the last answer for each recipient, in their order.

        ``following`` is the envelope of the message that will be sent next over this connection; with PIPELINING it is opened
        at once, and then nothing else can be sent. Raises ``Invalid`` before anything of this message is sent, ``SmtpError``
        with the phase when the conversation breaks; then, and after a 421, the connection is closed.
        """
        try:
            answers = await self._open(envelope)
            accepted = [index for index, answer in enumerate(answers) if answer is None]
            if accepted:
                await self._deliver(mail, following, answers)
        except (OSError, GarbageError) as error:
            self.close()
            raise SmtpError(self.phase, self._veil.over(reason(error)), stale=isinstance(error, ConnectionError)) from None
        self.phase = "session"
        told = [answer for answer in answers if answer is not None]
        if any(answer.reply.code == CLOSING for answer in told):
            self.close()
        return told

    async def quit(self) -> None:
        """Say goodbye and close; a server that does not answer is left without it."""
        if self.usable:
            try:
                await self._command(b"QUIT")
            except SmtpError:
                pass  # nothing is at stake any more
        self.close()

    def close(self) -> None:
        """Close at once."""
        self._wire.close()

    async def _open(self, envelope: Envelope) -> list[Answer | None]:
        """Open a transaction; return for each recipient why it is refused, or ``None``: then the server waits for the content."""
        if self._ahead is not envelope:
            lines = commands(envelope, self._extensions)
            self.phase = "transaction"
            if not self._pipelining:
                return await self._open_step_by_step(lines)
            self._wire.write(b"".join(lines), replies=len(lines))
        self.phase, self._ahead = "transaction", None
        mail, *rcpts, data = await self._replies(len(envelope.recipients) + 2)
        return await self._judged(mail, rcpts, data)

    async def _open_step_by_step(self, lines: list[bytes]) -> list[Answer | None]:
        """Without PIPELINING nothing is asked that a refusal made pointless."""
        mail = await self._exchange(lines[0])
        if mail.code >= REFUSED:
            return await self._judged(mail, [mail] * (len(lines) - 2), mail)
        rcpts: list[Reply] = []
        for line in lines[1:-1]:  # a 421 answers the rest too
            rcpts.append(rcpts[-1] if rcpts and rcpts[-1].code == CLOSING else await self._exchange(line))
        over = rcpts[-1].code == CLOSING or all(reply.code >= REFUSED for reply in rcpts)
        return await self._judged(mail, rcpts, rcpts[-1] if over else await self._exchange(lines[-1]))

    async def _judged(self, mail: Reply, rcpts: Sequence[Reply], data: Reply) -> list[Answer | None]:
        answers: list[Answer | None]
        if data.code < REFUSED:  # DATA cannot succeed: these are answers to something else, and whose is whose cannot be told
            raise GarbageError(f"DATA was answered {data.code}")
        if mail.code >= REFUSED:
            answers = [Answer("MAIL", mail) for _ in rcpts]
        else:
            answers = [Answer("RCPT", reply) if reply.code >= REFUSED else None for reply in rcpts]
            if data.code != _GO_AHEAD:
                answers = [answer or Answer("DATA", data) for answer in answers]
        if None not in answers and data.code != CLOSING:
            await self._clean_up(waiting=data.code == _GO_AHEAD)
        return answers

    async def _clean_up(self, *, waiting: bool) -> None:
        """Nobody is left to send to. A server that waits for content all the same gets none (RFC 2920 section 3.1)."""
        try:
            await self._exchange(FINAL_DOT if waiting else b"RSET\r\n")
        except (OSError, GarbageError):
            self.close()  # the answers that were given stand all the same

    async def _deliver(self, mail: Mail, following: Envelope | None, answers: list[Answer | None]) -> None:
        """Send the content to those who were not refused, and put down what the server says to it."""
        ahead = self._commands_ahead(following)
        self.phase = "outcome"
        self._wire.write(*mail.chunks, FINAL_DOT, *ahead, replies=1 + len(ahead))
        final = Answer("final dot", (await self._replies(1))[0])
        if ahead and final.reply.code != CLOSING:
            self._ahead = following
        answers[:] = [answer or final for answer in answers]

    def _commands_ahead(self, following: Envelope | None) -> list[bytes]:
        """Return what opens the next transaction already now; nothing when that has to wait, or when it will be refused."""
        if following is None or not self._pipelining:
            return []
        try:
            return commands(following, self._extensions)
        except Invalid:
            return []  # its own turn will tell

    async def _exchange(self, line: bytes) -> Reply:
        self._wire.write(line, replies=1)
        return (await self._replies(1))[0]

    async def _replies(self, count: int) -> list[Reply]:
        return [self._veil.over_reply(reply) for reply in await self._wire.replies(count)]

    async def _command(self, line: bytes) -> Reply:
        try:
            return await self._exchange(line + b"\r\n")
        except (OSError, GarbageError) as error:
            raise SmtpError("session", self._veil.over(reason(error))) from None

    async def introduce(self, relay: RelaySettings, helo: str, context: ssl.SSLContext | None) -> None:
        """Greeting, EHLO, STARTTLS and AUTH as ``relay`` says; for ``connect``. Raises ``SmtpError``, ``OSError``, ``GarbageError``."""
        self._expect((await self._replies(1))[0], 220, "greeting")
        await self._greet(helo)
        if context is not None and relay.security != "tls":
            await self._secure(relay, helo, context)
        if relay.username:
            await self._authenticate(relay)

    async def _greet(self, helo: str) -> None:
        reply = await self._command(f"EHLO {helo}".encode("ascii"))
        if reply.code < REFUSED:
            words = (line.split(None, 1) for line in reply.lines[1:] if line.strip())
            self._extensions = {word[0].upper(): word[1] if len(word) > 1 else "" for word in words}
        else:
            self._extensions = {}
            self._expect(await self._command(f"HELO {helo}".encode("ascii")), 250, "HELO")
        self._pipelining = "PIPELINING" in self._extensions

    async def _secure(self, relay: RelaySettings, helo: str, context: ssl.SSLContext) -> None:
        if "STARTTLS" in self._extensions:
            self._expect(await self._command(b"STARTTLS"), 220, "STARTTLS")
            await self._wire.start_tls(context, relay.host)
            await self._greet(helo)  # what was said before TLS does not count (RFC 3207 section 4.2)
        elif relay.security == "starttls":
            raise SmtpError("session", "the relay does not offer STARTTLS, which the settings require")
        elif relay.username:
            raise SmtpError(
                "session", "the relay does not offer STARTTLS, and the password is not sent without; relay.security = none would"
            )

    async def _authenticate(self, relay: RelaySettings) -> None:
        try:
            conversation = sasl.conversation(relay, self._extensions.get("AUTH", ""))
        except sasl.NoMechanismError as error:
            raise SmtpError("session", str(error)) from None
        reply = await self._command(b"AUTH " + next(conversation))
        for line in conversation:
            if reply.code != sasl.CONTINUE:
                break
            reply = await self._command(line)
        self._expect(reply, 235, "AUTH")

    def _expect(self, reply: Reply, code: int, step: str) -> None:
        if reply.code != code:
            raise SmtpError("session", f"{step}: {reply}", reply.code)


async def connect(relay: RelaySettings, helo: str, address: str | None = None, *, verified: bool = False) -> SmtpConnection:
    """Open a connection to a relay, introducing ourselves as ``helo``: greeting, EHLO, TLS and AUTH as its settings say.

    ``address``: where its name leads to, if that is known already. ``verified``: its certificate is checked even with ``opportunistic``.

    Raises ``SmtpError`` of phase ``session``; no text of it carries the password.
    """
    context = tls_context(verified=verified or relay.security != "opportunistic") if relay.security != "none" else None
    veil = Veil(relay.username, relay.password)
    wire: Wire | None = None
    try:
        wire = await open_wire(relay.host, relay.port, relay.timeout, context if relay.security == "tls" else None, address)
        connection = SmtpConnection(wire, veil)
        await connection.introduce(relay, helo, context)
    except BaseException as error:
        if wire is not None:
            wire.close()
        if isinstance(error, OSError | GarbageError | UnicodeError):  # the last: a name that cannot be one of a host
            raise SmtpError("session", veil.over(reason(error))) from None
        raise
    return connection
