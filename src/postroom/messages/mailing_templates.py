"""One text for many people, with values of each (USOS ``services/mailing/send_simple_by_template``): one message, a line for each mail.

What each recipient's mail would be like is checked beforehand without making it: its length follows from the lengths of
the values, so that fifty thousand take no more memory than their values. Only values that the templates ask for are kept.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import select

from postroom.directory import emails
from postroom.directory.values import storable
from postroom.errors import Invalid, TooLarge
from postroom.messages import mailings, queueing, templates
from postroom.messages.mailings import MAX_TOGETHER, Letter
from postroom.messages.queueing import Line
from postroom.messages.records import MAX_CONTENT, MAX_SUBJECT
from postroom.messages.templates import Template
from postroom.messages.texts import check_line, check_text, has_control
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.tables import recipients

MAX_SUBJECT_TEMPLATE: Final = 2_000
"""Characters before values are put in: names of placeholders may be long and their values short."""
MAX_CONTENT_TEMPLATE: Final = 100_000

_SHOWN: Final = 100


class Addressee(Struct, frozen=True):
    """One mail: whom it goes to, and its values as they are kept."""

    email: str
    variables: str


class TemplateMailing(Struct, frozen=True, kw_only=True):
    """A letter whose subject and content are templates, and its recipients; all checked."""

    letter: Letter
    addressees: list[Addressee]


class _Text(Struct, frozen=True, kw_only=True):
    """A template with what is needed to tell how long its result is."""

    parameter: str
    limit: int
    template: Template
    fixed: int
    """Characters that are the same for everybody."""
    uses: Mapping[str, int]
    """How often each value stands in it."""

    def check(self, variables: Mapping[str, str]) -> None:
        """Check the result for one recipient. Raises ``TooLarge``, and ``Invalid`` when there is nothing in it."""
        if self.fixed + sum(len(variables[name]) * count for name, count in self.uses.items()) > self.limit:
            raise TooLarge(self.parameter, self.limit)
        if not any(map(str.strip, self.template.texts)) and not any(variables[name].strip() for name in self.uses):
            raise Invalid(self.parameter, "it is empty")


class Sheet:
    """The two templates of a letter, against which recipients are checked one after the other (``addressee``)."""

    def __init__(self, letter: Letter) -> None:
        """Read the templates and check the rest of the letter.

        Raises ``Invalid`` and ``TooLarge``, named ``subject_template``, ``content_template`` or as ``mailings.checked`` does.
        """
        check_line("subject_template", letter.subject, MAX_SUBJECT_TEMPLATE)
        check_text("content_template", letter.content, MAX_CONTENT_TEMPLATE)
        self._subject = _text("subject_template", letter.subject, MAX_SUBJECT)
        self._content = _text("content_template", letter.content, MAX_CONTENT)
        self._letter = mailings.with_addresses(letter)
        self.names = frozenset((*self._subject.uses, *self._content.uses))
        """Names that the templates ask for."""

    def addressee(self, place: int, email: str, variables: Mapping[str, str]) -> Addressee:
        """Check the recipient at ``place`` (from 1) and return the line of the roll.

        Raises ``Invalid``, and ``TooLarge`` for a result that is too long; either says at which place.
        """
        normal = emails.normalise(email)
        if normal is None:
            raise Invalid("recipients", f"recipient {place}: not an address: {email[:_SHOWN]!r}")
        lacking = templates.missing((self._subject.template, self._content.template), variables)
        if lacking:
            raise Invalid("recipients", f"recipient {place}: no value for {{{lacking[0]}}}")
        self._check_values(place, variables)
        for text in (self._subject, self._content):
            try:
                text.check(variables)
            except TooLarge:
                raise Invalid(text.parameter, f"the text for recipient {place} is longer than {text.limit} characters") from None
            except Invalid as error:
                raise Invalid(text.parameter, f"of the text for recipient {place}: {error.reason}") from None
        return Addressee(normal, msgspec.json.encode({name: variables[name] for name in self.names}).decode())

    def mailing(self, addressees: Sequence[Addressee]) -> TemplateMailing:
        """Put the letter and its checked recipients together. Raises ``Invalid`` for none, ``TooLarge`` for more than 50,000."""
        if not addressees:
            raise Invalid("recipients", "it is empty")
        if len(addressees) > MAX_TOGETHER:
            raise TooLarge("recipients", MAX_TOGETHER)
        return TemplateMailing(letter=self._letter, addressees=list(addressees))

    def _check_values(self, place: int, variables: Mapping[str, str]) -> None:
        for name in self.names:
            if has_control(variables[name]) or (name in self._subject.uses and not storable(variables[name])):
                raise Invalid("recipients", f"recipient {place}: a control character or line break in the value of {{{name}}}")


def send(tx: Tx, settings: Settings, client_id: int, mailing: TemplateMailing, now: int) -> list[str]:
    """Send one message to all, the same address twice if it stands there twice; return an identifier of each mail, in their order.

    An identifier is ``<number of the message>-<number of the recipient>``.
    """
    number = mailings.create(tx, client_id, mailing.letter, now, template=True)
    lines = [Line(number, addressee.email, addressee.variables) for addressee in mailing.addressees]
    mailings.queue(tx, settings, lines, queueing.lane_of(settings.delivery, len(lines)), now)
    ids = tx.execute(select(recipients.c.id).where(recipients.c.message_id == number).order_by(recipients.c.id)).scalars()
    return [f"{number}-{recipient}" for recipient in ids]


def _text(parameter: str, source: str, limit: int) -> _Text:
    template = templates.parse(parameter, source)
    uses = Counter(template.names)
    text = _Text(parameter=parameter, limit=limit, template=template, fixed=sum(map(len, template.texts)), uses=uses)
    if text.fixed > limit:
        raise TooLarge(parameter, limit)
    return text
