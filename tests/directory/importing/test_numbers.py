"""The column ``id``: people, groups and addresses keep the numbers that programs know (docs/importing.md, docs/usos.md "Moving over")."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Table, select

from postroom.directory import addresses, groups, people
from postroom.directory.importing import FileCounts, ImportFailed, ImportResult, import_folder
from postroom.directory.people import NewPerson
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import groups as groups_table
from postroom.storage.tables import institutional_addresses, users
from tests.support import counted

NOW = 1_700_000_000_000
PEOPLE = "id,uid,first_name,last_name\n"
GROUPS = "id,kind,code,name,parent_code,owner_uid\n"
ADDRESSES = "email,name,assigned_uids,id\n"
LARGEST = 2**31 - 1

EXAMPLE = {
    "people": PEOPLE + "71,a,A,A\n,b,B,B\n9,c,C,C\n",
    "groups": GROUPS + "400,primary,A.B,AB,A,\n3,primary,A,A,,\n,primary,,U,,\n17,custom,k,K,,a\n5,course,k,K,,\n",
    "memberships": "group_kind,group_code,member_kind,member\ncustom,k,user,b\ncustom,k,group,course:k\n",
    "addresses": ADDRESSES + "o@b.pl,Office,a|b,12\nd@b.pl,Dean,,\n",
}
TABLES = {"people": users, "groups": groups_table, "addresses": institutional_addresses}

Import = Callable[..., ImportResult]


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Import:
    """Write files, given by their names without the suffix, into an empty folder and import it."""
    folder = tmp_path / "import"
    folder.mkdir()

    def run(**files: str) -> ImportResult:
        for old in folder.iterdir():
            old.unlink()
        for name, content in files.items():
            (folder / f"{name}.csv").write_text(content, encoding="utf-8")
        return import_folder(store.database, folder)

    return run


def problems(run: Import, **files: str) -> list[str]:
    with pytest.raises(ImportFailed) as caught:
        run(**files)
    return [str(problem) for problem in caught.value.problems]


def numbers(store: Store, table: Table, *keys: str) -> dict[tuple[str, ...], int]:
    """The number of each row, by its key."""

    def ask(tx: Tx) -> dict[tuple[str, ...], int]:
        return {tuple(key): number for number, *key in tx.execute(select(table.c.id, *(table.c[key] for key in keys)))}

    return store.database.read_now(ask)


def uids(store: Store) -> dict[str, int]:
    return {uid: number for (uid,), number in numbers(store, users, "uid").items()}


def all_numbers(store: Store) -> list[dict[tuple[str, ...], int]]:
    return [
        numbers(store, users, "uid"),
        numbers(store, groups_table, "kind", "code", "name"),
        numbers(store, institutional_addresses, "email", "name"),
    ]


def server_made(tx: Tx) -> list[int]:
    """Make a person, a group and an address without an import; return their numbers."""
    person = people.add(tx, NewPerson(first_name="New", last_name=""), NOW)
    return [person, groups.create_custom(tx, person, "New", NOW), addresses.add(tx, "new@b.pl", "New", NOW)]


def test_rows_get_the_numbers_of_the_files(store: Store, run: Import) -> None:
    run(**EXAMPLE)
    people_, groups_, addresses_ = all_numbers(store)
    assert (people_[("a",)], people_[("c",)]) == (71, 9)
    found = {key[:2]: number for key, number in groups_.items()}
    assert [found[key] for key in (("primary", "A.B"), ("primary", "A"), ("custom", "k"), ("course", "k"))] == [400, 3, 17, 5]
    assert addresses_[("o@b.pl", "Office")] == 12
    tree = store.database.read_now(groups.primary_by_codes, ["", "A", "A.B"])
    assert (tree["A.B"].parent_id, tree["A"].parent_id) == (3, tree[""].id)
    assert store.database.read_now(groups.by_ids, [17])[17].owner_id == 71
    assert store.database.read_now(addresses.is_assigned, 12, 71)


def test_importing_numbers_again_changes_nothing(store: Store, run: Import) -> None:
    run(**EXAMPLE)
    before = all_numbers(store)
    again = run(**EXAMPLE)
    assert not again.changed
    assert [file.unchanged for file in again.files] == [3, 5, 2, 2]
    assert all_numbers(store) == before


def test_a_file_without_the_column_leaves_the_numbers(store: Store, run: Import) -> None:
    """Nightly imports need not repeat them; other values change as ever."""
    run(**EXAMPLE)
    before = uids(store)
    result = run(people="uid,first_name,last_name\na,A,Changed\nb,B,B\n")
    assert result.files == [FileCounts(file="people.csv", created=0, updated=1, unchanged=1, removed=0)]
    assert uids(store) == before


def test_what_the_server_makes_next_gets_numbers_of_its_own(store: Store, run: Import) -> None:
    """Above the largest of the file, in which lines without a number may stand before and after."""
    run(**EXAMPLE)
    taken = [set(known.values()) for known in all_numbers(store)]
    assert [len(known) for known in taken] == [3, 5, 2]
    made = store.database.write_now(server_made)
    assert all(number > max(known) for number, known in zip(made, taken, strict=True))
    run(people=PEOPLE + ",d,D,D\n", groups=GROUPS + ",course,z,Z,,\n", addresses=ADDRESSES + "z@b.pl,Z,,\n")
    assert uids(store)["d"] > made[0]


def test_numbers_below_those_in_use_do_not_turn_the_count_back(store: Store, run: Import) -> None:
    run(people=PEOPLE + "50,a,A,A\n")
    run(people=PEOPLE + ",b,B,B\n2,c,C,C\n,d,D,D\n")
    found = uids(store)
    assert (found["a"], found["c"]) == (50, 2)
    assert sorted(found.values()) == [2, 50, found["b"], found["d"]]
    assert store.database.write_now(server_made)[0] > found["d"]


def test_a_line_without_a_number_never_takes_that_of_a_later_line(store: Store, run: Import) -> None:
    run(
        people=PEOPLE + ",x,X,X\n1,a,A,A\n2,b,B,B\n",
        groups=GROUPS + ",course,x,X,,\n1,course,a,A,,\n",
        addresses=ADDRESSES + "x@b.pl,X,,\na@b.pl,A,,1\n",
    )
    assert {uid: number for uid, number in uids(store).items() if uid != "x"} == {"a": 1, "b": 2}
    assert all(len(set(known.values())) == len(known) for known in all_numbers(store))


def test_a_column_without_any_number_is_as_none(store: Store, run: Import) -> None:
    run(people=PEOPLE + ",a,A,A\n,b,B,B\n", groups=GROUPS + ",course,a,A,,\n", addresses=ADDRESSES + "a@b.pl,A,,\n")
    assert uids(store) == {"a": 1, "b": 2}
    assert all(store.database.write_now(server_made))


LINES = {
    "people": (PEOPLE, "{},{},A,A\n"),
    "groups": (GROUPS, "{},course,{},A,,\n"),
    "addresses": (ADDRESSES, "{1}@b.pl,A,,{0}\n"),
}


def file(name: str, *lines: tuple[object, str]) -> dict[str, str]:
    """A file with a line for each number and key."""
    header, line = LINES[name]
    return {name: header + "".join(line.format(*values) for values in lines)}


every_file = pytest.mark.parametrize("name", sorted(LINES))


@every_file
@pytest.mark.parametrize("number", ["0", "-1", "+1", "1.0", "1e3", "x", "007", str(LARGEST + 1), "9" * 300, "\uff11", "\u0663", "1 2"])
def test_what_is_no_number_is_refused(store: Store, run: Import, name: str, number: str) -> None:
    told = problems(run, **file(name, (5, "a"), (number, "b")))
    assert told == [f"{name}.csv:3: id must be a whole number from 1 to {LARGEST}, in digits, without leading zeros"]


@every_file
def test_a_number_that_is_twice_in_the_file_is_refused(store: Store, run: Import, name: str) -> None:
    told = problems(run, **file(name, (5, "a"), ("", "b"), ("", "c"), (5, "d")))
    assert told == [f"{name}.csv:5: the same id as in line 2"]


@every_file
def test_a_row_keeps_its_number(store: Store, run: Import, name: str) -> None:
    """Also when the other number is another's, as when two are exchanged; a free one is no better."""
    run(**file(name, (17, "a"), (18, "b")))
    before = all_numbers(store)
    told = problems(run, **file(name, (18, "a"), (17, "b"), (20, "c")))
    assert told == [
        f"{name}.csv:2: has the number 17 already, and numbers do not change",
        f"{name}.csv:3: has the number 18 already, and numbers do not change",
    ]
    assert problems(run, **file(name, ("", "b"), (21, "a")))[0].startswith(f"{name}.csv:3: has the number 17 already")
    assert all_numbers(store) == before


