"""What the methods of services/mailing share: who may call them, the arguments of every sending one, and what they make of these."""

from typing import Annotated, Final, Protocol

from postroom.dialects.endpoint import Access
from postroom.dialects.usos import errors
from postroom.dialects.usos.arguments import language, text
from postroom.directory.records import Mailbox
from postroom.messages.mailings import MAX_FROM_EMAIL, MAX_FROM_NAME, Letter
from postroom.messages.records import ContentFormat, Language
from postroom.settings import Settings

MODULE: Final = "services/mailing/"
ACCESS: Final = Access(consumer="required", token="ignored", administrative=True)  # noqa: S106 - a need, no token

_FROM_NAME: Final = "USOS"
_MAX_EMAIL: Final = 254

FromName = Annotated[str | None, text(f"Name in the From header. Default: {_FROM_NAME}.", MAX_FROM_NAME)]
FromEmail = Annotated[
    str | None,
    text("Address in the From header; valid only together with from_name. Default: the no-reply address.", MAX_FROM_EMAIL),
]
SummaryTo = Annotated[str | None, text("Address that a summary report is sent to. Absent: there is none.", _MAX_EMAIL)]
Lang = Annotated[Language, language("Language of the headers and the signature that the server adds, and of the summary report.")]


class _Sender(Protocol):
    """The arguments that all sending methods have."""

    @property
    def from_name(self) -> str | None: ...
    @property
    def from_email(self) -> str | None: ...
    @property
    def send_summary_to(self) -> str | None: ...
    @property
    def lang(self) -> Language: ...


def letter(given: _Sender, subject: str, content: str, content_format: ContentFormat) -> Letter:
    """Put a message together; optional arguments that are empty count as absent. Raises ``UsosError`` for from_email without from_name."""
    if given.from_email and not given.from_name:
        raise errors.param_invalid("from_email", "it is valid only together with from_name")
    return Letter(
        subject=subject,
        content=content,
        content_format=content_format,
        language=given.lang,
        sender=Mailbox(given.from_name or _FROM_NAME, given.from_email or ""),
        summary_email=given.send_summary_to or None,
    )


def max_body(settings: Settings) -> int:
    """Return the largest body of a sending method."""
    return settings.usos.max_mailing_body
