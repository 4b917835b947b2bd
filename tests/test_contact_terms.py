"""The words of the setting ``contacts.may_write_to`` (docs/mailboxes.md, Who may write to whom)."""

import pytest

from postroom.contact_terms import Term, parse


@pytest.mark.parametrize("text", ["everyone", "nobody", "same_school", "same_group", "staff"])
def test_terms_of_one_word(text: str) -> None:
    assert parse(text) == Term(text, "")  # type: ignore[arg-type]


def test_terms_with_a_value() -> None:
    assert parse("role:teacher") == Term("role", "teacher")
    assert parse("role:head of year: 5") == Term("role", "head of year: 5")
    assert parse("group:wf.math") == Term("group", "wf.math")
    assert parse("user:12") == Term("user", "12")


WRONG = (
    "|| |Everyone|everyone |everyone:|everyone:x|role|role:|role: |role: x|group:|user:|user:0|user:-1|user:x|user:1.5|user:٣"
    "|user:9999999999|*|users:1|staff:x|role:x\n"
)


@pytest.mark.parametrize("text", WRONG.split("|"))
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="same_group, staff, role:NAME"):
        parse(text)
