"""Images in the text of a message: its own ones at the address of its files, those from elsewhere only where they are wanted.

A message keeps its own images as parts of the mail, which its text names by Content-ID (``cid:``, RFC 2392). A browser knows nothing
of these, so what is read names the address of the file, and what is written is turned back (wire/onlyoffice.md §1a.6 step 7).
"""

import re
from collections.abc import Iterable, Sequence
from html import unescape
from typing import Final
from urllib.parse import unquote

from msgspec import structs

from postroom.dialects.onlyoffice.downloads import PATH
from postroom.messages.letter_records import LetterFile
from postroom.messages.records import Attachment

_TAG: Final = re.compile(r"""<(?:[^<>"]|"[^"]*")*>""")
_ATTRIBUTE: Final = re.compile(r"""(\s)([^\s"=<>/]+)="([^"]*)\"""")
"""Tags, and the attributes within one, of HTML as it was made safe: whole ones after another, so that no text takes long to read."""
_OWN: Final = "cid:"


def shown(html: str, files: Iterable[Attachment], base: str, *, with_foreign: bool) -> tuple[str, bool]:
    """Return safe HTML with images as they are shown, and whether some are not; ``base``: where we are reached.

    Images from elsewhere, which tell their owner who reads the message, and when, have ``tl_disabled_src`` unless ``with_foreign``.
    """
    numbers = {file.content_id: file.id for file in files if file.content_id}
    blocked = False

    def placed(found: re.Match[str]) -> str:
        nonlocal blocked
        if found[2].lower() != "src":
            return found[0]
        source = unescape(found[3]).strip()
        if source.lower().startswith(_OWN):
            number = numbers.get(unquote(source[len(_OWN) :]))
            return f'{found[1]}src="{base}{PATH}?attachid={number}"' if number else found[0]
        blocked = blocked or not with_foreign
        return found[0] if with_foreign else f'{found[1]}tl_disabled_src="{found[3]}"'

    def image(found: re.Match[str]) -> str:
        return _ATTRIBUTE.sub(placed, found[0]) if found[0][:5].lower().rstrip() == "<img" else found[0]

    return _TAG.sub(image, html), blocked


def kept(html: str, files: Sequence[LetterFile], base: str, domain: str) -> tuple[str, tuple[LetterFile, ...]]:
    """Return HTML as it is written with our addresses of files turned into Content-IDs, and the files with those that it shows.

    The names end in ``domain``. A file that its author does not see is left out, and then nothing is shown in its place.
    """
    address = re.compile(
        rf"""(\bsrc\s*+=\s*+["']?\s*+)(?:{re.escape(base)})?{re.escape(PATH)}\?attachid=([0-9]{{1,10}})(?![0-9])(?:&[^"'\s>]*)?""",
        re.IGNORECASE,
    )
    names: dict[int, str] = {}

    def named(found: re.Match[str]) -> str:
        number = int(found[2])
        names[number] = f"image-{number}@{domain}"
        return f"{found[1]}{_OWN}{names[number]}"

    written = address.sub(named, html)
    given = tuple(structs.replace(file, content_id=names.get(file.attachment_id, file.content_id)) for file in files)
    known = {file.attachment_id for file in files}
    others = (LetterFile(attachment_id=number, content_id=name, required=False) for number, name in names.items() if number not in known)
    return written, (*given, *others)
