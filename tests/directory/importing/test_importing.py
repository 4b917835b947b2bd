"""`postroom import`: idempotent, all or nothing, with the line of every problem (docs/importing.md)."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from postroom.directory import addresses, groups, names, people
from postroom.directory.importing import FileCounts, ImportFailed, ImportResult, import_folder
from postroom.directory.people import NewPerson
from postroom.storage import tables
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.support import counted

NOW = 1_700_000_000_000
PEOPLE = "uid,first_name,last_name\n"
GROUPS = "kind,code,name,parent_code,owner_uid\n"
MEMBERSHIPS = "group_kind,group_code,member_kind,member\n"
ADDRESSES = "email,name,assigned_uids\n"

Import = Callable[..., ImportResult]

on_sqlite = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
"""For rules of single values, which are checked before the database is asked."""

EXAMPLE = {
    "people": (
        "uid,first_name,last_name,middle_names,title_before,title_after,email,alt_email,language,picture,school,active\n"
        "1,Łucja,Żółkiewska,Maria,dr hab.,prof. UP,Lucja@Example.EDU,l@mail.example.org,en,https://x.pl/1.jpg,Uniwersytet,true\n"
        "2,Jan,Kowalski,,,,,,,,,\n"
        '3,"Anna, Ewa","Nowak ""Nowa""",,,,anna@example.edu,,pl,,,false\n'
    ),
    "groups": GROUPS + "primary,MAT.ALG,Algebra,MAT,\nprimary,MAT,Mathematics,,\nprimary,,University,,\n"
    "custom,board,The board,,1\ncourse,101:A/2026Z,Analysis,,\n",
    "memberships": MEMBERSHIPS
    + "primary,MAT.ALG,user,1\ncourse,101:A/2026Z,user,2\ncourse,101:A/2026Z,user,3\ncustom,board,group,course:101:A/2026Z\n"
    "custom,board,group,primary:\ncustom,board,group,custom:board\ncustom,board,email,Guest@Example.ORG\n",
    "addresses": ADDRESSES + "office@example.edu,Office,1|2\ndean@example.edu,Dean,\n",
}


@pytest.fixture
def run(store: Store, tmp_path: Path) -> Import:
    """Write files, given by their names without the suffix, into an empty folder and import it."""
    folder = tmp_path / "import"

    def run(progress: Any = None, **files: str | bytes) -> ImportResult:
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, content in files.items():
            (folder / f"{name}.csv").write_bytes(content.encode() if isinstance(content, str) else content)
        return import_folder(store.database, folder, progress)

    return run


def problems(run: Import, **files: str | bytes) -> list[str]:
    with pytest.raises(ImportFailed) as caught:
        run(**files)
    return [str(problem) for problem in caught.value.problems]


def rows(store: Store, table: Any, *columns: str) -> set[tuple[Any, ...]]:
    return store.database.read_now(lambda tx: {tuple(row) for row in tx.execute(select(*(table.c[name] for name in columns)))})


def contents(store: Store) -> list[Any]:
    """Everything that is in the store, to compare."""
    found = [tables.users, tables.groups, tables.group_members, tables.institutional_addresses, tables.address_assignments]
    return [rows(store, table, *table.c.keys()) for table in found]


def counts(file: str, created: int = 0, updated: int = 0, unchanged: int = 0, removed: int = 0) -> FileCounts:
    return FileCounts(file=f"{file}.csv", created=created, updated=updated, unchanged=unchanged, removed=removed)


def listed(store: Store, code: str) -> set[str]:
    """The uids and addresses that a course group has as members."""

    def ask(tx: Tx) -> set[str]:
        member = func.coalesce(tables.users.c.uid, tables.group_members.c.email)
        joined = tables.group_members.join(tables.groups, tables.groups.c.id == tables.group_members.c.group_id).outerjoin(
            tables.users, tables.users.c.id == tables.group_members.c.user_id
        )
        return set(tx.execute(select(member).select_from(joined).where(tables.groups.c.code == code)).scalars())

    return store.database.read_now(ask)


