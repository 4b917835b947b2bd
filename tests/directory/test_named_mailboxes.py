"""Mailboxes as they are written: ONLYOFFICE contract §1a.5 (the strict rule), §7.1 (both lists), §7.4 (splitting)."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.directory import named_mailboxes
from postroom.directory.named_mailboxes import parse, split, strict
from postroom.directory.records import Mailbox

PASS = {
    "test@test.com": Mailbox("", "test@test.com"),
    '"Test Name" <test@test.com>': Mailbox("Test Name", "test@test.com"),
    **{f"te{sign}st@test.com": Mailbox("", f"te{sign}st@test.com") for sign in "+._-"},
    **dict.fromkeys(
        [
            "(comment)test@test.com",
            "test(comment)@test.com",
            "test @test.com",
            "test@ test.com",
            "test@test .com",
            "test@test. com",
        ],
        Mailbox("", "test@test.com"),
    ),
    **{
        address: Mailbox("", address)
        for address in (
            "simple@example.com",
            "very.common@example.com",
            "disposable.style.email.with+symbol@example.com",
            "other.email-with-hyphen@example.com",
            "fully-qualified-domain@example.com",
            "user.name+tag+sorting@example.com",
            "x@example.com",
            "example-indeed@strange-example.com",
            "example@s.example",
            "1234567890123456789012345678901234567890123456789012345678901234+x@example.com",
        )
    },
}
FAIL = [
    "-@+._",
    "single@a",
    ".test@test.com",
    "test.@test.com",
    "test@.test.com",
    *(form.replace("C", sign) for sign in "_+-/=" for form in ("testC@test.com", "Ctest@test.com", "test@Ctest.com", "test@test.comC")),
    "test(comment)test@test.com",
    "test@[192.168.1.1]",
    "test@[2001:0db8:11a3:09d7:1f34:8a2e:07a0:765d]",
    "Abc.example.com",
    "A@b@c@example.com",
    r'a"b(c)d,e:f;g<h>i[j\k]l@example.com',
    'just"not"right@example.com',
    'this is"not\allowed@example.com',
    r'this\ still"not\allowed@example.com',
    "john..doe@example.com",
    "john.doe@example..com",
    "!@*.!",
]


@pytest.mark.parametrize(("given", "expected"), PASS.items())
def test_what_must_pass(given: str, expected: Mailbox) -> None:
    """§7.1, first list."""
    assert strict(given) == expected


@pytest.mark.parametrize("given", FAIL)
def test_what_must_fail(given: str) -> None:
    """§7.1, second list."""
    assert strict(given) is None


@pytest.mark.parametrize(
    "given", ["user@localhost", "a_@x.com", '"a b"@x.com', "o'brien@x.com", "żółw@x.com", "a@żółw.com", "a@b.com,c@d.com", "", "a@b.com, "]
)
def test_what_the_strict_rule_leaves_out(given: str) -> None:
    """§1a.5, and §8.6: several addresses in one entry."""
    assert strict(given) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Name <name@domain.example>", Mailbox("Name", "name@domain.example")),
        ("J. R. Smith <a@X.Example>", Mailbox("J. R. Smith", "a@x.example")),
        ('"Bob \\"B\\" O\\\\" <bob@x.example>', Mailbox('Bob "B" O\\', "bob@x.example")),
        ("bob@x.example <bob@x.example>", Mailbox("bob@x.example", "bob@x.example")),
        ("Łucja (dom) Żak\t<a@x.example> (praca)", Mailbox("Łucja Żak", "a@x.example")),
        ("=?utf-8?B?xbvDs8WCdw==?= <a@x.example>", Mailbox("Żółw", "a@x.example")),
        ("=?nonsense?= <a@x.example>", Mailbox("=?nonsense?=", "a@x.example")),
        ("=?no-such-charset?Q?a?= <a@x.example>", Mailbox("=?no-such-charset?Q?a?=", "a@x.example")),
        ("=?utf-8?Q?a=0D=0ABcc=3A_x?= <a@x.example>", Mailbox("a Bcc: x", "a@x.example")),
        ("<a@x.example>", Mailbox("", "a@x.example")),
        ("a@x.example.", Mailbox("", "a@x.example")),
        ('"a b"@localhost', Mailbox("", '"a b"@localhost')),
        ("o'brien@x.example", Mailbox("", "o'brien@x.example")),
    ],
)
def test_reading_is_lenient(given: str, expected: Mailbox) -> None:
    assert parse(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "a@x.example\r\nBcc: b@x.example",
        '"a\nb" <a@x.example>',
        "a\0@x.example",
        "Kot, Ala <a@x.example>",
        "group: a@x.example;",
        "A <a@x.example> b",
        "A <a@x.example",
        "A <>",
        "A > a@x.example <",
        "a@x.example)",
        "(open a@x.example",
        "(\\",
        "@",
        "a@",
        "@x.example",
        "a" * 250 + "@x.example",
        " " * 1_001,
    ],
)
def test_what_is_no_mailbox(given: str) -> None:
    assert parse(given) is None


def test_a_mailbox_is_written_so_that_it_is_read_back() -> None:
    """§1a.6 step 2: backslash and double quote are escaped."""
    assert named_mailboxes.written(Mailbox('A "B" \\', "a@x.example")) == '"A \\"B\\" \\\\" <a@x.example>'
    assert named_mailboxes.written(Mailbox("", "a@x.example")) == "a@x.example"
    for mailbox in (Mailbox('A "B" \\', "a@x.example"), Mailbox("Żak, Ł.", "a@x.example")):
        assert parse(named_mailboxes.written(mailbox)) == mailbox


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            '"Test, test" <m@m.com>, "Test test" <m@m.com>, m@m.com, <m@m.com>, "Test , test" <m@m.com>, m@m.com',
            ['"Test, test" <m@m.com>', '"Test test" <m@m.com>', "m@m.com", "<m@m.com>", '"Test , test" <m@m.com>', "m@m.com"],
        ),
        ("'Test, t@st' <m@m.com>, \"a@b, c\" <m@m.com>", ["'Test, t@st' <m@m.com>", '"a@b, c" <m@m.com>']),
        ("Тест, <m@m.com>, 'Тест, тест' <m@m.com>", ["<m@m.com>", "'Тест, тест' <m@m.com>"]),
        ("a@b.com,c@d.com", ["a@b.com", "c@d.com"]),
        ('"Test, test" <m@m.com>, m,@m.com', ['"Test, test" <m@m.com>', "@m.com"]),
        ('"Test, test" <m@m.com>, <m,@m.com>', ['"Test, test" <m@m.com>', "<m,@m.com>"]),
        ('"Test, test" <m@m.com> , m@m.com', ['"Test, test" <m@m.com>', "m@m.com"]),
        ("O'Neil <a@b.com>; D'Arcy <c@d.com>", ["O'Neil <a@b.com>", "D'Arcy <c@d.com>"]),
        ("'open <a@b.com>, \"open <c@d.com>, e@f.com <, g@h.com", ["'open <a@b.com>", '"open <c@d.com>', "e@f.com <", "g@h.com"]),
        ("", []),
    ],
)
def test_lists_are_split(given: str, expected: list[str]) -> None:
    """§7.4: quotes of both kinds and angle brackets hold commas and ``@``."""
    assert split(given) == expected


@given(st.text(alphabet=st.sampled_from("ab.@<>\"'(),;:\\ [=?é\t\r"), max_size=40))
def test_nothing_but_a_mailbox_comes_out(text: str) -> None:
    found = parse(text)
    if found is not None:
        assert "\r" not in f"{found.name}{found.email}"
        assert parse(named_mailboxes.written(found)) == found
    assert all("@" in entry for entry in split(text))


@pytest.mark.parametrize("piece", ["'", '"', "<", "(", '",', "',", "\\", "(a)", "=?"])
def test_odd_texts_take_no_time(piece: str) -> None:
    began = time.process_time()
    split(piece * 50_000)
    parse(piece * (1_000 // len(piece)))
    assert time.process_time() - began < 2
