"""The store that the benchmark of mailboxes asks is like one that was written to by people."""

from benchmarks.mailboxes import build
from postroom.messages import mailboxes
from postroom.storage.store import Store
from tests.messages.school import School


def test_the_mailbox_is_as_promised(store: Store) -> None:
    built = build(store, messages=2_000, owner_messages=300, thread_length=40)
    school = School(store)
    lines, more = school.run(mailboxes.page, built.owner_id, "inbox", 280, 20)
    assert (len(lines), more, built.threads) == (20, False, 300)
    newest = school.inbox(built.owner_id)[0]
    assert (newest.thread_id, newest.author_id, newest.read) == (built.thread_id, built.partner_id, False)
    assert len(school.thread(built.owner_id, built.thread_id)) == 40
    assert built.unread == school.unread(built.owner_id)
    assert 0.05 < built.unread / built.threads < 0.2
    for reader in (built.owner_id, built.partner_id):
        assert school.standing(reader) == school.newest(reader)