def test_an_organisation_is_imported_whole(store: Store, run: Import) -> None:
    assert run(**EXAMPLE).files == [counts("people", 3), counts("groups", 5), counts("memberships", 7), counts("addresses", 2)]
    assert rows(store, tables.users, "uid", "first_name", "last_name", "email", "language", "school", "active") == {
        ("1", "Łucja", "Żółkiewska", "Lucja@example.edu", "en", "Uniwersytet", True),
        ("2", "Jan", "Kowalski", None, "pl", None, True),
        ("3", "Anna, Ewa", 'Nowak "Nowa"', "anna@example.edu", "pl", None, False),
    }
    found = store.database.read_now(groups.primary_by_codes, ["", "MAT", "MAT.ALG"])
    assert (found[""].parent_id, found["MAT"].parent_id, found["MAT.ALG"].parent_id) == (None, found[""].id, found["MAT"].id)
    assert listed(store, "101:A/2026Z") == {"2", "3"}
    assert listed(store, "board") == {"Guest@example.org", None}
    assert rows(store, tables.group_members, "email") == {(None,), ("Guest@example.org",)}


def test_importing_the_same_folder_again_changes_nothing(store: Store, run: Import) -> None:
    assert run(**EXAMPLE).changed
    before = contents(store)
    again = run(**EXAMPLE)
    assert not again.changed
    assert [file.unchanged for file in again.files] == [3, 5, 7, 2]
    assert contents(store) == before


def test_the_number_of_statements_does_not_grow_with_the_files(store: Store, run: Import) -> None:
    def files(size: int) -> dict[str, str]:
        return {
            "people": PEOPLE + "".join(f"{uid},A,B\n" for uid in range(size)),
            "groups": GROUPS + "".join(f"course,{code},C,,\n" for code in range(size)),
            "memberships": MEMBERSHIPS + "".join(f"course,{code},user,{code}\n" for code in range(size)),
            "addresses": ADDRESSES + "".join(f"a{number}@b.pl,N,{number}\n" for number in range(size)),
        }

    with counted(store) as few:
        run(**files(2))
    with counted(store) as many:
        run(**files(400))
    assert len(few) == len(many)


@pytest.mark.parametrize("file", sorted(EXAMPLE))
def test_every_file_may_be_missing_when_nothing_needs_it(store: Store, run: Import, file: str) -> None:
    run(**EXAMPLE)
    assert not run(**{file: EXAMPLE[file]}).changed


def test_a_folder_without_any_of_the_files_is_refused(store: Store, run: Import, tmp_path: Path) -> None:
    assert "none of people.csv" in problems(run)[0]
    with pytest.raises(ImportFailed):
        import_folder(store.database, tmp_path / "nowhere")


def test_a_file_that_cannot_be_read_is_a_problem(store: Store, tmp_path: Path) -> None:
    (tmp_path / "import" / "people.csv").mkdir(parents=True)
    with pytest.raises(ImportFailed) as caught:
        import_folder(store.database, tmp_path / "import")
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [("people.csv", 0)]


# -- people ----------------------------------------------------------------------------------------------------------


def test_people_change_and_are_never_removed(store: Store, run: Import) -> None:
    run(people=PEOPLE + "1,Jan,Nowak\n2,Ewa,Lis\n")
    result = run(people=PEOPLE + "1,Jan,Nowak-Lis\n3,Adam,Wilk\n")
    assert result.files == [counts("people", created=1, updated=1)]
    assert rows(store, tables.users, "uid", "last_name") == {("1", "Nowak-Lis"), ("2", "Lis"), ("3", "Wilk")}


def test_a_column_that_is_not_there_stays_as_it_is_and_an_empty_value_clears(store: Store, run: Import) -> None:
    run(people="uid,first_name,last_name,email,language,active\n1,Jan,Nowak,jan@b.pl,en,0\n")
    assert not run(people=PEOPLE + "1,Jan,Nowak\n").changed
    assert run(people="uid,email,first_name,last_name\n1,,Jan,Nowak\n").files == [counts("people", updated=1)]
    assert rows(store, tables.users, "email", "language", "active") == {(None, "en", False)}


