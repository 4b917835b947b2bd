"""The text of a mail: what the author wrote, the list of links, the signature; as plain text and as HTML.

In a template each placeholder is first put as a mark that nobody can guess, so that the template goes through wrapping and
through the making of text from HTML like any other text. Lines without a mark are encoded once, for all recipients; lines
with one are encoded when the values are known. In HTML values are escaped: they are text, never markup.
"""

import html
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from msgspec import Struct

from postroom.delivery import headers, text
from postroom.delivery.contexts import Context, Link
from postroom.delivery.mime import Part, Piece, Values, body_of, leaf
from postroom.directory.values import storable
from postroom.errors import Invalid
from postroom.messages import html_text, templates
from postroom.messages.records import Language, MailOptions
from postroom.messages.templates import Template
from postroom.settings import Settings

_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)
_DOCUMENT: Final = re.compile(r"<(?:html|body)[\s>]", re.IGNORECASE)

_ATTACHMENTS: Final[dict[Language, str]] = {"pl": "Załączniki:", "en": "Attachments:"}
_UNTIL: Final[dict[Language, str]] = {"pl": "Do pobrania do {} (UTC).", "en": "Available until {} (UTC)."}
_SENT_BY: Final[dict[Language, str]] = {"pl": "Wiadomość wysłana przez: {}", "en": "Message sent by: {}"}


class SubjectSlot(Struct, frozen=True):
    """The Subject of a template."""

    template: Template

    def fill(self, values: Values) -> bytes:
        """Return the field for one recipient. Raises ``Invalid`` when a value holds what cannot stand in a header."""
        subject = self.template.fill(values.plain)
        if not storable(subject):
            raise Invalid("variables", "a line break or control character in the subject")
        return headers.unstructured("Subject", subject)


class LineSlot(Struct, frozen=True):
    """A line of a template's body; values may make several of it."""

    template: Template

    def fill(self, values: Values) -> bytes:
        """Return the line for one recipient, wrapped."""
        return text.quoted(text.wrapped(self.template.fill(values.plain)))


class HtmlSlot(Struct, frozen=True):
    """A placeholder in the HTML of a template."""

    name: str

    def fill(self, values: Values) -> bytes:
        """Return the value for one recipient; its line goes on behind it."""
        if self.name not in values.html:
            raise Invalid("variables", f"no value for {{{self.name}}}")
        return text.quoted_open(values.html[self.name])


class Letter(Struct, frozen=True, kw_only=True):
    """A message with its options, ready to be put into words; ``subject``, ``content`` and ``text`` hold marks if it is a template."""

    context: Context
    options: MailOptions
    settings: Settings
    subject: str
    content: str
    text: str | None
    mark: str
    """What every mark begins with; empty if the message is no template."""
    names: tuple[str, ...]
    """What the marks stand for, by their numbers."""

    def template(self, marked: str) -> Template:
        """Return a text with its marks as a template again."""
        pieces = re.split(rf"{re.escape(self.mark)}(\d+);", marked)
        return Template(tuple(pieces[::2]), tuple(self.names[int(number)] for number in pieces[1::2]))


def letter(context: Context, options: MailOptions, settings: Settings, mark: str) -> Letter:
    """Read the templates, if the message is one; ``mark`` is a word that no author can guess. Raises ``Invalid``."""
    names: dict[str, int] = {}

    def marked(parameter: str, source: str) -> str:
        template = templates.parse(parameter, source)
        marks = [f"{mark}{names.setdefault(name, len(names))};" for name in template.names]
        return template.texts[0] + "".join(put + after for put, after in zip(marks, template.texts[1:], strict=True))

    subject, content, alternative = context.subject, context.content, options.text
    if context.template:
        subject, content = marked("subject", subject), marked("content", content)
        alternative = marked("text", alternative) if alternative is not None else None
    return Letter(
        context=context,
        options=options,
        settings=settings,
        subject=subject,
        content=content,
        text=alternative,
        mark=mark if names else "",
        names=tuple(names),
    )


def subject(of: Letter) -> Piece:
    """Return the field ``Subject``."""
    if of.mark and of.mark in of.subject:
        return SubjectSlot(of.template(of.subject))
    return headers.unstructured("Subject", of.subject)


def text_parts(of: Letter) -> list[Part]:
    """Return the text part: of HTML, what the author gave for it, or else what can be made of it; none where that is no word."""
    if of.context.content_format == "plain":
        return [_part("plain", _plain(of, of.content), of)]
    words = _plain(of, of.text if of.text is not None else html_text.from_html(of.content))
    return [_part("plain", words, of)] if words.strip() else []


