"""services/mailing: rows 1, 2 and 6 of the table in contract §1.5, over real HTTP."""

from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth1
from sqlalchemy import update

from postroom import clock
from postroom.delivery import presence
from postroom.delivery.records import WorkerReport
from postroom.directory import clients, suppressions
from postroom.messages import reports, workload
from postroom.storage.database import Tx
from postroom.storage.tables import messages, recipients
from tests.dialects.usos.conftest import Installation
from tests.support import counted


def send(usos: Installation, *emails: str) -> str:
    answer = usos.mail("send_simple_message", subject="s", content="c", recipients="|".join(emails))
    return str(answer["message_id"])


def end(usos: Installation, message_id: str, state: str, reply: str | None = None) -> None:
    """Let delivery have ended for everybody who waits."""

    def unit(tx: Tx) -> None:
        waiting = (recipients.c.message_id == int(message_id), recipients.c.state == "queued")
        tx.execute(update(recipients).where(*waiting).values(state=state, due_at=None, reply_text=reply))
        reports.settle(tx, usos.store.settings, [int(message_id)], clock.now())

    usos.store.database.write_now(unit)


def age(usos: Installation, message_id: str) -> None:
    """Let the 7 days of a message be over."""
    old = update(messages).where(messages.c.id == int(message_id)).values(retain_until=clock.now())
    usos.store.database.write_now(lambda tx: tx.execute(old) and None)


def test_row_1_finished_is_the_first_key(usos: Installation) -> None:
    """§1.5: finished (C), first; the others are our choice."""
    message_id = send(usos, "a@x.example", "b@x.example")
    answer = usos.mail("check_message_status", message_id=message_id)
    assert list(answer) == ["finished", "counts", "recipients"]
    assert (answer["finished"], answer["counts"]) == (False, {"pending": 2, "sent": 0, "error": 0})
    assert answer["recipients"] == [{"email": f"{name}@x.example", "status": "pending", "reason": None} for name in "ab"]


def test_row_1_tells_what_became_of_each(usos: Installation) -> None:
    usos.store.database.write_now(suppressions.suppress, "b@x.example", "manual", "asked for it", clock.now(), expires_at=None)
    message_id = send(usos, "a@x.example", "b@x.example")
    end(usos, message_id, "delivered")
    answer = usos.mail("check_message_status", message_id=message_id)
    assert (answer["finished"], answer["counts"]) == (True, {"pending": 0, "sent": 1, "error": 1})
    assert [one["status"] for one in answer["recipients"]] == ["sent", "error"]
    assert answer["recipients"][1]["reason"].startswith("suppression list: added by hand")
    failed = send(usos, "c@x.example")
    end(usos, failed, "failed", "550 5.1.1 no such user")
    (one,) = usos.mail("check_message_status", message_id=failed)["recipients"]
    assert one == {"email": "c@x.example", "status": "error", "reason": "550 5.1.1 no such user"}


def test_row_1_many_recipients_are_only_counted(sqlite_usos: Installation) -> None:
    answer = sqlite_usos.mail("check_message_status", message_id=send(sqlite_usos, *(f"p{n}@x.example" for n in range(21))))
    assert (answer["counts"]["pending"], answer["recipients"]) == (21, None)


@pytest.mark.parametrize("message_id", ["999", "x", "", "-1", "1-", "1-0", "01", "99999999999", "1-99999999999999999999", "1-1-1", "½"])
def test_row_1_unknown_ids_are_not_found(sqlite_usos: Installation, message_id: str) -> None:
    """object_not_found (our choice)."""
    send(sqlite_usos, "a@x.example")
    body = sqlite_usos.mail("check_message_status", expecting=400, message_id=message_id)
    assert (body["error"], body["param_name"]) == ("object_not_found", "message_id")
    assert body["method_name"] == "services/mailing/check_message_status"


def test_rows_1_and_2_the_same_consumer_key_within_7_days(usos: Installation) -> None:
    """§1.5: kept for 7 days; a state query must be signed with the same consumer key."""
    other = usos.store.database.write_now(clients.add_client, usos.store.vault, "other", administrative=True, now=clock.now())
    mine, old, written = send(usos, "a@x.example"), send(usos, "a@x.example"), usos.ready()
    age(usos, old)
    usos.ask("send_message", message_id=written)
    for message_id, client in ((mine, other), (old, usos.admin), (written, usos.admin)):
        assert usos.mail("check_message_status", client, expecting=400, message_id=message_id)["error"] == "object_not_found"
        assert usos.mail("check_messages_status", client, message_ids=message_id) == {message_id: None}
    assert usos.mail("check_messages_status", message_ids=f"{mine}|{old}|x|{mine}") == {
        mine: usos.mail("check_message_status", message_id=mine),
        old: None,
        "x": None,
    }


