"""The store that the benchmark of letterboxes asks is like one that was written to by people."""

from benchmarks import letterboxes
from postroom.messages import folders, item_lists
from postroom.storage.store import Store
from tests.messages.school import School


def test_the_letterbox_is_as_promised(store: Store) -> None:
    box = letterboxes.build(store, letters=600)
    school = School(store)
    counts = school.run(folders.counts, box.owner_id)
    assert (counts["inbox"].messages + counts["own"].messages, counts["sent"].messages) == (400, 200)
    assert 0.05 < counts["inbox"].unread_messages / 400 < 0.2
    assert 0 < counts["own"].messages < 30
    assert 0 <= 300 - counts["inbox"].conversations <= counts["own"].conversations
    for reader in (box.owner_id, box.owner_id + 3):
        assert school.standing(reader) == school.newest(reader)
    totals = {name: school.run(item_lists.page, box.owner_id, wanted, 0, 25)[1] for name, wanted in letterboxes.lists(box).items()}
    assert totals["inbox"] == totals["of a month"] == counts["inbox"].messages
    assert totals["of one folder"] == counts["own"].messages
    assert 400 > totals["common word"] > totals["usual word"] > totals["rare word"]


def test_one_run_reads_every_list(sqlite_store: Store) -> None:
    box = letterboxes.build(sqlite_store, letters=60)
    run = letterboxes.once(sqlite_store, box, times=1)
    assert {name.removesuffix(" p99 ms") for name in run.others if name.endswith("p99 ms")} >= letterboxes.lists(box).keys() | {
        "conversations"
    }
    assert run.figure > 0