def html_part(of: Letter) -> Part:
    """Return the HTML part: a document, with links and signature at the end of its body."""
    return _part("html", _html(of), of)


def sender_name(of: Letter) -> str:
    """Return the name that the mail goes out under; may be empty."""
    if of.options.sender is not None:
        return of.options.sender.name
    return of.context.address_name or of.context.author_name


def _part(kind: str, content: str, of: Letter) -> Part:
    if of.mark:
        lines = _html_lines(content, of) if kind == "html" else _plain_lines(content, of)
        return leaf(f"text/{kind}; charset=utf-8", "quoted-printable", lines)
    encoding, data = body_of(content)
    return leaf(f"text/{kind}; charset=utf-8", encoding, [data])


def _plain_lines(content: str, of: Letter) -> Iterable[Piece]:
    for marked, lines in groupby(content.removesuffix("\n").split("\n"), lambda line: of.mark in line):
        if marked:
            yield from (LineSlot(of.template(line)) for line in lines)
        else:
            yield text.quoted("\n".join(lines) + "\n")


def _html_lines(content: str, of: Letter) -> Iterable[Piece]:
    """Yield text and placeholders in turn: HTML needs no wrapping, so a line may be put together of several pieces."""
    template = of.template(content)
    for before, name in zip(template.texts, template.names, strict=False):
        yield text.quoted_open(before)
        yield HtmlSlot(name)
    yield text.quoted(template.texts[-1])


def _plain(of: Letter, content: str) -> str:
    blocks = [text.wrapped(content, keep=of.mark).rstrip("\n")]
    context = of.context
    if context.links:
        blocks.append("\n".join([_ATTACHMENTS[context.language], *(_plain_link(link) for link in context.links), *_until(context)]))
    signature = _signature(of)
    if signature:
        blocks.append("\n".join(["-- ", *signature]))
    return "\n\n".join(blocks) + "\n"


def _plain_link(link: Link) -> str:
    about = f": {link.description}" if link.description else ""
    return text.wrapped(f"* {link.filename} ({text.human_size(link.size)}){about}") + f"\n  {link.url}"


def _html(of: Letter) -> str:
    """Return the author's HTML, made a document if it is none, with the links and the signature at the end of its body."""
    content = html_text.normalised(of.content)
    added = _html_added(of)
    if not _DOCUMENT.search(content):
        title = html.escape(of.subject)
        start = f'<!DOCTYPE html>\n<html lang="{of.context.language}">\n<head><meta charset="utf-8"><title>{title}</title></head>\n<body>\n'
        return f"{start}{content}\n{added}</body>\n</html>\n"
    ends = list(_BODY_END.finditer(content))
    if not ends:
        return f"{content}\n{added}"
    return f"{content[: ends[-1].start()]}\n{added}{content[ends[-1].start() :]}"


def _html_added(of: Letter) -> str:
    blocks: list[str] = []
    context = of.context
    if context.links:
        items = "".join(f"<li>{_html_link(link)}</li>\n" for link in context.links)
        until = "".join(f"<p>{html.escape(line)}</p>\n" for line in _until(context))
        blocks.append(f"<hr>\n<p>{_ATTACHMENTS[context.language]}</p>\n<ul>\n{items}</ul>\n{until}")
    signature = _signature(of)
    if signature:
        blocks.append(f"<hr>\n<p>{'<br>'.join(html.escape(line) for line in signature)}</p>\n")
    return "".join(blocks)


def _html_link(link: Link) -> str:
    about = f": {html.escape(link.description)}" if link.description else ""
    return f'<a href="{html.escape(link.url)}">{html.escape(link.filename)}</a> ({text.human_size(link.size)}){about}'


def _until(context: Context) -> list[str]:
    ends = [link.expires_at for link in context.links if link.expires_at is not None]
    return [_UNTIL[context.language].format(f"{datetime.fromtimestamp(min(ends) / 1000, UTC):%Y-%m-%d %H:%M}")] if ends else []


def _signature(of: Letter) -> list[str]:
    """Return the lines of the signature; the server's own words carry none."""
    nobody = of.context.author_id is None and of.context.client_id is None
    if nobody or not of.options.signature:
        return []
    name = sender_name(of)
    organisation = of.settings.mail.organisation
    return [_SENT_BY[of.context.language].format(name), organisation] if name else [organisation]