@every_file
def test_a_number_of_another_row_is_refused_and_nothing_changes(store: Store, run: Import, name: str) -> None:
    run(**file(name, (17, "a")))
    before = all_numbers(store)
    told = problems(run, **file(name, (16, "b"), (17, "c")))
    assert told == [f"{name}.csv:3: the number 17 belongs to another row of the store"]
    assert all_numbers(store) == before
    run(**file(name, (17, "a"), (16, "b")))


@every_file
def test_numbers_of_what_was_made_without_an_import_are_taken(store: Store, run: Import, name: str) -> None:
    """Such rows have no key that a file could name."""
    store.database.write_now(server_made)
    number = next(iter(numbers(store, TABLES[name], "id").values()))
    assert problems(run, **file(name, (number, "a"))) == [f"{name}.csv:2: the number {number} belongs to another row of the store"]


@every_file
def test_the_largest_number_is_kept_and_none_is_given_above_it(store: Store, run: Import, name: str) -> None:
    run(**file(name, (LARGEST - 1, "a"), ("", "b")))
    before = all_numbers(store)
    assert sorted(number for known in before for number in known.values()) == [LARGEST - 1, LARGEST]
    assert not run(**file(name, (LARGEST - 1, "a"), (LARGEST, "b"))).changed
    told = problems(run, **file(name, ("", "b"), (3, "c"), ("", "d")))
    assert told == [f"{name}.csv:4: no number is left to give: {LARGEST} is in use"]
    assert all_numbers(store) == before


