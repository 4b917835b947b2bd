"""services/mailing: rows 4 and 5 of the table in contract §1.5, over real HTTP."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests_oauthlib import OAuth1
from sqlalchemy import select

from postroom import clock
from postroom.directory import clients
from postroom.directory.records import Mailbox
from postroom.messages import mailings, options, workload
from postroom.settings import HttpSettings, UsosSettings
from postroom.storage.tables import messages, recipients
from tests.dialects.usos.conftest import Installation
from tests.support import counted

SIMPLE = {"subject": "News", "content": "Hello.", "recipients": "a@x.example"}


def kept(usos: Installation, table: Any = messages) -> list[Any]:
    return list(usos.store.database.read_now(lambda tx: tx.execute(select(table).order_by(table.c.id)).all()))


def send(usos: Installation, **parameters: str) -> Any:
    return usos.mail("send_simple_message", **{**SIMPLE, **parameters})


def refused(usos: Installation, method: str = "send_simple_message", **parameters: str) -> tuple[str, str]:
    """Call with what is wrong; return error and param_name. Nothing is sent."""
    given = {**SIMPLE, **parameters} if method == "send_simple_message" else parameters
    body = usos.mail(method, expecting=400, **given)
    assert kept(usos) == []
    assert body["message"]
    return body["error"], body["param_name"]


# -- row 4: send_simple_message --------------------------------------------------------------------------------------


def test_row_4_answers_with_the_id_of_a_queued_message(usos: Installation) -> None:
    """{"message_id": …}, a string (§3.3), which check_message_status takes; defaults of all that was not given."""
    answer = send(usos, recipients="a@x.example|A@x.example||b@x.example")
    (message,) = kept(usos)
    assert answer == {"message_id": str(message.id)}
    assert (message.subject, message.content, message.content_format, message.language) == ("News", "Hello.", "plain", "pl")
    assert (message.author_id, message.client_id, message.summary_email) == (None, usos.admin.id, None)
    assert options.decoded(message.mail).sender == Mailbox("USOS", "")
    assert [(line.email, line.state) for line in kept(usos, recipients)] == [("a@x.example", "queued"), ("b@x.example", "queued")]
    assert usos.mail("check_message_status", message_id=answer["message_id"])["finished"] is False


def test_row_4_takes_all_parameters(usos: Installation) -> None:
    send(
        usos,
        content="<p>x</p>",
        content_format="html",
        from_name="Dziekanat",
        from_email="Dziekanat@UNI.example",
        send_summary_to="boss@UNI.example",
        lang="en-GB",
    )
    (message,) = kept(usos)
    assert (message.content_format, message.language, message.summary_email) == ("html", "en", "boss@uni.example")
    assert options.decoded(message.mail).sender == Mailbox("Dziekanat", "Dziekanat@uni.example")


def test_row_4_optional_parameters_may_be_empty(sqlite_usos: Installation) -> None:
    """§3.1: empty values occur. Our choice: absent."""
    send(sqlite_usos, from_name="", from_email="", send_summary_to="")
    (message,) = kept(sqlite_usos)
    assert (message.summary_email, options.decoded(message.mail).sender) == (None, Mailbox("USOS", ""))


def test_row_4_a_token_is_ignored_and_get_is_as_good_as_post(sqlite_usos: Installation) -> None:
    """Header: Token ignored. §3.1: GET or POST for every method."""
    usos, write = sqlite_usos, sqlite_usos.store.database.write_now
    token = write(clients.add_token, usos.store.vault, usos.admin.id, usos.jan, [], clock.now())
    for secrets in ((), (token.token, token.secret)):
        auth = OAuth1(usos.admin.key, usos.admin.secret, *secrets)
        answer = usos.http.get(usos.url("mailing/send_simple_message"), params=SIMPLE, auth=auth, timeout=30)
        assert answer.status_code == 200, answer.text
    assert [(row.author_id, row.client_id) for row in kept(usos)] == [(None, usos.admin.id)] * 2


@pytest.mark.parametrize(
    "method", ["send_simple_message", "send_simple_messages", "send_simple_by_template", "check_message_status", "check_messages_status"]
)
def test_all_but_system_status_are_administrative(sqlite_usos: Installation, method: str) -> None:
    """Header: Consumer required (administrative)."""
    body = sqlite_usos.mail(method, sqlite_usos.client, expecting=403, **SIMPLE)
    assert (body["error"], body["reason"]) == ("method_forbidden", "trusted_required")
    unsigned = sqlite_usos.http.post(sqlite_usos.url(f"mailing/{method}"), data=SIMPLE, timeout=30)
    assert (unsigned.status_code, unsigned.json()["reason"]) == (401, "consumer_missing")
    assert kept(sqlite_usos) == []


@pytest.mark.parametrize("name", ["subject", "content", "recipients"])
def test_row_4_required_parameters(sqlite_usos: Installation, name: str) -> None:
    given = {key: value for key, value in SIMPLE.items() if key != name}
    body = sqlite_usos.mail("send_simple_message", expecting=400, **given)
    assert (body["error"], body["param_name"]) == ("param_missing", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", "x" * 201),
        ("subject", "a\r\nBcc: b@x.example"),
        ("subject", " "),
        ("content", "x" * 15_001),
        ("content", ""),
        ("recipients", ""),
        ("recipients", "|"),
        ("recipients", "a@x.example|nobody"),
        ("recipients", "a@x.example\nb@x.example"),
        ("content_format", "rich"),
        ("from_name", "x" * 101),
        ("from_name", "a\nb"),
        ("from_email", "a@x.example"),
        ("send_summary_to", "nobody"),
        ("send_summary_to", "a@x.example|b@x.example"),
        ("lang", "de"),
    ],
)
def test_row_4_what_is_wrong_is_param_invalid_and_sends_nothing(sqlite_usos: Installation, name: str, value: str) -> None:
    """Limits 200, 15,000, 100; from_email is valid only together with from_name."""
    assert refused(sqlite_usos, **{name: value}) == ("param_invalid", name)


@pytest.mark.parametrize("email", ["nobody", "a@x.example, b@x.example", f"{'x' * 60}@{'y' * 40}.example"])
def test_row_4_from_email_is_an_address_of_at_most_100_characters(sqlite_usos: Installation, email: str) -> None:
    assert refused(sqlite_usos, from_name="Office", from_email=email) == ("param_invalid", "from_email")


def test_row_4_names_the_bad_address(sqlite_usos: Installation) -> None:
    body = sqlite_usos.mail("send_simple_message", expecting=400, **{**SIMPLE, "recipients": "a@x.example|no body@x"})
    assert "no body@x" in body["message"]


def test_row_4_longest_texts_are_accepted(sqlite_usos: Installation) -> None:
    """Characters, not bytes."""
    send(sqlite_usos, subject="ż" * 200, content="\U0001f600" * 15_000, from_name="ż" * 100, from_email=f"a@{'x' * 60}.{'y' * 34}.pl")
    (message,) = kept(sqlite_usos)
    assert (len(message.subject), len(message.content)) == (200, 15_000)


def test_row_4_statements(usos: Installation) -> None:
    """Client and nonce; message, suppression list, roll; on PostgreSQL the wake-up. Ten recipients take as many as one."""
    expected = 2 + 3 + (usos.store.database.dialect == "postgresql")
    for count in (1, 10):
        with counted(usos.store) as statements:
            send(usos, recipients="|".join(f"p{place}@x.example" for place in range(count)))
        assert len(statements) == expected


def test_a_repeated_call_with_a_key_sends_once(usos: Installation) -> None:
    """Our choice: idempotency keys."""
    sets = json.dumps([SIMPLE, {}])
    single = [send(usos, idempotency_key="one") for _ in range(2)]
    several = [usos.mail("send_simple_messages", param_sets=sets, idempotency_key="two") for _ in range(2)]
    assert single[0] == single[1]
    assert several[0] == several[1]
    assert several[0][1] is False
    assert len(kept(usos)) == 2
    body = usos.mail("send_simple_message", expecting=400, **{**SIMPLE, "subject": "Other", "idempotency_key": "one"})
    assert body["param_name"] == "idempotency_key"


def test_programs_have_keys_of_their_own(sqlite_usos: Installation) -> None:
    other = sqlite_usos.store.database.write_now(clients.add_client, sqlite_usos.store.vault, "other", administrative=True, now=clock.now())
    first = sqlite_usos.mail("send_simple_message", idempotency_key="one", **SIMPLE)
    second = sqlite_usos.mail("send_simple_message", other, idempotency_key="one", **SIMPLE)
    assert first != second


# -- row 5: send_simple_messages -------------------------------------------------------------------------------------


def test_row_5_answers_with_ids_and_false_in_the_order_of_the_sets(usos: Installation) -> None:
    """Always 200; a failed call does not stop the rest, and no reason is given."""
    sets = [
        {**SIMPLE, "subject": "first"},
        {**SIMPLE, "recipients": "nobody"},
        {"subject": "no more"},
        {**SIMPLE, "subject": "second", "lang": "en", "from_name": "Office", "from_email": "o@uni.example"},
        {**SIMPLE, "subject": "x" * 201},
        {**SIMPLE, "from_email": "o@uni.example"},
        {**SIMPLE, "subject": "third", "recipients": "b@x.example|c@x.example"},
    ]
    answer = usos.mail("send_simple_messages", param_sets=json.dumps(sets))
    rows = {str(row.id): row for row in kept(usos)}
    assert [one and rows[one].subject for one in answer] == ["first", False, False, "second", False, False, "third"]
    assert all(one is False or isinstance(one, str) for one in answer)
    second = rows[answer[3]]
    assert (second.language, options.decoded(second.mail).sender) == ("en", Mailbox("Office", "o@uni.example"))
    assert [(str(line.message_id), line.email) for line in kept(usos, recipients)] == [
        (answer[0], "a@x.example"),
        (answer[3], "a@x.example"),
        (answer[6], "b@x.example"),
        (answer[6], "c@x.example"),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        5,
        None,
        "text",
        [],
        {},
        {**SIMPLE, "subject": 5},
        {**SIMPLE, "recipients": ["a@x.example"]},
        {**SIMPLE, "content": None},
        {**SIMPLE, "lang": True},
        {**SIMPLE, "content": "\0"},
    ],
)
def test_row_5_wrong_types_make_that_set_false(sqlite_usos: Installation, wrong: Any) -> None:
    answer = sqlite_usos.mail("send_simple_messages", param_sets=json.dumps([wrong, SIMPLE]))
    assert answer[0] is False
    assert len(kept(sqlite_usos)) == 1


def test_row_5_null_is_absent_and_unknown_keys_are_ignored(sqlite_usos: Installation) -> None:
    """Our choice, for programs that write down every parameter."""
    one = {**SIMPLE, "from_name": None, "from_email": None, "send_summary_to": None, "lang": None, "format": {"x": [1]}, "zzz": 5}
    assert sqlite_usos.mail("send_simple_messages", param_sets=json.dumps([one])) == ["1"]


def test_row_5_nothing_to_send_is_an_empty_list(usos: Installation) -> None:
    assert usos.mail("send_simple_messages", param_sets="[]") == []
    assert usos.mail("send_simple_messages", param_sets="[{}, 1]") == [False, False]
    assert kept(usos) == []


@pytest.mark.parametrize("text", ["", "{", "{}", "null", '"x"', '[{"subject": "\\ud800"}', "[1,]", "[" * 5_000, "[" + '{"x":' * 5_000])
def test_row_5_what_is_no_list_is_param_invalid(sqlite_usos: Installation, text: str) -> None:
    """Our choice: there is no list to answer with."""
    assert refused(sqlite_usos, "send_simple_messages", param_sets=text) == ("param_invalid", "param_sets")


def test_row_5_required(sqlite_usos: Installation) -> None:
    body = sqlite_usos.mail("send_simple_messages", expecting=400)
    assert (body["error"], body["param_name"]) == ("param_missing", "param_sets")


def test_row_5_at_most_50000_sets_and_recipients(sqlite_usos: Installation) -> None:
    """Our choice. Too many sets are refused; a set whose recipients would be too many is false, one behind it that fits is not."""
    assert refused(sqlite_usos, "send_simple_messages", param_sets="[" + ",".join(["1"] * 50_001) + "]")[1] == "param_sets"
    ten_thousand = "|".join(f"p{place}@x.example" for place in range(10_000))
    nearly = "|".join(f"q{place}@x.example" for place in range(9_999))
    sets = [{**SIMPLE, "recipients": ten_thousand}] * 4 + [
        {**SIMPLE, "recipients": nearly},
        {**SIMPLE, "recipients": "a@x.example|b@x.example"},
        SIMPLE,
    ]
    answer = sqlite_usos.mail("send_simple_messages", param_sets=json.dumps(sets))
    assert [one is False for one in answer] == [False, False, False, False, False, True, False]


def test_row_5_a_thousand_messages_take_few_statements(usos: Installation) -> None:
    """None for each: 1,000 rows, and 500 addresses, at a time."""
    sets = [{**SIMPLE, "recipients": f"p{place}@x.example"} for place in range(1_000)]
    with counted(usos.store) as statements:
        answer = usos.mail("send_simple_messages", param_sets=json.dumps(sets))
    assert len(set(answer)) == 1_000
    assert len(statements) <= 8


@pytest.mark.alone
@pytest.mark.parametrize("method", ["send_simple_messages", "send_simple_by_template"])
def test_50000_in_one_call_are_accepted_within_ten_seconds(usos: Installation, method: str) -> None:
    """From the first byte of the signed request to the answer, by when all of them are on disk."""
    people = [f"p{place}@x.example" for place in range(50_000)]
    given = {
        "send_simple_messages": {"param_sets": json.dumps([{**SIMPLE, "recipients": email} for email in people])},
        "send_simple_by_template": {
            "subject_template": "s",
            "content_template": "{name}",
            "recipients": json.dumps([{"email": email, "vars": {"name": email}} for email in people]),
        },
    }[method]
    request = requests.Request("POST", usos.url(f"mailing/{method}"), data=given).prepare()
    signed = OAuth1(usos.admin.key, usos.admin.secret)(request)
    started = time.monotonic()
    response = usos.http.send(signed, timeout=60)
    assert time.monotonic() - started < 10
    assert len(set(response.json())) == 50_000
    assert usos.store.database.read_now(workload.pending) == 50_000


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from([*SIMPLE, "from_name", "from_email", "lang", "vars", "email"]), inner, max_size=5)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_answered_and_never_with_a_server_error(sqlite_usos: Installation, value: Any) -> None:
    """Design 1.5, for both methods that take JSON."""
    given = {"subject_template": "s", "content_template": "{name}", "recipients": json.dumps(value)}
    for method, parameters in (("send_simple_messages", {"param_sets": json.dumps(value)}), ("send_simple_by_template", given)):
        auth = OAuth1(sqlite_usos.admin.key, sqlite_usos.admin.secret)
        response = sqlite_usos.http.post(sqlite_usos.url(f"mailing/{method}"), data=parameters, auth=auth, timeout=30)
        never_fails = method == "send_simple_messages" and isinstance(value, list)
        assert response.status_code in ({200} if never_fails else {200, 400}), response.text


def test_many_addresses_are_checked_off_the_event_loop(sqlite_usos: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand of internationalised domains take seconds, for which no other request is to wait."""
    checked_by: list[int] = []
    check = mailings.checked

    def remember(*given: Any) -> Any:
        checked_by.append(threading.get_ident())
        return check(*given)

    monkeypatch.setattr(mailings, "checked", remember)
    for recipients_given in (20, 21, 1):
        send(sqlite_usos, recipients="|".join(f"a{number}@x.example" for number in range(recipients_given)))
    loop, other, again = checked_by
    assert loop == again != other


