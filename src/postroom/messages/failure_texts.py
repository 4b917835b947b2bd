"""The text of the letter that tells an author that a letter could not be delivered (ONLYOFFICE contract §1a.6 step 11).

Everything foreign in it (subjects, names, replies of mail servers) is put on one line, cut and escaped.
"""

import html
import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from postroom.directory.named_mailboxes import written
from postroom.directory.records import Mailbox
from postroom.directory.values import one_line
from postroom.messages.report_texts import Unreached, shown_time

SUBJECT: Final = "Message delivery failure"

MAX_REASON: Final = 300
MAX_NAMED: Final = 100
_MAX_SUBJECT: Final = 200
_MAX_MAILBOX: Final = 460

_CHANGE: Final = "Change your message"
_BUTTON: Final = re.compile(rf"<a [^>]*>(?={_CHANGE}</a>)")
"""What leads to the letter that could not be delivered (``with_number``); also when the text has been made safe."""


class Failure(Struct, frozen=True, kw_only=True):
    """What the letter tells."""

    subject: str
    sent_at: int
    unreached: list[Unreached]
    """Those with an address."""


def reason(failure: Failure) -> str:
    """Return why the first of them was not reached, in the words of the mail server, at most 300 characters."""
    replies = (one_line(person.reply or "", MAX_REASON) for person in failure.unreached)
    return next(filter(None, replies), "no response")


def render(failure: Failure) -> str:
    """Write the letter, as HTML."""
    subject = html.escape(one_line(failure.subject, _MAX_SUBJECT))
    return "\n".join(
        [
            "<div>",
            "<p>This message was created automatically by mail delivery software.</p>",
            f"<p>Delivery failed for message with subject &quot;{subject}&quot; from {shown_time(failure.sent_at)}.</p>",
            "<p>Message could not be delivered to recipient(s):</p>",
            "<ul>",
            *_people(failure.unreached),
            "</ul>",
            f'<p><a href="#">{_CHANGE}</a></p>',
            f"<p>Reason: &quot;{html.escape(reason(failure))}&quot;</p>",
            "<p>Check the addresses and send the message again. If it fails again, ask your administrator, who will need the reason.</p>",
            "</div>",
        ]
    )


def with_number(content: str, number: int) -> str:
    """Return the text with the number of the letter that could not be delivered, as the reader's program counts them.

    What is foreign in the text is escaped, so there is one such link at most; reports that are no such letters have none.
    """
    return _BUTTON.sub(f'<a id="delivery_failure_button" mailid="{number}" class="button blue" href="#">', content, count=1)


def _people(unreached: Sequence[Unreached]) -> list[str]:
    lines = [f"<li>{html.escape(_person(person))}</li>" for person in unreached[:MAX_NAMED]]
    more = len(unreached) - len(lines)
    return [*lines, f"<li>and {more} more</li>"] if more else lines


def _person(person: Unreached) -> str:
    who = one_line(written(Mailbox(person.name, person.email or "")), _MAX_MAILBOX)
    why = one_line(person.reply or "", MAX_REASON)
    return f"{who}: {why}" if why else who
