"""What a client says of a message to be sent, as the record that the core takes (wire/schoology.md §1.4, §3.3, §4.1, §4.4)."""

import re
from collections.abc import Iterable
from typing import Final

from postroom.dialects.schoology import errors
from postroom.dialects.schoology.records import FileIds, NewAttachment, NewMessage
from postroom.directory.values import LARGEST_ID
from postroom.messages.links import Link
from postroom.messages.private import PrivateMessage

_NUMBER: Final = re.compile(r"\s*0*([0-9]{1,10})\s*")
"""With the blanks that people leave after commas; as many digits as the largest number has."""


def private_message(given: NewMessage) -> PrivateMessage:
    """Read a message to be sent; whether its recipients may be written to is for the core to say.

    Raises ``SchoologyError`` (400) for the first of: no subject; recipients that are no numbers; attachments of an unknown kind.
    """
    if not (given.subject or "").strip():
        raise errors.subject_required()
    attached = given.attachments if isinstance(given.attachments, list) else [given.attachments]
    attachments = [one for one in attached if isinstance(one, NewAttachment)]
    return PrivateMessage(
        subject=given.subject or "",
        content=given.message or "",
        recipient_ids=recipients(given.recipient_ids),
        upload_ids=[*_file_ids(given.file_attachment), *(_number(one.fid) for one in attachments if _kind(one) == "file")],
        links=[_link(one) for one in attachments if _kind(one) != "file"],
    )


def recipients(given: list[int | str] | int | str | None) -> list[int]:
    """Return the numbers of recipients, each once, in their order: ``"1,2 ,3"``, or, as our own addition, a list. Raises as above."""
    values: Iterable[int | str]
    if isinstance(given, list):
        values = given
    elif isinstance(given, str):
        values = given.split(",") if given.strip() else []
    else:
        values = [] if given is None else [given]
    numbers = [number_of(value) for value in values]
    if None in numbers:
        raise errors.recipients_invalid()
    return [number for number in dict.fromkeys(numbers) if number is not None]


def as_sent(given: list[int | str] | int | str | None) -> str:
    """Return recipients as a client gave them: the service repeats the text (§4.2)."""
    return ",".join(map(str, given)) if isinstance(given, list) else str(given or "")


def number_of(value: int | str) -> int | None:
    """Return what an object may have as its number; ``None`` for everything else."""
    if isinstance(value, str):
        found = _NUMBER.fullmatch(value)
        value = int(found[1]) if found else 0
    return value if 0 < value <= LARGEST_ID else None


def _file_ids(given: FileIds | str | None) -> list[int]:
    ids = given.id if isinstance(given, FileIds) else []
    return [_number(one) for one in (ids if isinstance(ids, list) else [ids])]


def _kind(one: NewAttachment) -> str:
    """Return the kind of an attachment: as it says, or as its fields tell."""
    return one.type or ("file" if one.fid != "" else "embed" if one.embed else "link")


def _link(one: NewAttachment) -> Link:
    kind = _kind(one)
    if kind not in {"link", "embed"}:
        raise errors.invalid("An attachment must be a link, an embed or a file")
    return Link(url=one.url or one.embed, title=one.title, embed=kind == "embed")


def _number(value: int | str) -> int:
    number = number_of(value)
    if number is None:
        raise errors.invalid("The id of a file must be a number")
    return number