def test_people_without_a_uid_and_passwords_are_left_alone(store: Store, run: Import) -> None:
    def story(tx: Tx) -> None:
        people.add(tx, NewPerson(first_name="Root", last_name=""), NOW)
        tx.execute(tables.users.update().values(password_hash="x"))

    store.database.write_now(story)
    run(people=PEOPLE + "1,Jan,Nowak\n")
    assert rows(store, tables.users, "uid", "first_name", "password_hash") == {(None, "Root", "x"), ("1", "Jan", None)}


@on_sqlite
@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("uid", "", "uid is empty"),
        ("uid", "a|b", "'|'"),
        ("uid", "x" * 101, "uid is longer than 100"),
        ("first_name", "x" * 201, "first_name is longer than 200"),
        ("title_before", "x" * 201, "title_before is longer than 200"),
        ("school", "x" * 201, "school is longer than 200"),
        ("email", "jan@", "email: 'jan@' is not an address"),
        ("alt_email", "a@b@c", "alt_email: 'a@b@c' is not an address"),
        ("language", "de", "language must be one of pl, en"),
        ("picture", "ftp://x.pl/1", "picture must begin with"),
        ("picture", "https://" + "x" * 2_000, "picture is longer than 2000"),
        ("active", "maybe", "active must be true or false"),
    ],
)
def test_a_person_with_a_bad_value_is_refused(store: Store, run: Import, column: str, value: str, reason: str) -> None:
    values = {"uid": "1", "first_name": "Jan", "last_name": "Nowak"} | {column: value}
    told = problems(run, people=f"{','.join(values)}\n{','.join(values.values())}\n")
    assert len(told) == 1
    assert told[0].startswith("people.csv:2: ")
    assert reason in told[0]
    assert not any(contents(store))


def test_a_person_needs_one_of_the_names(store: Store, run: Import) -> None:
    assert problems(run, people=PEOPLE + "1,,\n") == ["people.csv:2: first_name and last_name are both empty"]
    run(people=PEOPLE + "1,Jan,\n2,,Nowak\n")


# -- groups ----------------------------------------------------------------------------------------------------------


def test_groups_change_their_name_owner_and_parent(store: Store, run: Import) -> None:
    run(people=PEOPLE + "1,A,A\n2,B,B\n", groups=GROUPS + "primary,,U,,\nprimary,A,A,,\nprimary,A.B,AB,,\ncustom,c,C,,1\n")
    changed = run(groups=GROUPS + "primary,A,A!,,\nprimary,A.B,AB,A,\ncustom,c,C,,2\nprimary,,U,,\n")
    assert changed.files == [counts("groups", updated=3, unchanged=1)]
    found = store.database.read_now(groups.primary_by_codes, ["A", "A.B"])
    assert (found["A"].name, found["A.B"].parent_id) == ("A!", found["A"].id)
    owner = store.database.read_now(lambda tx: tx.execute(select(tables.users.c.uid).join(tables.groups)).scalar_one())
    assert owner == "2"


def test_a_group_moves_below_a_new_parent_and_counts_as_updated(store: Store, run: Import) -> None:
    store.database.write_now(groups.create_primary, "A.B", "AB", None, NOW)
    result = run(groups=GROUPS + "primary,A.B,AB,A,\nprimary,A,A,,\nprimary,,U,,\n")
    assert result.files == [counts("groups", created=2, updated=1)]


