"""Files of messages that are to become documents, which there are none of (wire/onlyoffice.md §1b Attachments, §8.22)."""

from typing import Final

from msgspec import Struct

from postroom.dialects.onlyoffice.binder import Long
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import argument, forbidden
from postroom.dialects.onlyoffice.operation import Operations, operation


class FilesExporting(Struct, frozen=True, kw_only=True):
    """The files of which message, and into which folder of documents."""

    id_message: Long = 0
    id_folder: str = ""


class FileExporting(Struct, frozen=True, kw_only=True):
    """Which file, and into which folder of documents."""

    id_attachment: Long = 0
    id_folder: str = ""


@operation("PUT", "/mail/messages/attachments/export", FilesExporting, result=int)
async def export_attachments(_call: Call, given: FilesExporting) -> int:
    """Tell how many files of a message became documents: none, since there are none."""
    if given.id_message < 1:
        raise argument("Invalid message id", "id_message")
    return 0


@operation("PUT", "/mail/messages/attachment/export", FileExporting, result=int)
async def export_attachment(_call: Call, given: FileExporting) -> int:
    """Make a document of a file: refused, since there are none and so no number to give."""
    if given.id_attachment < 1:
        raise argument("Invalid attachment id", "id_attachment")
    raise forbidden("There are no documents here.")


OPERATIONS: Final[Operations] = (export_attachments, export_attachment)
