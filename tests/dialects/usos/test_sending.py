"""services/mailclient: rows 13 and 14 of the table in contract §1.4, over real HTTP."""

import msgspec
import pytest
from sqlalchemy import select, update

from postroom import clock
from postroom.delivery import verp
from postroom.delivery.bounces import applying
from postroom.delivery.bounces.records import Report, Reported
from postroom.directory import addresses
from postroom.messages import reports
from postroom.settings import BounceSettings
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients
from tests.dialects.usos.conftest import Installation


def fail(usos: Installation, message_id: str) -> None:
    """Let delivery have failed for everybody."""

    def unit(tx: Tx) -> None:
        tx.execute(update(recipients).where(recipients.c.message_id == int(message_id)).values(state="failed", due_at=None))
        tx.execute(update(messages).where(messages.c.id == int(message_id)).values(status="error"))

    usos.store.database.write_now(unit)


def language(usos: Installation, message_id: str) -> str | None:
    return usos.store.database.read_now(
        lambda tx: tx.execute(select(messages.c.language).where(messages.c.id == int(message_id))).scalar_one()
    )


def test_row_14_send_message_makes_the_message_pending(usos: Installation) -> None:
    """§1.4 row 14: {} and nothing more (§5.2: clients compare it)."""
    message_id = usos.ready()
    assert usos.send("send_message", message_id=message_id).text == "{}"
    assert usos.ask("message", message_id=message_id, fields="status|recipients_valid") == {"status": "pending", "recipients_valid": True}
    assert usos.ask("recipients", message_id=message_id, fields="status") == [{"status": "pending"}]


@pytest.mark.parametrize(
    ("lang", "kept"), [(None, "pl"), ("pl", "pl"), ("en", "en"), ("pl-PL", "pl"), ("en-GB", "en"), ("EN", "en"), ("pl_PL", "pl")]
)
def test_rows_13_and_14_lang_by_its_first_two_letters(sqlite_usos: Installation, lang: str | None, kept: str) -> None:
    """pl or en, default pl; §5.1, §7: language tags such as pl-PL count by their first two letters."""
    message_id = sqlite_usos.ready()
    chosen = {} if lang is None else {"lang": lang}
    sqlite_usos.ask("send_message", message_id=message_id, **chosen)
    assert language(sqlite_usos, message_id) == kept
    fail(sqlite_usos, message_id)
    assert sqlite_usos.ask("retry_send_message", message_id=message_id, **chosen) == {}
    assert language(sqlite_usos, message_id) == kept


@pytest.mark.parametrize("lang", ["de", "de-DE", "", "p", "polish", "plx"])
def test_rows_13_and_14_other_languages_are_param_invalid(sqlite_usos: Installation, lang: str) -> None:
    message_id = sqlite_usos.ready()
    for method in ("send_message", "retry_send_message"):
        body = sqlite_usos.refused(method, message_id=message_id, lang=lang)
        assert (body["error"], body["param_name"]) == ("param_invalid", "lang")
    assert sqlite_usos.ask("message", message_id=message_id, fields="status") == {"status": "draft"}


def test_row_14_reasons_that_forbid_sending(usos: Installation) -> None:
    """object_invalid: content_required, draft_required, recipients_outdated, recipients_required, subject_required."""
    sent = usos.ready()
    usos.ask("send_message", message_id=sent)
    unrefreshed = usos.draft(subject="s", content="c")
    usos.ask("update_recipients_group", message_id=unrefreshed, emails="a@x.example")
    nobody = usos.draft(subject="s", content="c", send_to_myself="true")
    usos.ask("refresh_recipients", message_id=nobody)
    for reason, message_id in (
        ("draft_required", sent),
        ("subject_required", usos.ready(subject="")),
        ("content_required", usos.ready(content="")),
        ("recipients_outdated", unrefreshed),
        ("recipients_outdated", usos.draft(subject="s", content="c")),
        ("recipients_required", nobody),
    ):
        body = usos.refused("send_message", message_id=message_id)
        assert (body["error"], body["reason"]) == ("object_invalid", reason)


