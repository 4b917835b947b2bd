"""Reading replies: chopped, odd, endless."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery.replies import MAX_LINE, MAX_LINES, MAX_TEXT, GarbageError, Reply, ReplyReader


def read(data: bytes) -> list[Reply]:
    return fed(ReplyReader(), data)


def fed(reader: ReplyReader, data: bytes) -> list[Reply]:
    """What a reader makes of data; what is wrong with it is raised."""
    replies, error = reader.feed(data)
    if error is not None:
        raise error
    return replies


@pytest.mark.parametrize(
    ("data", "code", "enhanced", "text"),
    [
        (b"250 ok\r\n", 250, None, "ok"),
        (b"250\r\n", 250, None, ""),
        (b"250 \n", 250, None, ""),
        (b"550-5.1.1 no\r\n550 5.1.1 never\r\n", 550, "5.1.1", "no never"),
        (b"550 4.1.1 contradiction\r\n", 550, None, "4.1.1 contradiction"),
        (b"250-a\r\n251 b\r\n", 250, None, "a b"),
        ("450 później\r\n".encode(), 450, None, "później"),
        (b"450 \xff\x00\x07bad\r\n", 450, None, "\ufffd  bad"),
        (b"421 4.3.2\r\n", 421, "4.3.2", ""),
    ],
)
def test_forms(data: bytes, code: int, enhanced: str | None, text: str) -> None:
    (reply,) = read(data)
    assert (reply.code, reply.enhanced, reply.text) == (code, enhanced, text)


@pytest.mark.parametrize(
    "data", [b"hello\r\n", b"\r\n", b"25 x\r\n", b"2500 x\r\n", b"150 x\r\n", b"650 x\r\n", b"250_x\r\n", b"x" * (MAX_LINE + 1)]
)
def test_garbage(data: bytes) -> None:
    with pytest.raises(GarbageError):
        read(data)


def test_bounds() -> None:
    with pytest.raises(GarbageError):
        read(b"250-x\r\n" * MAX_LINES)
    with pytest.raises(GarbageError):
        read(b"250 " + b"x" * MAX_LINE + b"\r\n")
    (long,) = read(b"250-" + b"x" * 4000 + b"\r\n250 y\r\n")
    assert len(long.text) == MAX_TEXT


@given(st.lists(st.sampled_from([b"250 ok\r\n", b"250-a\r\n250 b\r\n", b"451 4.7.1 later\n"]), max_size=6), st.lists(st.integers(0, 100)))
def test_chopping_changes_nothing(replies: list[bytes], cuts: list[int]) -> None:
    data = b"".join(replies)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    reader = ReplyReader()
    read_in_parts = [reply for start, stop in itertools.pairwise(places) for reply in fed(reader, data[start:stop])]
    assert read_in_parts == read(data)
    assert len(read_in_parts) == len(replies)
    assert not reader.pending


@given(st.lists(st.binary(max_size=200), max_size=10))
def test_whatever_comes_it_is_a_reply_or_garbage(parts: list[bytes]) -> None:
    reader = ReplyReader()
    try:
        for part in parts:
            for reply in fed(reader, part):
                assert 200 <= reply.code <= 599
                assert reply.text.isprintable()
    except GarbageError:
        pass


def test_what_was_said_before_the_garbage_holds() -> None:
    """A relay that takes a mail and then talks nonsense in the same breath has taken the mail."""
    replies, error = ReplyReader().feed(b"250 2.0.0 taken\r\nnonsense\r\n250 more\r\n")
    assert [reply.code for reply in replies] == [250]
    assert error is not None
