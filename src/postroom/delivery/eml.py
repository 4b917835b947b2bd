"""The mail of an item of a mailbox as a file (RFC 5322), made anew of what the store keeps: as it was sent, but for the way it took."""

from msgspec import structs

from postroom.delivery import composer, contexts
from postroom.messages.items import Key
from postroom.storage.store import Store


async def of_item(store: Store, user_id: int, key: Key, *, with_files: bool) -> bytes:
    """Return the mail that a person has as an item; files that were withdrawn are left out.

    Raises ``NotFound("message", key)``, ``Invalid`` for what no mail can be made of, and ``Unavailable`` when a file cannot be read now.
    """
    context = await store.database.read(contexts.load_item, store.settings, store.vault, user_id, key)
    files = tuple(file for file in context.files if not file.withdrawn) if with_files else ()
    links = context.links if with_files else ()
    return await composer.render_copy(store, structs.replace(context, files=files, links=links))
