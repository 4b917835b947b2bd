"""How much stands in each folder of a mailbox, in SQL (``folders`` reads it)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import CompoundSelect, Select, and_, case, exists, false, func, literal, not_, null, select, true, union_all

from postroom.messages.item_sources import FolderName, homes, is_one_of, is_unread, sources
from postroom.storage.tables import STANDS_IN_INBOX, messages, recipients


def put_away(user_id: int, folder_ids: Sequence[int]) -> CompoundSelect[Any]:
    """Select what a person has put elsewhere, to be counted: ``folder``, ``folder_id``, ``thread_id``, ``at``, ``unread``, ``done``.

    ``folder_ids``: all of the person's own. As numbers: PostgreSQL knows how much is in these, and not how much is in those of somebody.
    """
    every = []
    for source in sources(user_id):
        item = source.item.c
        filed = and_(item.folder_id.in_(folder_ids), item.deleted_at.is_(None))
        # Whose it is, the folder says: with the person beside it SQLite reads all of a mailbox instead of what the folders hold.
        in_folders = source._replace(is_persons=true())
        for kind, folder, condition in ((source, item.place, item.place.is_not(None)), (in_folders, literal("own"), filed)):
            columns = (folder.label("folder"), item.folder_id, source.thread.label("thread_id"), source.at.label("at"))
            flags = (is_unread(source.own, source.item).label("unread"), source.done.label("done"))
            every.append(kind.where(condition).with_only_columns(*columns, *flags))
    return union_all(*every)


def written(user_id: int) -> CompoundSelect[Any]:
    """Select what a person has written and not put elsewhere, with the columns of ``put_away``; indexes hold all that this takes."""
    every = []
    pairs: tuple[tuple[FolderName, FolderName], ...] = (("sent", "sending"), ("drafts", "templates"))
    for folder, other in pairs:
        (source,) = sources(user_id, folder)
        item = source.item.c
        named = case((homes(source)[other], other), else_=folder).label("folder")
        done = true() if folder == "sent" else false()
        columns = (named, null().label("folder_id"), source.thread.label("thread_id"), source.at.label("at"))
        at_home = source.where(item.deleted_at.is_(None), item.folder_id.is_(None))
        every.append(at_home.with_only_columns(*columns, false().label("unread"), done.label("done")))
    return union_all(*every)


def inbox(dialect: str, user_id: int, folder_ids: Sequence[int]) -> Select[Any]:
    """Count what stands in the inbox: ``messages``, ``unread_messages``, ``conversations``, ``unread_conversations``, ``newest_at``.

    Conversations are counted by the lines that stand for their threads (``threads``), which an index has. Those that stand for theirs in a
    folder of one's own count only if there is something of their thread in the inbox, too.
    """
    (source,) = sources(user_id, "inbox")
    item = source.item.c
    in_place = and_(item.deleted_at.is_(None), item.folder_id.is_(None))
    at_home = and_(source.is_persons, in_place)
    unread = item.read_at.is_(None)
    standing = select(func.count()).where(recipients.c.user_id == user_id, STANDS_IN_INBOX).scalar_subquery()
    filed = select(func.coalesce(messages.c.thread_id, messages.c.id).label("thread_id")).join(recipients)
    elsewhere = filed.where(STANDS_IN_INBOX, recipients.c.folder_id.in_(folder_ids)).subquery()
    m = messages.alias()
    others = select(m.c.id).where(m.c.thread_id == elsewhere.c.thread_id).correlate(elsewhere)
    numbers = union_all(select(elsewhere.c.thread_id).correlate(elsewhere), others)
    one_here = is_one_of(dialect, item.message_id, numbers)
    here = exists().select_from(source.item).where(source.by_number().is_persons, in_place, one_here)
    away = select(func.count()).select_from(elsewhere).where(not_(here)).scalar_subquery()
    within = select(func.count(source.thread.distinct())).select_from(source.rows).where(at_home, unread).scalar_subquery()
    columns = (
        func.count().label("messages"),
        func.sum(case((unread, 1), else_=0)).label("unread_messages"),
        (standing - away).label("conversations"),
        within.label("unread_conversations"),
        func.max(item.received_at).label("newest_at"),
    )
    return select(*columns).select_from(source.item).where(at_home)
