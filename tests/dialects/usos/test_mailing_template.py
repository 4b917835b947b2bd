"""services/mailing: row 3 of the table in contract §1.5, and §7, over real HTTP."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from postroom.directory.records import Mailbox
from postroom.messages import options
from postroom.storage.tables import messages, recipients
from tests.dialects.usos.conftest import Installation
from tests.support import counted

TEXTS = {"subject_template": "Result of {name}", "content_template": "Dear {name},\n{{points}}: {points}\n"}
ANNA = {"email": "anna@x.example", "vars": {"name": "Anna", "points": "5"}}


def send(usos: Installation, people: Any, **parameters: str) -> Any:
    return usos.mail("send_simple_by_template", recipients=json.dumps(people), **{**TEXTS, **parameters})


def refused(usos: Installation, people: Any = (ANNA,), **parameters: str) -> tuple[str, str]:
    """Call with what is wrong; return param_name and message. Nobody gets anything."""
    given = {"recipients": json.dumps(people), **TEXTS, **parameters}
    body = usos.mail("send_simple_by_template", expecting=400, **given)
    assert body["error"] == "param_invalid"
    assert roll(usos) == []
    return body["param_name"], body["message"]


def roll(usos: Installation) -> list[Any]:
    return list(usos.store.database.read_now(lambda tx: tx.execute(select(recipients).order_by(recipients.c.id)).all()))


def values(usos: Installation) -> list[Any]:
    return [json.loads(line.variables) for line in roll(usos)]


def test_row_3_answers_with_an_id_for_each_recipient(usos: Installation) -> None:
    """One per recipient (C), in their order; the same address twice gets two. IDs as §3.3 has them: ≤ 32 characters, no pipe."""
    people = [ANNA, {"email": "ANNA@X.example", "vars": {"name": "Ania", "points": "4"}}, {**ANNA, "email": "b@x.example"}]
    ids = send(usos, people, lang="en", from_name="Office", from_email="o@uni.example", send_summary_to="boss@uni.example")
    assert len(set(ids)) == 3
    assert all(isinstance(one, str) and len(one) <= 32 and "|" not in one for one in ids)
    assert [(line.email, line.state) for line in roll(usos)] == [
        ("anna@x.example", "queued"),
        ("ANNA@x.example", "queued"),
        ("b@x.example", "queued"),
    ]
    assert values(usos)[:2] == [{"name": "Anna", "points": "5"}, {"name": "Ania", "points": "4"}]
    (message,) = usos.store.database.read_now(lambda tx: tx.execute(select(messages)).all())
    assert (message.template, message.language, message.summary_email, message.content_format) == (True, "en", "boss@uni.example", "plain")
    assert options.decoded(message.mail).sender == Mailbox("Office", "o@uni.example")
    status = usos.mail("check_messages_status", message_ids="|".join(ids))
    assert [status[one]["recipients"][0]["email"] for one in ids] == ["anna@x.example", "ANNA@x.example", "b@x.example"]


def test_row_3_without_vars_the_other_keys_are_the_variables(sqlite_usos: Installation) -> None:
    """§7. Beside vars they are extra keys, which are accepted and ignored."""
    send(sqlite_usos, [{"email": "a@x.example", "name": "Anna", "points": "5", "zzz": []}, {**ANNA, "name": "other", "zzz": None}])
    assert values(sqlite_usos) == [{"name": "Anna", "points": "5"}] * 2


@pytest.mark.parametrize(
    ("given", "text"), [("17", "17"), ("4.50", "4.50"), ("-1e3", "-1e3"), ("true", "true"), ("false", "false"), ('"\\u017c"', "ż")]
)
def test_row_3_numbers_and_truth_values_stand_as_in_the_json(sqlite_usos: Installation, given: str, text: str) -> None:
    """Our choice."""
    people = f'[{{"email": "a@x.example", "vars": {{"name": "Anna", "points": {given}}}}}]'
    sqlite_usos.mail("send_simple_by_template", recipients=people, **TEXTS)
    assert values(sqlite_usos) == [{"name": "Anna", "points": text}]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"email": "a@x.example", "vars": {"name": "A"}}, "recipient 2: no value for {points}"),
        ({"email": "a@x.example", "vars": {"name": "A", "points": None}}, "recipient 2: the value of {points}"),
        ({"email": "a@x.example", "vars": {"name": "A", "points": {}}}, "recipient 2: the value of {points}"),
        ({"email": "a@x.example", "vars": {"name": ["A"], "points": "1"}}, "recipient 2: the value of {name}"),
        ({"email": "a@x.example", "vars": []}, "recipient 2: email is to be a text, vars a dictionary"),
        ({"email": "a@x.example", "vars": None}, "recipient 2: email is to be a text, vars a dictionary"),
        ({"email": 5, "vars": {"name": "A", "points": "1"}}, "recipient 2: email is to be a text"),
        ({"vars": {"name": "A", "points": "1"}}, "recipient 2: no email"),
        ({"email": "nobody", "vars": {"name": "A", "points": "1"}}, "recipient 2: not an address: 'nobody'"),
        (
            {"email": "a@x.example", "vars": {"name": "A\r\nBcc: x@x.example", "points": "1"}},
            "recipient 2: a control character or line break",
        ),
    ],
)
def test_row_3_what_is_wrong_with_a_recipient_is_told_with_the_place(sqlite_usos: Installation, entry: Any, words: str) -> None:
    """All or nothing."""
    name, message = refused(sqlite_usos, [ANNA, entry, ANNA])
    assert name == "recipients"
    assert words in message


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("subject_template", "{name.__class__}"),
        ("subject_template", "{0}"),
        ("subject_template", "{name!r}"),
        ("content_template", "{name:>10}"),
        ("content_template", "a } b"),
        ("content_template", "{"),
        ("content_template", "{}"),
        ("subject_template", " "),
        ("subject_template", "x" * 196 + "{name}x"),
        ("content_template", "x" * 14_996 + "{name}x"),
        ("subject_template", "x" * 2_001),
        ("content_template", "x" * 100_001),
        ("from_email", "a@x.example"),
        ("lang", "de"),
        ("send_summary_to", "nobody"),
        ("recipients", "{}"),
        ("recipients", "[1]"),
        ("recipients", "[]"),
        ("recipients", "no json"),
        ("recipients", "[" * 5_000),
        ("recipients", '[{"email": "\\ud800@x"}]'),
    ],
)
def test_row_3_what_is_wrong_is_param_invalid(sqlite_usos: Installation, parameter: str, value: str) -> None:
    """§7: only {name}, {{ and }}; limits of 200 and 15,000 hold after substitution."""
    given = {"recipients": json.dumps([ANNA]), **TEXTS, parameter: value}
    body = sqlite_usos.mail("send_simple_by_template", expecting=400, **given)
    assert (body["error"], body["param_name"]) == ("param_invalid", parameter)
    assert roll(sqlite_usos) == []


def test_row_3_limits_are_those_of_the_result(sqlite_usos: Installation) -> None:
    """A template may be longer than its result."""
    long_name = "n" * 100
    texts = {"subject_template": f"{{{long_name}}}" * 2, "content_template": "{{}}" * 7_500}
    assert len(send(sqlite_usos, [{"email": "a@x.example", "vars": {long_name: "x" * 100}}], **texts)) == 1


@pytest.mark.parametrize("name", ["subject_template", "content_template", "recipients"])
def test_row_3_required_parameters(sqlite_usos: Installation, name: str) -> None:
    given = {"recipients": "[]", **TEXTS}
    del given[name]
    body = sqlite_usos.mail("send_simple_by_template", expecting=400, **given)
    assert (body["error"], body["param_name"]) == ("param_missing", name)


def test_row_3_more_than_50000_recipients_are_refused(sqlite_usos: Installation) -> None:
    name, message = refused(sqlite_usos, [ANNA] * 50_001)
    assert (name, "50000" in message) == ("recipients", True)


def test_row_3_a_repeated_call_with_a_key_sends_once(usos: Installation) -> None:
    assert send(usos, [ANNA], idempotency_key="one") == send(usos, [ANNA], idempotency_key="one")
    assert len(roll(usos)) == 1


def test_row_3_recipients_take_few_statements(usos: Installation) -> None:
    """One for 500 addresses, one for 5,000 lines; none for each."""
    people = [{**ANNA, "email": f"p{place}@x.example"} for place in range(1_000)]
    with counted(usos.store) as statements:
        assert len(send(usos, people)) == 1_000
    assert len(statements) <= 8