@on_sqlite
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("team,a,A,,", "kind must be one of primary, custom, course"),
        ("course,,A,,", "code is empty"),
        ("custom,c,A,,", "owner_uid is empty"),
        ("course,c,A,,1", "owner_uid must be empty"),
        ("course,c,A,P,", "parent_code must be empty"),
        ("primary,Q,A,P,", "must extend that of its parent, 'P'"),
        ("primary,PŻ,A,P,", "printable ASCII"),
        ("primary,P|Q,A,P,", "must not hold '|'"),
        ("course,c,,,", "name is empty"),
        ("course,c," + "x" * 201 + ",,", "name is longer than 200"),
        ("course," + "x" * 101 + ",A,,", "code is longer than 100"),
        ("primary,PQ.R,A,PQ,", "parent_code: there is no 'primary:PQ'"),
        ("custom,c,A,,9", "owner_uid: there is no '9'"),
    ],
)
def test_a_group_with_a_bad_value_is_refused(store: Store, run: Import, line: str, reason: str) -> None:
    told = problems(run, people=PEOPLE + "1,A,A\n", groups=GROUPS + f"primary,,Root,,\nprimary,P,Faculty,,\n{line}\n")
    assert [problem for problem in told if problem.startswith("groups.csv:4: ") and reason in problem] == told
    assert len(told) == 1
    assert not any(contents(store))


def test_the_root_has_no_parent(store: Store, run: Import) -> None:
    assert problems(run, groups=GROUPS + "primary,,A,P,\n")[0].startswith("groups.csv:2: parent_code must be empty")


def test_the_primary_tree_cannot_hold_a_circle(store: Store, run: Import) -> None:
    told = problems(run, groups=GROUPS + "primary,A,A,AB,\nprimary,AB,AB,A,\nprimary,C,C,C,\n")
    assert told == [
        "groups.csv:2: the code must extend that of its parent, 'AB'",
        "groups.csv:4: the code must extend that of its parent, 'C'",
    ]


# -- memberships -----------------------------------------------------------------------------------------------------


def test_a_course_list_that_changes_is_followed_and_other_groups_stay(store: Store, run: Import) -> None:
    crowd = PEOPLE + "1,A,A\n2,B,B\n3,C,C\n"
    courses = GROUPS + "course,X,X,,\ncourse,Y,Y,,\n"
    run(
        people=crowd, groups=courses, memberships=MEMBERSHIPS + "course,X,user,1\ncourse,X,user,2\ncourse,X,email,a@b.pl\ncourse,Y,user,1\n"
    )
    result = run(memberships=MEMBERSHIPS + "course,X,user,2\ncourse,X,user,3\ncourse,X,email,c@d.pl\n")
    assert result.files == [counts("memberships", created=2, unchanged=1, removed=2)]
    assert (listed(store, "X"), listed(store, "Y")) == ({"2", "3", "c@d.pl"}, {"1"})


def test_a_group_becomes_empty_by_a_line_without_member(store: Store, run: Import) -> None:
    run(people=PEOPLE + "1,A,A\n", groups=GROUPS + "course,X,X,,\n", memberships=MEMBERSHIPS + "course,X,user,1\n")
    assert run(memberships=MEMBERSHIPS).files == [counts("memberships")]
    assert run(memberships=MEMBERSHIPS + "course,X,,\n").files == [counts("memberships", removed=1)]
    assert listed(store, "X") == set()


def test_uids_differ_by_case_and_addresses_do_not(store: Store, run: Import) -> None:
    run(people=PEOPLE + "a,A,A\nA,B,B\n", groups=GROUPS + "course,X,X,,\n", memberships=MEMBERSHIPS + "course,X,user,a\ncourse,X,user,A\n")
    assert listed(store, "X") == {"a", "A"}
    told = problems(run, memberships=MEMBERSHIPS + "course,X,email,a@b.pl\ncourse,X,email,A@B.pl\n")
    assert told == ["memberships.csv:3: the same key as in line 2"]


