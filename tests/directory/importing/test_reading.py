"""Reading CSV: encodings, headers, control characters, and arbitrary bytes (design §1.5: nothing foreign is trusted)."""

import contextlib
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postroom.directory.importing import ImportFailed, import_folder
from postroom.directory.importing.formats import FORMATS
from postroom.directory.importing.reading import MAX_LINE, Columns, CsvFile
from postroom.directory.importing.records import Problems
from postroom.storage.store import Store

Records = list[tuple[int, dict[str, str]]]


def read(content: bytes) -> tuple[Records, list[str]]:
    """Return the records of a file with the columns ``a``, ``b`` and, perhaps, ``c``; and what is wrong with it."""
    problems = Problems()
    records = list(CsvFile("x.csv", lambda: io.BytesIO(content), Columns(("a", "b"), ("c",)), problems).records())
    try:
        problems.raise_if_any(("x.csv",))
    except ImportFailed as error:
        return records, [str(problem) for problem in error.problems]
    return records, []


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,ż\n",
        "a,b\r\n1,ż\r\n",
        "a,b\n1,ż",
        "\ufeffa,b\n1,ż\n",
        "b,a\nż,1\n",
        ' a , b \n 1 ," ż "\n',
        '"a","b"\n"1","ż"\n',
    ],
)
def test_one_record_in_many_spellings(content: str) -> None:
    assert read(content.encode()) == ([(2, {"a": "1", "b": "ż"})], [])


def test_blank_lines_count_but_say_nothing() -> None:
    assert read(b"\n\na,b\n\n1,2\n \n3,4\n\n") == ([(5, {"a": "1", "b": "2"}), (7, {"a": "3", "b": "4"})], [])


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"", "x.csv:1: the column a is missing"),
        (b"a\n", "x.csv:1: the column b is missing"),
        (b"a,b,d\n", "x.csv:1: unknown column 'd'"),
        (b"a,b,A\n", "x.csv:1: unknown column 'A'"),
        (b"a,b,a\n", "x.csv:1: the column a is there more than once"),
        (b"a,b,\n", "x.csv:1: unknown column ''"),
        (b"\xffa,b\n", "x.csv:1: byte 1 of the line is not UTF-8"),
        ("a,b\n".encode("utf-16"), "x.csv:1: byte 1 of the line is not UTF-8"),
    ],
)
def test_a_file_with_a_bad_header_has_no_records(header: bytes, reason: str) -> None:
    records, told = read(header + b"1,2\n" if header else b"")
    assert records == []
    assert told[0].startswith(reason)


@pytest.mark.parametrize(
    "line",
    [
        b"\xe0\x80,x",
        b"1",
        b"1,2,3",
        b'"1,2',
        b'1,"2',
        b'"1"x,2',
        b"1\r,2",
        b"1\t,2",
        b"1\0,2",
        b"1\x7f,2",
        "1\x85,2".encode(),
        "1\u2028,2".encode(),
        b"\xed\xa0\x80,2",
    ],
)
def test_a_line_that_cannot_be_read_spoils_no_other(line: bytes) -> None:
    records, told = read(b"a,b\n0,0\n" + line + b'\n9,"9"\n')
    assert records == [(2, {"a": "0", "b": "0"}), (4, {"a": "9", "b": "9"})]
    assert len(told) == 1
    assert told[0].startswith("x.csv:3: ")


def test_a_line_of_any_length_takes_bounded_memory() -> None:
    records, told = read(b"a,b\n1,2\n" + b"x" * (3 * MAX_LINE) + b"\n3,4\n")
    assert records == [(2, {"a": "1", "b": "2"})]
    assert told == [f"x.csv:3: the line is longer than {MAX_LINE} bytes; nothing was read from here on"]


def test_the_longest_line_is_read() -> None:
    records, told = read(b"a,b\n1," + b"x" * (MAX_LINE - 3) + b"\n")
    assert told == []
    assert len(records[0][1]["b"]) == MAX_LINE - 3


_HEADERS = {format_.name: ",".join((*format_.columns.required, *format_.columns.optional)).encode() for format_ in FORMATS}
_VALUES = st.sampled_from(
    [
        b"1",
        b"42",
        b"",
        b"custom",
        b"user",
        b"group",
        b"course:1",
        b"a@b.pl",
        b"primary",
        b'"',
        b'"x,y"',
        "ż".encode(),
        b"|",
        b"\xff",
        b"0" * 300,
    ]
)
_LINES = st.lists(st.binary(max_size=40) | st.lists(_VALUES | st.binary(max_size=6), max_size=13).map(b",".join), max_size=8).map(
    b"\n".join
)


@st.composite
def _folders(draw: st.DrawFn) -> dict[str, bytes]:
    names = draw(st.sets(st.sampled_from(sorted(_HEADERS)), min_size=1))
    return {
        name: draw(st.sampled_from([_HEADERS[name] + b"\n", b"\xef\xbb\xbf" + _HEADERS[name] + b"\r\n", b""])) + draw(_LINES)
        for name in names
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=_folders())
def test_arbitrary_bytes_are_imported_twice_alike_or_refused(store: Store, files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        with contextlib.suppress(ImportFailed):
            import_folder(store.database, Path(folder))
            assert not import_folder(store.database, Path(folder)).changed


@given(st.binary(max_size=200))
def test_reading_arbitrary_bytes_raises_nothing(content: bytes) -> None:
    records, _ = read(b"a,b\n" + content)
    for _, values in records:
        assert list(values) == ["a", "b"]
        assert not any(set(value) & set("\r\n\t\0\x1b\x7f\x85\u2028") for value in values.values())