def test_row_2_takes_lists_as_they_come(sqlite_usos: Installation) -> None:
    """An empty one is empty; at most 10,000 (our choice)."""
    assert sqlite_usos.mail("check_messages_status", message_ids="") == {}
    assert len(sqlite_usos.mail("check_messages_status", message_ids="|".join(map(str, range(1, 10_001))))) == 10_000
    body = sqlite_usos.mail("check_messages_status", expecting=400, message_ids="|".join(map(str, range(1, 10_002))))
    assert (body["error"], body["param_name"]) == ("param_invalid", "message_ids")
    assert sqlite_usos.mail("check_messages_status", expecting=400)["error"] == "param_missing"
    assert sqlite_usos.mail("check_message_status", expecting=400)["error"] == "param_missing"


def test_rows_1_and_2_statements(usos: Installation) -> None:
    """Client and nonce, and three for up to 500 messages."""
    numbers = [send(usos, "a@x.example") for _ in range(5)]
    for method, parameters in (
        ("check_message_status", {"message_id": numbers[0]}),
        ("check_messages_status", {"message_ids": "|".join(numbers)}),
    ):
        with counted(usos.store) as statements:
            usos.mail(method, **parameters)
        assert len(statements) == 2 + 3


# -- row 6: system_status --------------------------------------------------------------------------------------------


def system_status(usos: Installation, auth: Any = None, **parameters: str) -> Any:
    response = requests.get(usos.url("mailing/system_status"), params=parameters, auth=auth, timeout=30)
    assert response.status_code == 200, response.text
    return response.json()


def test_row_6_unsigned_and_signed(usos: Installation) -> None:
    """Each recipient of one message counts separately; my_… only when signed, by any consumer."""
    send(usos, "a@x.example", "b@x.example", "c@x.example")
    usos.ask("send_message", message_id=usos.ready(emails="d@x.example"))
    assert system_status(usos) == {"total_pending_message_count": 4, "daemon_running": False}
    for client, mine in ((usos.admin, 3), (usos.client, 0)):
        signed = system_status(usos, OAuth1(client.key, client.secret))
        assert signed == {"total_pending_message_count": 4, "daemon_running": False, "my_pending_message_count": mine}


def test_row_6_what_is_done_waits_no_more(usos: Installation) -> None:
    end(usos, send(usos, "a@x.example", "b@x.example"), "delivered")
    auth = OAuth1(usos.admin.key, usos.admin.secret)
    assert system_status(usos, auth) == {"total_pending_message_count": 0, "daemon_running": False, "my_pending_message_count": 0}


def test_row_6_superfluous_fields_are_ignored(sqlite_usos: Installation) -> None:
    """U4J sends them."""
    assert len(system_status(sqlite_usos, fields="total_pending_message_count|nonsense[")) == 2


def test_row_6_a_wrong_signature_is_refused(sqlite_usos: Installation) -> None:
    """Optional does not mean unchecked."""
    response = requests.get(sqlite_usos.url("mailing/system_status"), auth=OAuth1(sqlite_usos.admin.key, "wrong"), timeout=30)
    assert (response.status_code, response.json()) == (401, {"message": "Invalid signature."})


def test_row_6_daemon_running_when_a_worker_was_heard_of(usos: Installation) -> None:
    now = clock.now()
    usos.store.database.write_now(presence.put_report, "host:1", WorkerReport(), now, now - workload.SILENT_AFTER)
    assert system_status(usos)["daemon_running"] is False
    usos.store.database.write_now(presence.put_report, "host:1", WorkerReport(), now, now)
    assert system_status(usos)["daemon_running"] is True


def test_row_6_statements(usos: Installation) -> None:
    for auth, expected in ((None, 2), (OAuth1(usos.admin.key, usos.admin.secret), 2 + 3)):
        with counted(usos.store) as statements:
            system_status(usos, auth)
        assert len(statements) == expected
