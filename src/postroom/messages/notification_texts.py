"""The text of mails that tell a person of private messages, in both languages. Counts follow a colon, so that no word depends on a number.

Names and subjects are put on one line, without control characters, and cut; what was written is quoted only for those who asked for that.
"""

from collections.abc import Sequence
from html import escape
from typing import Final

from msgspec import Struct

from postroom.directory.values import one_line
from postroom.messages import markup
from postroom.messages.records import MAX_SUBJECT, ContentFormat, Language

MAX_EXCERPT: Final = 200
"""Characters of a message that a digest quotes at most."""

_MAX_NAME: Final = 120


class Texts(Struct, frozen=True, kw_only=True):
    """One language; ``{}`` stands for what is filled in."""

    new: str
    sender: str
    subject: str
    no_subject: str
    read: str
    change: str
    digest: str
    threads: str
    more: str


_POLISH: Final = Texts(
    new="Nowa wiadomość: {}",
    sender="Nowa prywatna wiadomość. Nadawca: {}",
    subject="Temat: {}",
    no_subject="(bez tematu)",
    read="Przeczytasz ją i odpowiesz na nią w programie, w którym korzystasz z prywatnych wiadomości. Na ten list nie można odpowiedzieć.",
    change="Powiadomienia zmienisz lub wyłączysz na stronie {}",
    digest="Nieprzeczytane wiadomości: {}",
    threads="Liczba rozmów z nowymi nieprzeczytanymi wiadomościami: {}",
    more="Liczba dalszych rozmów: {}",
)

_ENGLISH: Final = Texts(
    new="New message: {}",
    sender="You have a new private message. From: {}",
    subject="Subject: {}",
    no_subject="(no subject)",
    read="Read it, and answer it, in the program that you use for private messages. This mail cannot be answered.",
    change="Change or end these notifications at {}",
    digest="Unread messages: {}",
    threads="Number of threads with new unread messages: {}",
    more="Number of further threads: {}",
)

TEXTS: Final[dict[Language, Texts]] = {"pl": _POLISH, "en": _ENGLISH}


class Original(Struct, frozen=True, kw_only=True):
    """A private message that somebody is told of."""

    author: str
    subject: str
    content: str
    content_format: ContentFormat


class Notification(Struct, frozen=True, kw_only=True):
    """A mail that tells of messages."""

    subject: str
    content: str
    content_format: ContentFormat


def of_message(original: Original, language: Language, page: str, *, with_content: bool) -> Notification:
    """Write the mail about one message; ``page`` is the address where a person chooses about such mails."""
    texts = TEXTS[language]
    title = one_line(original.subject, MAX_SUBJECT) or texts.no_subject
    head = f"{texts.sender.format(one_line(original.author, _MAX_NAME))}\n{texts.subject.format(title)}"
    foot = f"{texts.read}\n{texts.change.format(page)}"
    subject = one_line(texts.new.format(title), MAX_SUBJECT)
    if not with_content:
        return Notification(subject=subject, content=f"{head}\n\n{foot}", content_format="plain")
    if original.content_format == "plain":
        quoted = "\n".join(f"> {line}" for line in original.content.splitlines())
        return Notification(subject=subject, content=f"{head}\n\n{quoted}\n\n{foot}", content_format="plain")
    quoted = f"<blockquote>{markup.safe_in_mail(original.content)}</blockquote>"
    return Notification(subject=subject, content=f"{_paragraph(head)}{quoted}{_paragraph(foot)}", content_format="html")


def of_threads(newest: Sequence[Original], total: int, language: Language, page: str, *, with_content: bool) -> Notification:
    """Write the mail about the unread threads of a day, by the newest message of each; ``total`` counts the unlisted, too."""
    texts = TEXTS[language]
    lines = [texts.threads.format(total), ""]
    for original in newest:
        lines.append(f"- {one_line(original.author, _MAX_NAME)}: {one_line(original.subject, MAX_SUBJECT) or texts.no_subject}")
        excerpt = markup.words(original.content, original.content_format, MAX_EXCERPT) if with_content else ""
        if excerpt:
            lines.append(f"  {excerpt}")
    if total > len(newest):
        lines.append(texts.more.format(total - len(newest)))
    lines += ["", texts.read, texts.change.format(page)]
    return Notification(subject=texts.digest.format(total), content="\n".join(lines), content_format="plain")


def _paragraph(text: str) -> str:
    return f"<p>{'<br>'.join(map(escape, text.splitlines()))}</p>"