# -- the size of bodies ----------------------------------------------------------------------------------------------


def test_sending_methods_take_larger_bodies_than_others(configured: Callable[..., Installation]) -> None:
    """usos.max_mailing_body (our choice); everything else http.max_body. Beyond it 413, in urlencoded and multipart bodies."""
    usos = configured(http=HttpSettings(max_body=20_000), usos=UsosSettings(max_mailing_body=200_000))
    auth = OAuth1(usos.admin.key, usos.admin.secret)
    for size, method, parameter, status in (
        (100_000, "send_simple_messages", "param_sets", 200),
        (300_000, "send_simple_messages", "param_sets", 413),
        (100_000, "check_messages_status", "message_ids", 413),
    ):
        value = f"[{'1' * size}]" if status == 413 else "[" + ",".join(["1"] * (size // 4)) + "]"
        bodies: list[dict[str, Any]] = [{"data": {parameter: value}}, {"files": {parameter: (None, value)}}]
        for body in bodies:
            response = usos.http.post(usos.url(f"mailing/{method}"), auth=auth, timeout=30, **body)
            assert response.status_code == status, response.text[:200]


def test_a_large_body_is_read_only_for_a_program_that_may_send(configured: Callable[..., Installation]) -> None:
    """It is in memory before its signature is judged: without the key of such a program beforehand http.max_body holds (our choice)."""
    usos = configured(http=HttpSettings(max_body=20_000), usos=UsosSettings(max_mailing_body=200_000))
    url, data = usos.url("mailing/send_simple_messages"), {"param_sets": "[" + "1," * 25_000 + "1]"}
    admin = OAuth1(usos.admin.key, usos.admin.secret)
    for auth in (
        None,
        OAuth1("nobody", "x"),
        OAuth1(usos.client.key, usos.client.secret),
        OAuth1(usos.admin.key, usos.admin.secret, signature_type="BODY"),
    ):
        assert usos.http.post(url, data=data, auth=auth, timeout=30).status_code == 413
        assert usos.http.post(url, data={"param_sets": "[]"}, auth=auth, timeout=30).status_code != 413
    for auth in (admin, OAuth1(usos.admin.key, usos.admin.secret, signature_type="QUERY")):
        assert usos.http.post(url, data=data, auth=auth, timeout=30).status_code == 200
    assert usos.http.post(url, data={**data, "more": "x"}, auth=OAuth1(usos.admin.key, "wrong"), timeout=30).status_code == 401


def test_a_long_body_is_signed_as_any_other(usos: Installation) -> None:
    """Long enough to be decoded and verified in threads of their own; one changed character, and the signature is wrong."""
    sets = json.dumps([{**SIMPLE, "content": "żółw & ą=%" * 1_000}] * 20, ensure_ascii=False)
    assert len(usos.mail("send_simple_messages", param_sets=sets)) == 20
    request = requests.Request("POST", usos.url("mailing/send_simple_messages"), data={"param_sets": sets}).prepare()
    signed = OAuth1(usos.admin.key, usos.admin.secret)(request)
    signed.body = signed.body[:-3] + b"+" + signed.body[-3:]
    signed.headers["Content-Length"] = str(len(signed.body))
    response = usos.http.send(signed, timeout=30)
    assert (response.status_code, response.json()) == (401, {"message": "Invalid signature."})