def test_row_14_a_list_older_than_24_hours_is_outdated(usos: Installation) -> None:
    """§1.3."""
    message_id = usos.ready()

    def age(tx: Tx) -> None:
        tx.execute(update(messages).where(messages.c.id == int(message_id)).values(roll_refreshed_at=clock.now() - clock.DAY))

    usos.store.database.write_now(age)
    assert usos.ask("message", message_id=message_id, fields="recipients_valid") == {"recipients_valid": False}
    assert usos.refused("send_message", message_id=message_id)["reason"] == "recipients_outdated"


def test_rows_13_and_14_an_address_revoked_meanwhile_is_forbidden(usos: Installation) -> None:
    """object_forbidden, reason inst_address_unassigned."""
    address = usos.assigned_address()
    first, second = (usos.ready(from_inst_address_id=str(address)) for _ in range(2))
    usos.ask("send_message", message_id=first)
    fail(usos, first)
    usos.store.database.write_now(addresses.revoke, address, usos.jan, clock.now())
    for method, message_id in (("retry_send_message", first), ("send_message", second)):
        body = usos.refused(method, message_id=message_id)
        assert (body["error"], body["reason"]) == ("object_forbidden", "inst_address_unassigned")


@pytest.mark.parametrize("method", ["send_message", "retry_send_message"])
def test_rows_13_and_14_unknown_messages_are_not_found(usos: Installation, method: str) -> None:
    """object_not_found, param_name message_id."""
    for message_id in ("999", "x", "99999999999"):
        body = usos.refused(method, message_id=message_id)
        assert (body["error"], body["param_name"]) == ("object_not_found", "message_id")


def test_row_13_retry_send_message_needs_the_status_error(usos: Installation) -> None:
    """§1.4 row 13: object_invalid, reason error_required; {} otherwise."""
    message_id = usos.ready()
    assert usos.refused("retry_send_message", message_id=message_id)["reason"] == "error_required"
    usos.ask("send_message", message_id=message_id)
    assert usos.refused("retry_send_message", message_id=message_id)["reason"] == "error_required"
    fail(usos, message_id)
    assert usos.ask("recipients", message_id=message_id, fields="status") == [{"status": "error"}]
    assert usos.ask("retry_send_message", message_id=message_id) == {}
    assert usos.ask("message", message_id=message_id, fields="status") == {"status": "pending"}
    assert usos.ask("recipients", message_id=message_id, fields="status") == [{"status": "pending"}]


def test_a_bounce_shows_as_an_error_that_can_be_retried(usos: Installation) -> None:
    """§4.5 status of recipient and message, §1.4 row 13: mail that came back was not delivered."""
    settings = msgspec.structs.replace(usos.store.settings, bounces=BounceSettings(domain="bounces.uni.example"))
    message_id = usos.ready(emails="gone@else.example|guest@else.example")
    usos.ask("send_message", message_id=message_id)

    def deliver(tx: Tx) -> int:
        ours = recipients.c.message_id == int(message_id)
        tx.execute(update(recipients).where(ours).values(state="delivered", due_at=None, settled_at=clock.now()))
        reports.settle(tx, settings, [int(message_id)], clock.now())
        return tx.execute(select(recipients.c.id).where(ours, recipients.c.email == "gone@else.example")).scalar_one()

    gone = usos.store.database.write_now(deliver)
    assert usos.ask("message", message_id=message_id, fields="status") == {"status": "sent"}
    address = verp.of_recipient(settings, usos.store.vault, gone)
    said = Reported(action="failed", addresses=frozenset({"gone@else.example"}), status="5.2.2", code=552, text="552 5.2.2 mailbox full")
    report = Report(kind="bounce", recipients=(said,))
    usos.store.database.write_now(applying.apply, settings, usos.store.vault, address, report, clock.now())
    assert usos.ask("message", message_id=message_id, fields="status") == {"status": "error"}
    shown = usos.ask("recipients", message_id=message_id, fields="email|status")
    assert sorted((row["email"], row["status"]) for row in shown) == [("gone@else.example", "error"), ("guest@else.example", "sent")]
    assert usos.ask("retry_send_message", message_id=message_id) == {}
    shown = usos.ask("recipients", message_id=message_id, fields="email|status")
    assert sorted((row["email"], row["status"]) for row in shown) == [("gone@else.example", "pending"), ("guest@else.example", "sent")]