def test_an_address_written_in_another_case_is_kept_as_the_file_has_it_now(store: Store, run: Import) -> None:
    run(groups=GROUPS + "course,X,X,,\n", memberships=MEMBERSHIPS + "course,X,email,jan@b.pl\n")
    run(memberships=MEMBERSHIPS + "course,X,email,Jan@b.pl\n")
    assert listed(store, "X") == {"Jan@b.pl"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("team,X,user,1", "group_kind must be one of"),
        ("course,Z,user,1", "group_code: there is no 'course:Z'"),
        ("custom,X,user,1", "group_code: there is no 'custom:X'"),
        ("course,X,user,9", "member: there is no '9'"),
        ("course,X,user,", "member is empty"),
        ("course,X,email,", "member is empty"),
        ("course,X,email,nobody", "member: 'nobody' is not an address"),
        ("course,X,group,X", "member must be a kind"),
        ("course,X,group,team:X", "member must be a kind"),
        ("course,X,group,course:Z", "member: there is no 'course:Z'"),
        ("course,X,person,1", "member_kind must be one of user, group, email"),
        ("course,X,,1", "member_kind must be one of user, group, email"),
    ],
)
def test_a_membership_with_a_bad_value_is_refused(store: Store, run: Import, line: str, reason: str) -> None:
    run(people=PEOPLE + "1,A,A\n", groups=GROUPS + "course,X,X,,\n")
    told = problems(run, memberships=MEMBERSHIPS + f"course,X,user,1\n\n{line}\n")
    assert len(told) == 1
    assert told[0].startswith("memberships.csv:4: ")
    assert reason in told[0]
    assert listed(store, "X") == set()


# -- addresses -------------------------------------------------------------------------------------------------------


def test_assignments_are_given_revoked_and_given_again(store: Store, run: Import) -> None:
    run(people=PEOPLE + "1,A,A\n2,B,B\n", addresses=ADDRESSES + "o@b.pl,Office,1 | 2|1|\nd@b.pl,Dean,1\n")
    assert len(rows(store, tables.address_assignments, "address_id", "user_id")) == 3
    assert run(addresses=ADDRESSES + "o@b.pl,Office,2\n").files == [counts("addresses", updated=1, removed=1)]
    office, user = store.database.read_now(_office_and_first)
    assert not store.database.read_now(addresses.is_assigned, office, user)
    assert run(addresses=ADDRESSES + "O@b.pl,The office,1|2\nd@b.pl,Dean,1\n").files == [counts("addresses", updated=1, unchanged=1)]
    assert store.database.read_now(addresses.is_assigned, office, user)
    assert rows(store, tables.institutional_addresses, "email", "name") == {("O@b.pl", "The office"), ("d@b.pl", "Dean")}


def _office_and_first(tx: Tx) -> tuple[int, int]:
    office = select(tables.institutional_addresses.c.id).where(tables.institutional_addresses.c.name == "Office")
    return tx.execute(office).scalar_one(), tx.execute(select(tables.users.c.id).where(tables.users.c.uid == "1")).scalar_one()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nobody,Office,", "'nobody' is not an address"),
        (",Office,", "email is empty"),
        ("o@b.pl,,", "name is empty"),
        ("o@b.pl,Office,9", "assigned_uids: there is no '9'"),
    ],
)
def test_an_address_with_a_bad_value_is_refused(store: Store, run: Import, line: str, reason: str) -> None:
    told = problems(run, people=PEOPLE + "1,A,A\n", addresses=ADDRESSES + f"x@b.pl,X,1\n{line}\n")
    assert len(told) == 1
    assert told[0].startswith("addresses.csv:3: ")
    assert reason in told[0]


# -- all or nothing --------------------------------------------------------------------------------------------------


def test_one_bad_line_in_the_last_file_leaves_the_store_as_it_was(store: Store, run: Import) -> None:
    run(**EXAMPLE)
    before = contents(store)
    problems(run, people=PEOPLE + "1,New,Name\n9,A,A\n", addresses=ADDRESSES + "office@example.edu,Office,\nbroken,X,\n")
    assert contents(store) == before


def test_all_problems_of_all_files_are_told_in_order(store: Store, run: Import) -> None:
    told = problems(
        run,
        people=PEOPLE + "1,A,A\n1,B,B\n,C,C\n",
        groups=GROUPS + "course,X,,,\ncourse,X,X,,\n",
        memberships=MEMBERSHIPS + "course,X,user,9\ncourse,X,user,1\ncourse,X,user,1\n",
        addresses=ADDRESSES + "o@b.pl,O,\nO@B.pl,O,\n",
    )
    assert [problem.partition(": ")[0] for problem in told] == [
        "people.csv:3",
        "people.csv:4",
        "groups.csv:2",
        "groups.csv:3",
        "memberships.csv:2",
        "memberships.csv:4",
        "addresses.csv:3",
    ]
    assert told[0] == "people.csv:3: the same key as in line 2"


