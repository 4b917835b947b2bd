"""Streamed multipart bodies: whatever their order and however they are cut, nothing whole in memory, clear errors (contract §3.7)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from postroom.dialects.multipart import BadMultipart, Part, is_multipart, read_form
from postroom.dialects.parameters import BadParameter, Pairs
from postroom.errors import TooLarge

TYPE = "multipart/form-data; boundary=---attachment"
"""The boundary that one Android client sends literally (§3.7)."""

BODY = (
    b"-----attachment\r\n"
    b'Content-Disposition: form-data; name="message_id"\r\n\r\n'
    b"17\r\n"
    b"-----attachment\r\n"
    b'Content-Disposition: form-data; name="data"; filename="a.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
    b"one\r\n--two\r\n-----attach\r\n"
    b"-----attachment\r\n"
    b'Content-Disposition: form-data; name="description"\r\n\r\n'
    b"\xc5\xbc\r\n"
    b"-----attachment--\r\n"
)


class Files:
    """Remembers what it was asked for and what was written."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.known: list[Pairs] = []
        self.written: list[bytes] = []

    async def open(self, part: Part, fields: Pairs) -> "Files | None":
        if part.name != "data":
            return None
        self.parts.append(part)
        self.known.append(list(fields))
        return self

    async def write(self, data: bytes) -> None:
        self.written.append(data)


def read(body: bytes, content_type: str = TYPE, limit: int = 10_000, cut: int = 1 << 20) -> tuple[Pairs, Files]:
    files = Files()

    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(body), cut):
            yield body[start : start + cut]

    return asyncio.run(read_form(stream(), content_type, limit=limit, open_file=files.open)), files


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 64, 10_000])
def test_fields_stand_before_and_after_the_file_however_the_body_is_cut(cut: int) -> None:
    fields, files = read(BODY, cut=cut)
    assert fields == [("message_id", "17"), ("description", "ż")]
    assert files.parts == [Part(name="data", filename="a.bin", content_type="application/octet-stream")]
    assert files.known == [[("message_id", "17")]]
    assert b"".join(files.written) == b"one\r\n--two\r\n-----attach"


def test_a_file_is_written_in_blocks() -> None:
    data = b"x" * 3_000_000
    body = b'--b\r\nContent-Disposition: form-data; name="data"; filename="f"\r\n\r\n' + data + b"\r\n--b--\r\n"
    _, files = read(body, "multipart/form-data; boundary=b", cut=65536)
    assert b"".join(files.written) == data
    assert max(map(len, files.written)) < 400_000


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('filename="zażółć.txt"', "zażółć.txt"),
        ("filename*=UTF-8''za%C5%BC%C3%B3%C5%82%C4%87.txt", "zażółć.txt"),
        ("filename=plain.txt", "plain.txt"),
        (r'filename="a\"b.txt"', 'a"b.txt'),
        ('filename*0="one"; filename*1="two.txt"', "onetwo.txt"),
        ('filename=""', ""),
        ("", None),
    ],
)
def test_file_names_come_as_raw_utf_8_or_as_rfc_2231_has_it(disposition: str, filename: str | None) -> None:
    """§3.7: the Python requests library writes raw UTF-8; others follow RFC 2231."""
    head = f'--b\r\nContent-Disposition: form-data; name="data"; {disposition}\r\n\r\nx\r\n--b--\r\n'
    _, files = read(head.encode(), "multipart/form-data; boundary=b")
    assert files.parts[0].filename == filename


@pytest.mark.parametrize("length", [0, 1, 30, 100, 200, len(BODY) - 5])
def test_a_body_that_ends_too_early_is_broken(length: int) -> None:
    with pytest.raises(BadMultipart):
        read(BODY[:length])


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (BODY, "multipart/form-data"),
        (BODY, "multipart/form-data; boundary="),
        (BODY, "multipart/form-data; boundary=other"),
        (BODY, f"multipart/form-data; boundary={'b' * 5000}"),
        (b"nonsense", TYPE),
        (BODY.replace(b'name="message_id"', b"x=y"), TYPE),
        (BODY.replace(b"Content-Disposition", b"Content\xff"), TYPE),
        (BODY.replace(b"form-data; name", b"\xff; name"), TYPE),
        (BODY.replace(b"17\r\n", b"", 1).replace(b"\r\n\r\n", b"\r\n", 1), TYPE),
    ],
)
def test_broken_bodies_are_told_from_good_ones(body: bytes, content_type: str) -> None:
    with pytest.raises(BadMultipart) as caught:
        read(body, content_type)
    assert str(caught.value)


@pytest.mark.parametrize("value", [b"\xff", b"a\0b"])
def test_a_field_that_is_no_text_is_named(value: bytes) -> None:
    with pytest.raises(BadParameter) as caught:
        read(BODY.replace(b"17", value))
    assert caught.value.name == "message_id"


def test_fields_and_unknown_files_share_one_limit() -> None:
    unknown = BODY.replace(b'name="data"', b'name="else"')
    assert read(unknown)[0] == [("message_id", "17"), ("description", "ż")]
    for body in (BODY.replace(b"17", b"1" * 20_000), unknown.replace(b"one", b"1" * 20_000)):
        with pytest.raises(TooLarge):
            read(body, cut=64)
    assert read(BODY.replace(b"one", b"1" * 20_000), cut=64)[1].written


def test_the_number_of_parts_is_bounded() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    with pytest.raises(TooLarge):
        read(part * 1000 + b"--b--\r\n", "multipart/form-data; boundary=b")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, False), ("", False), (TYPE, True), ("text/plain", False), ("multipart/mixed", False)]
)
def test_only_forms_are_multipart(value: str | None, expected: bool) -> None:  # noqa: FBT001 - as the table has it
    assert is_multipart(value) is expected


@settings(max_examples=150)
@given(st.integers(0, len(BODY)), st.binary(max_size=20), st.integers(0, 30), st.integers(1, 60))
@example(0, b"", 0, 1)
def test_any_damage_gives_fields_or_a_clear_error(at: int, inserted: bytes, removed: int, cut: int) -> None:
    with contextlib.suppress(BadMultipart, BadParameter, TooLarge):
        read(BODY[:at] + inserted + BODY[at + removed :], cut=cut)


@pytest.mark.parametrize("charset", ["idna", "undefined"])
def test_no_character_set_of_a_file_name_breaks_the_server(charset: str) -> None:
    """Design 1.5: RFC 2231 lets the client choose how its file name is decoded, and Python's codecs fail in odd ways."""
    with pytest.raises(BadMultipart, match="name of a file"):
        read(_named(charset), "multipart/form-data; boundary=B")


@pytest.mark.parametrize("charset", ["rot13", "no-such", "utf-16", "unicode_escape", ""])
def test_other_character_sets_are_taken_as_well_as_they_can(charset: str) -> None:
    fields, files = read(_named(charset), "multipart/form-data; boundary=B")
    assert (fields, b"".join(files.written)) == ([], b"x")


def _named(charset: str) -> bytes:
    part = b"--B\r\nContent-Disposition: form-data; name=\"data\"; filename*=%b''%%ff%%5c\r\n\r\nx\r\n--B--\r\n"
    return part % charset.encode()