# -- idempotency keys (docs/usos.md, "Repeated calls": our choice) ---------------------------------------------------


def test_a_repeated_call_with_the_same_key_gets_the_first_answer(usos: Installation) -> None:
    """Without a key the second one is refused, since the message is no draft any more."""
    message_id = usos.ready()
    for _ in range(2):
        assert usos.ask("send_message", message_id=message_id, idempotency_key="one") == {}
    assert usos.refused("send_message", message_id=message_id)["reason"] == "draft_required"


def test_the_header_says_the_same_as_the_parameter(sqlite_usos: Installation) -> None:
    message_id = sqlite_usos.ready()
    assert sqlite_usos.ask("send_message", message_id=message_id, idempotency_key="one") == {}
    given = {"message_id": message_id}
    for key, status in (("one", 200), ("two", 400)):
        response = sqlite_usos.http.post(
            sqlite_usos.url("send_message"), data=given, headers={"Idempotency-Key": key}, auth=sqlite_usos.auth(), timeout=30
        )
        assert response.status_code == status, response.text


def test_two_different_keys_in_one_call_are_refused(sqlite_usos: Installation) -> None:
    given = {"message_id": sqlite_usos.ready(), "idempotency_key": "one"}
    headers = {"Idempotency-Key": "two"}
    response = sqlite_usos.http.post(sqlite_usos.url("send_message"), data=given, headers=headers, auth=sqlite_usos.auth(), timeout=30)
    assert response.json()["param_name"] == "idempotency_key"


def test_a_key_is_good_for_one_request_only(sqlite_usos: Installation) -> None:
    """Of one user: keys of others are others."""
    first, second = sqlite_usos.ready(), sqlite_usos.ready()
    assert sqlite_usos.ask("send_message", message_id=first, idempotency_key="one") == {}
    error = sqlite_usos.refused("send_message", message_id=second, idempotency_key="one")
    assert (error["error"], error["param_name"]) == ("param_invalid", "idempotency_key")
    assert sqlite_usos.ask("message", message_id=second, fields="status") == {"status": "draft"}
    theirs = sqlite_usos.refused("send_message", sqlite_usos.anna_token, message_id=first, idempotency_key="one")
    assert theirs["error"] == "object_not_found"


def test_a_refused_call_leaves_its_key_free(sqlite_usos: Installation) -> None:
    message_id = sqlite_usos.draft(subject="s")
    assert sqlite_usos.refused("send_message", message_id=message_id, idempotency_key="one")["reason"] == "content_required"
    sqlite_usos.ask("update_message", message_id=message_id, content="c")
    sqlite_usos.ask("update_recipients_group", message_id=message_id, emails="a@x.example")
    sqlite_usos.ask("refresh_recipients", message_id=message_id)
    assert sqlite_usos.ask("send_message", message_id=message_id, idempotency_key="one") == {}


@pytest.mark.parametrize("key", ["", "a\nb", "k" * 256])
def test_keys_that_cannot_be_are_param_invalid(sqlite_usos: Installation, key: str) -> None:
    error = sqlite_usos.refused("send_message", message_id=sqlite_usos.ready(), idempotency_key=key)
    assert (error["error"], error["param_name"]) == ("param_invalid", "idempotency_key")