def test_an_address_in_another_case_is_the_same_row(store: Store, run: Import) -> None:
    run(addresses=ADDRESSES + "o@b.pl,O,,8\n")
    run(addresses=ADDRESSES + "O@B.pl,O,,8\n")
    assert numbers(store, institutional_addresses, "email") == {("O@b.pl",): 8}


def test_the_kinds_of_groups_share_their_numbers(store: Store, run: Import) -> None:
    told = problems(run, people=PEOPLE + "1,a,A,A\n", groups=GROUPS + "4,primary,,U,,\n4,custom,k,K,,a\n")
    assert told == ["groups.csv:3: the same id as in line 2"]


def test_an_import_that_fails_leaves_room_for_the_next(store: Store, run: Import) -> None:
    """The numbers of a file that was refused are free."""
    problems(run, people=PEOPLE + "30,a,A,A\n", groups=GROUPS + "1,custom,k,K,,nobody\n")
    run(people=PEOPLE + "30,b,B,B\n")
    assert uids(store) == {"b": 30}


def test_the_number_of_statements_does_not_grow_with_the_numbers(store: Store, run: Import) -> None:
    def files(size: int) -> dict[str, str]:
        parts = [file(name, *((number, f"k{number}") for number in range(1, size))) for name in LINES]
        return {name: content for part in parts for name, content in part.items()}

    with counted(store) as few:
        run(**files(3))
    with counted(store) as many:
        run(**files(400))
    assert len(few) == len(many)
