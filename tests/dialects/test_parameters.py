"""Decoding of parameters: strict, in order, without repairs (contract §3.1, §3.3, §7)."""

import contextlib
import tracemalloc
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.dialects.parameters import MAX_PAIRS, BadParameter, decode, distinct, escape


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        (b"", []),
        (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a=&b", [("a", ""), ("b", "")]),
        (b"=x", [("", "x")]),
        (b"a=x+y%20z%2B", [("a", "x y z+")]),
        (b"a=x;b=y", [("a", "x;b=y")]),
        ("a=ż&b=%C5%BC".encode(), [("a", "ż"), ("b", "ż")]),
    ],
)
def test_pairs_are_read_as_they_came(raw: bytes, pairs: list[tuple[str, str]]) -> None:
    assert decode(raw) == pairs


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"ok=1&subject=%zz", "subject"),
        (b"subject=50%", "subject"),
        (b"subject=%ff", "subject"),
        (b"subject=\xff", "subject"),
        (b"ok=1&subject=a%00b&x=2", "subject"),
        (b"%ff=1", None),
        (b"%00=1", None),
        (b"%zz", None),
    ],
)
def test_what_cannot_be_decoded_is_named(raw: bytes, name: str | None) -> None:
    with pytest.raises(BadParameter) as caught:
        decode(raw)
    assert caught.value.name == name
    assert caught.value.reason


def test_the_number_of_parameters_is_bounded() -> None:
    """Every list has a bound: a megabyte of names would hold the server up before the signature is looked at."""
    assert len(decode(b"&".join([b"a=1"] * MAX_PAIRS))) == MAX_PAIRS
    with pytest.raises(BadParameter, match="more than"):
        decode(b"&".join([b"a=1"] * (MAX_PAIRS + 1)))


def test_the_same_pair_counts_once_and_different_values_stay() -> None:
    """§7: drop identical pairs, keep different values."""
    assert distinct([("a", "1"), ("a", "2")], [("a", "1"), ("b", "1")]) == [("a", "1"), ("a", "2"), ("b", "1")]


@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_what_is_encoded_is_decoded(pairs: list[tuple[str, str]]) -> None:
    if any("\0" in part or "\ud800" <= max(part, default="") <= "\udfff" for pair in pairs for part in pair):
        return
    assert decode(urlencode(pairs).encode()) == pairs


@pytest.mark.parametrize("before", range(4))
def test_long_values_are_decoded_whole(before: int) -> None:
    """They are taken in pieces, and no escape may be cut in two, wherever the cut falls."""
    value = "x" * before + "ż " * 100_000
    assert decode(urlencode({"a": value, "b": "1"}).encode()) == [("a", value), ("b", "1")]


def test_a_long_value_takes_little_more_memory_than_itself() -> None:
    raw = b"a=" + b"%22" * 1_000_000
    tracemalloc.start()
    try:
        decode(raw)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(raw)


@given(st.binary())
def test_any_bytes_give_pairs_or_a_clear_error(raw: bytes) -> None:
    with contextlib.suppress(BadParameter):
        decode(raw)


@given(st.text())
def test_escape_is_that_of_the_standard_library(text: str) -> None:
    """RFC 5849 §3.6: unreserved characters stand for themselves, everything else is UTF-8 in upper-case hexadecimal."""
    assert escape(text) == quote(text, safe="~")


@given(st.lists(st.tuples(st.text(min_size=1), st.text()), max_size=5))
def test_what_the_standard_library_encodes_is_decoded(pairs: list[tuple[str, str]]) -> None:
    whole = [(name, value) for name, value in pairs if "\0" not in name + value and (name + value).isprintable()]
    assert decode(urlencode(whole).encode()) == whole


@given(st.binary(max_size=60))
def test_decode_says_what_the_standard_library_says(raw: bytes) -> None:
    """Of whatever is well-formed; backslashes too, which have a meaning for the way in which escapes are undone."""
    raw = b"a=" + raw.replace(b"&", b"\\").replace(b"=", b"\\x41")
    try:
        pairs = decode(raw)
    except BadParameter:
        return
    assert pairs == parse_qsl(raw.decode(), keep_blank_values=True, strict_parsing=True)
