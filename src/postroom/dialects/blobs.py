"""Files that were received but are not wanted after all, in every dialect that takes files."""

from postroom.errors import Unavailable
from postroom.messages import attachments
from postroom.storage.store import Store


async def delete_if_unused(store: Store, blob_key: str) -> None:
    """Delete a file whose row was refused. A store that fell silent may have kept the row all the same, and only it can say so.

    A file too many can be cleared away later; a row without its file cannot be mended.
    """
    try:
        used = await store.database.read(attachments.blobs_in_use, [blob_key])
    except Unavailable:
        return
    if not used:
        await store.blobs.delete(blob_key)
