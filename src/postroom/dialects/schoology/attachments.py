"""What a message is sent with: the shape in which it is read, and the address from which a file is fetched (wire/schoology.md §4.4).

Of the keys that describe a converted file, only status and type mean something here, since nothing is converted: which of the four
statuses says so is not known, and 1 is our choice.
"""

from collections.abc import Sequence
from html import escape
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from postroom.clock import SECOND
from postroom.dialects.operation import Answer, Operations, operation
from postroom.dialects.schoology import errors
from postroom.dialects.schoology.call import Call
from postroom.errors import WrongState
from postroom.messages import attachments as files
from postroom.messages import links as pages
from postroom.messages.links import Link
from postroom.messages.records import Attachment
from postroom.storage.database import Tx

_KINDS: Final = {"video": 1, "audio": 2, "image": 3, "text": 4}
_DOCUMENT: Final = 4
_UNKNOWN: Final = 5
_DOCUMENTS: Final = ("application/pdf", "application/rtf", "application/msword", "application/vnd.")
"""Beginnings of media types that are documents, beside all text."""


class FileItem(Struct, frozen=True, kw_only=True):
    """A file."""

    id: int
    fid: int
    type: str = "file"
    title: str
    filename: str
    filesize: Annotated[int, Meta(description="Bytes.")]
    md5_checksum: Annotated[str, Meta(description="Empty for a file that came through another interface.")]
    timestamp: Annotated[int, Meta(description="When it came: seconds since the epoch.")]
    filemime: str
    download_path: Annotated[str, Meta(description="Where to fetch it; empty until a message has it.")] = ""
    extension: str
    dimensions: str = ""
    thumbnail: str = ""
    thumbnail_dimensions: str = ""
    converted_status: Annotated[int, Meta(description="Always 1: files are kept as they came.")] = 1
    converted_type: Annotated[int, Meta(description="Of the file itself: 1 video, 2 audio, 3 image, 4 document, 5 unknown.")]
    converted_filename: None = None
    converted_download_path: None = None
    converted_extension: None = None
    converted_filesize: None = None
    converted_md5_checksum: None = None
    converted_filemime: None = None


class LinkItem(Struct, frozen=True, kw_only=True):
    """The address of a page."""

    id: Annotated[int, Meta(description="Its place among the links and embedded pages of the message, from 1.")]
    type: str = "link"
    title: str
    url: str
    summary: str = ""
    favicon: str = ""
    thumbnail: str = ""
    display_inline: int = 0


class EmbedItem(Struct, frozen=True, kw_only=True):
    """A page that is shown within the message."""

    id: Annotated[int, Meta(description="Its place among the links and embedded pages of the message, from 1.")]
    type: str = "embed"
    title: str
    embed_code: Annotated[str, Meta(description="A frame, written by this server around the address.")]


class FileList(Struct, frozen=True):
    """Wrapper of files."""

    file: list[FileItem]


class LinkList(Struct, frozen=True):
    """Wrapper of links."""

    link: list[LinkItem]


class EmbedList(Struct, frozen=True):
    """Wrapper of embedded pages."""

    embed: list[EmbedItem]


class Attachments(Struct, frozen=True, kw_only=True):
    """What a message is sent with; kinds of which there is nothing are absent."""

    files: FileList | UnsetType = UNSET
    links: LinkList | UnsetType = UNSET
    embeds: EmbedList | UnsetType = UNSET


class Attached(Struct, frozen=True, kw_only=True):
    """What a message is sent with, as the core has it."""

    files: list[Attachment]
    links: list[Link]


class OneFile(Struct, frozen=True, kw_only=True):
    """Which file."""

    id: Annotated[int, Meta(description="Number of the file.")]


@operation("GET", "/attachment/{id:int}/source", parameters=OneFile, answers={303: None}, errors={404: "No such file, or it is gone."})
async def get_source(call: Call, parameters: OneFile, _body: None) -> Answer:
    """Lead to a file of a message that the caller sees."""
    try:
        found = await call.read(files.seen_by, call.user_id, parameters.id, call.now)
    except WrongState:  # its time is over
        raise errors.not_found() from None
    return Answer(303, headers={"Location": call.settings.public_url + files.link_path(call.store.vault, found)})


OPERATIONS: Final[Operations] = (get_source,)


def attached(tx: Tx, message_ids: Sequence[int]) -> dict[int, Attached]:
    """Return what each of the messages is sent with, but for files that are gone; two queries for each 500."""
    of_files, of_links = files.of_messages(tx, message_ids), pages.of_messages(tx, message_ids)
    return {
        number: Attached(files=[file for file in of_files[number] if file.revoked_at is None], links=of_links[number])
        for number in message_ids
    }


def attachments_of(call: Call, found: Attached) -> Attachments:
    """Return what a message is sent with as it goes over the wire."""
    of_files = [
        file_item(
            file.id, file.filename, file.size, file.md5, file.content_type, file.created_at, call.url(f"/attachment/{file.id}/source")
        )
        for file in found.files
    ]
    numbered = list(enumerate(found.links, 1))
    links = [LinkItem(id=place, title=link.title, url=link.url) for place, link in numbered if not link.embed]
    embeds = [EmbedItem(id=place, title=link.title, embed_code=_frame(link)) for place, link in numbered if link.embed]
    return Attachments(
        files=FileList(of_files) if of_files else UNSET,
        links=LinkList(links) if links else UNSET,
        embeds=EmbedList(embeds) if embeds else UNSET,
    )


def file_item(  # noqa: PLR0917 - the columns of a file
    number: int, filename: str, size: int, md5: str | None, content_type: str, created_at: int, download_path: str = ""
) -> FileItem:
    """Return a file as it goes over the wire; times in milliseconds."""
    return FileItem(
        id=number,
        fid=number,
        title=filename,
        filename=filename,
        filesize=size,
        md5_checksum=md5 or "",
        timestamp=created_at // SECOND,
        filemime=content_type,
        download_path=download_path,
        extension=filename.rpartition(".")[2].lower() if "." in filename else "",
        converted_type=_kind(content_type),
    )


def _kind(content_type: str) -> int:
    if content_type.startswith(_DOCUMENTS):
        return _DOCUMENT
    return _KINDS.get(content_type.partition("/")[0], _UNKNOWN)


def _frame(link: Link) -> str:
    """Write the frame ourselves: whoever sent the message gave an address only, so that no markup of theirs reaches the reader's page."""
    sandbox = "allow-scripts allow-same-origin allow-popups"  # as players of videos need; it may not lead the whole page elsewhere
    return f'<iframe src="{escape(link.url)}" title="{escape(link.title)}" sandbox="{sandbox}" referrerpolicy="no-referrer"></iframe>'
