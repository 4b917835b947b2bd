"""Files that nobody needs any more, or that were received and are not wanted after all, in every dialect that takes files."""

from collections.abc import Iterable

from postroom.errors import Unavailable
from postroom.messages import attachments
from postroom.storage.store import Store


async def delete_unused(store: Store, blob_keys: Iterable[str]) -> None:
    """Delete files whose attachments are gone, but for those that other attachments stand for, too; call it after the commit.

    A store that fell silent cannot say what it needs: then the files stay, and are cleared away later.
    """
    keys = list(blob_keys)
    try:
        used = await store.database.read(attachments.blobs_in_use, keys) if keys else set()
    except Unavailable:
        return
    for key in keys:
        if key not in used:
            await store.blobs.delete(key)


async def delete_if_unused(store: Store, blob_key: str) -> None:
    """Delete a file whose row was refused. A store that fell silent may have kept the row all the same, and only it can say so.

    A file too many can be cleared away later; a row without its file cannot be mended.
    """
    await delete_unused(store, [blob_key])
