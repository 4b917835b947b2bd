"""The head of a mail as HTML, as it stands above what an answer quotes (wire/superoffice.md §1.4 CreateInlineHtmlHeader)."""

from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from postroom.dialects.superoffice import addressing
from postroom.dialects.superoffice.carriers import EMailAddress, EMailEntity
from postroom.dialects.superoffice.dates import Dates
from postroom.dialects.superoffice.wire_types import NEVER

_WORDS: Final = {
    "en": ("From", "Sent", "To", "Cc", "Subject"),
    "pl": ("Od", "Wysłano", "Do", "DW", "Temat"),
}
_ENGLISH: Final = "en"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def of(email: EMailEntity, dates: Dates, language: str) -> str:
    """Return the head; lines of which the mail says nothing are missing. Whatever its texts are like, they are no HTML."""
    sender = [email.from_] if email.from_ is not None else []
    sent = "" if email.sent == NEVER else _moment(email.sent, dates)
    values = (_together(sender), sent, _together(email.to), _together(email.cc), email.subject or "")
    words = _WORDS.get(language, _WORDS[_ENGLISH])
    lines = [f"<b>{word}:</b> {escape(value)}<br>" for word, value in zip(words, values, strict=True) if value]
    return f'<div style="border-top:1px solid #e1e1e1;padding-top:3pt">{"".join(lines)}</div>'


def _together(addresses: list[EMailAddress]) -> str:
    return "; ".join(addressing.written(address) if address.address else address.name or "" for address in addresses)


def _moment(moment: int, dates: Dates) -> str:
    return (_EPOCH + timedelta(milliseconds=moment)).astimezone(dates.zone).strftime("%Y-%m-%d %H:%M")