def test_fifty_problems_are_told_and_the_rest_are_counted(store: Store, run: Import) -> None:
    with pytest.raises(ImportFailed) as caught:
        run(
            people=PEOPLE + "".join(f"{uid},,\n" for uid in range(30)),
            groups=GROUPS + "course,X,X,,\n",
            memberships=MEMBERSHIPS + "".join(f"course,X,user,u{uid}\n" for uid in range(100)),
        )
    assert (len(caught.value.problems), caught.value.omitted) == (50, 80)
    assert str(caught.value).endswith("and 80 more")


def test_an_unreadable_file_does_not_make_everything_in_it_missing_elsewhere(store: Store, run: Import) -> None:
    told = problems(run, people="uid;first_name;last_name\n1;A;A\n", groups=GROUPS + "custom,c,C,,1\n")
    assert all(problem.startswith("people.csv:1: ") for problem in told)
    assert "columns are separated by commas" in told[0]


def test_progress_tells_the_lines_done_of_each_file(store: Store, run: Import) -> None:
    told: list[tuple[str, int, int]] = []
    run(lambda *step: told.append(step), people=PEOPLE + "".join(f"{uid},A,A\n" for uid in range(4_500)), addresses=ADDRESSES)
    assert told[0] == ("people.csv", 0, 4_500)
    assert ("people.csv", 2_000, 4_500) in told
    assert ("people.csv", 4_500, 4_500) in told
    assert told[-1] == ("addresses.csv", 0, 0)


def test_an_error_of_the_callback_undoes_everything(store: Store, run: Import) -> None:
    def fail(file: str, done: int, total: int) -> None:
        if done:
            raise RuntimeError(file)

    with pytest.raises(RuntimeError):
        run(fail, people=PEOPLE + "1,A,A\n")
    assert not any(contents(store))
    assert run(people=PEOPLE + "1,A,A\n").changed  # the store is as usable as before


def test_the_example_of_the_documentation_is_in_order(store: Store, run: Import) -> None:
    page = Path(__file__).parents[3] / "docs" / "importing.md"
    example = page.read_text(encoding="utf-8").partition("## Example")[2]
    files: dict[str, list[str]] = {}
    for line in example.splitlines():
        if line.endswith(".csv"):
            current = files.setdefault(line.removesuffix(".csv"), [])
        elif line.startswith("    "):
            current.append(line.strip())
    result = run(**{name: "\n".join(lines) for name, lines in files.items()})
    assert [file.created for file in result.files] == [2, 5, 5, 1]


def test_an_interrupted_import_changes_nothing(sqlite_store: Store, tmp_path: Path) -> None:
    """Ctrl-C reaches the main thread only; the unit of work runs on the writer's."""
    (tmp_path / "people.csv").write_text(PEOPLE + "1,A,A\n")
    heard = threading.Event()

    def interrupt(_file: str, _done: int, _total: int) -> None:
        time.sleep(0.3)  # a signal that comes just before the main thread begins to wait is noticed only when the wait is over
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        heard.wait(10)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background is started with it ignored
    try:
        with pytest.raises(KeyboardInterrupt):
            import_folder(sqlite_store.database, tmp_path, interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    heard.set()
    assert not any(contents(sqlite_store))


def test_imported_people_are_found_by_their_names_as_they_are_now(store: Store, run: Import) -> None:
    """A name that changed is found as it is; who was not touched stays."""

    def found(query: str) -> list[int]:
        return store.database.read_now(names.search, query, 0, 10)

    run(people=PEOPLE + "1,Łucja,Żółkiewska\n2,Jan,Nowak\n")
    assert (found("zolk"), found("nowak")) == ([1], [2])
    run(people=PEOPLE + "1,Łucja,Nowak\n2,Jan,Nowak\n3,Ewa,Nowak\n")
    assert (found("zolk"), found("nowak"), found("ewa")) == ([], [1, 2, 3], [3])
