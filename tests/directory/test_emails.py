"""What is an address: RFC 5321 §4.1.2 without quoted strings and literals, domains in ASCII."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.directory.emails import checked, normalise
from postroom.errors import Invalid
from postroom.mailbox import MAX_EMAIL


@pytest.mark.parametrize(
    ("given_address", "normal"),
    [
        ("jan.kowalski@example.edu", "jan.kowalski@example.edu"),
        ("  Jan@EXAMPLE.Edu\t", "Jan@example.edu"),  # the local part keeps its case
        ("o'neil+tag=1@a-b.example", "o'neil+tag=1@a-b.example"),
        ("example@example", "example@example"),  # wire/usos.md §5.2: a real value
        ("a@Żółw.pl", "a@xn--w-uga1v8h.pl"),
        ("a@straße.de", "a@xn--strae-oqa.de"),  # IDNA 2008; 2003 would make it strasse.de, somebody else's
        ("a@例え。jp", "a@xn--r8jz45g.jp"),  # UTS 46 maps the ideographic full stop
        ("a" * 64 + "@example.edu", "a" * 64 + "@example.edu"),
    ],
)
def test_mailboxes_have_one_normal_form(given_address: str, normal: str) -> None:
    assert normalise(given_address) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "address",
    [
        "",
        "@",
        "a@",
        "@b.pl",
        "a",
        "a b@c.pl",
        "a@b c.pl",
        "a@b@c.pl",
        ".a@b.pl",
        "a.@b.pl",
        "a..b@c.pl",
        '"a b"@c.pl',
        "a@[192.0.2.1]",
        "a@192.0.2.1",
        "a@b.pl.",
        "a@.b.pl",
        "a@-b.pl",
        "a@b-.pl",
        "a@b_c.pl",
        "a,b@c.pl",
        "<a@b.pl>",
        "Jan <a@b.pl>",
        "a@b.pl\r\nBcc: x@y.pl",
        "a@b.pl\n",
        "a\0@b.pl",
        "ż@b.pl",
        "a\uff20b.pl",
        "a@b\uff20c.pl",
        "a@xn--\ud800.pl",
        "a" * 65 + "@b.pl",
        "a@" + "b" * 64 + ".pl",
        "a" * 64 + "@" + ".".join(["b" * 63] * 3),
        "a@" + "ż" * 100_000,
    ],
)
def test_everything_else_is_refused(address: str) -> None:
    assert normalise(address) is None


@given(st.text() | st.from_regex(r"[^@]{0,70}@[^@]{0,70}") | st.builds("{}@{}".format, st.just("a"), st.text()))
def test_nothing_that_could_break_a_header_or_a_command_passes(address: str) -> None:
    normal = normalise(address)
    if normal is not None:
        assert re.fullmatch(r"[\x21-\x7e]+", normal)
        assert not set(normal) & set('<>,;:()[]"\\')
        assert normal.count("@") == 1
        assert len(normal) <= MAX_EMAIL
        assert normalise(normal) == normal


def test_a_list_keeps_the_first_spelling_of_each() -> None:
    assert checked("emails", ["Jan@x.pl", " jan@X.PL ", "b@x.pl"]) == ["Jan@x.pl", "b@x.pl"]
    assert checked("emails", []) == []


def test_those_that_are_none_are_named_and_the_rest_of_many_is_counted() -> None:
    with pytest.raises(Invalid, match=r"'nobody', 'a b@x.pl'$") as caught:
        checked("recipients", ["Jan@x.pl", "nobody", "b@x.pl", "a b@x.pl"])
    assert caught.value.parameter == "recipients"
    with pytest.raises(Invalid, match=f"'{'x' * 100}', .*, 'n8' and 2 more$"):
        checked("recipients", ["x" * 500, *(f"n{place}" for place in range(11))])
