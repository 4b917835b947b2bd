"""What a bounce changes, on both databases: design section 1.2, issue: delivered becomes failed with the words of the bounce."""

import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from postroom.clock import DAY
from postroom.delivery import verp
from postroom.delivery.bounces import applying
from postroom.delivery.bounces.reading import read
from postroom.delivery.bounces.records import Action, Report, Reported
from postroom.messages import reports
from postroom.settings import BounceSettings, DeliverySettings
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import attempts, messages, recipients, suppressions
from tests.delivery.letters import add_message, rows, states, status, tallies, tries
from tests.support import counted

NOW = 1_900_000_000_000
CORPUS = Path(__file__).with_name("corpus")


@pytest.fixture
def ours(store: Store) -> Store:
    return msgspec.structs.replace(store, settings=msgspec.structs.replace(store.settings, bounces=BounceSettings(domain="b.uni.example")))


def ended(store: Store, emails: list[str], state: str = "delivered", **columns: Any) -> int:
    """A message whose recipients are all in one state, settled if that is final."""

    def unit(tx: Tx) -> int:
        message = add_message(tx, emails, **columns)
        final = state in {"delivered", "failed", "expired", "suppressed", "cancelled"}
        values = {"state": state, "due_at": None if final else NOW, "settled_at": 5 if final else None}
        tx.execute(update(recipients).where(recipients.c.message_id == message).values(values))
        reports.settle(tx, store.settings, [message], 5)
        return message

    return store.database.write_now(unit)


def path_to(store: Store, message: int, email: str) -> str:
    return verp.of_recipient(store.settings, store.vault, store.database.read_now(rows, message)[email].id)


def failure(*addresses: str, action: Action = "failed", status: str | None = "5.1.1", text: str = "550 5.1.1 nobody here") -> Reported:
    return Reported(action=action, addresses=frozenset(addresses), status=status, code=int(text[:3]), text=text)


def bounce(*said: Reported) -> Report:
    return Report(kind="bounce", recipients=said or (failure(),))


def apply(store: Store, address: str, report: Report, now: int = NOW) -> str:
    return store.database.write_now(applying.apply, store.settings, store.vault, address, report, now)


def on_list(store: Store) -> list[Any]:
    return store.database.read_now(lambda tx: list(tx.execute(select(suppressions).order_by(suppressions.c.id))))


def everything(tx: Tx) -> list[Any]:
    return [list(tx.execute(select(table).order_by(table.c.id))) for table in (messages, recipients, attempts, suppressions)]


def message_row(store: Store, message: int) -> Any:
    return store.database.read_now(lambda tx: tx.execute(select(messages).where(messages.c.id == message)).one())


@pytest.mark.parametrize("state", ["delivered", "unknown"])
def test_a_bounce_makes_its_recipient_fail_with_its_words(ours: Store, state: str) -> None:
    """Also of somebody of whom nobody knew: the mail was taken, and there will be no further try."""
    message = ended(ours, ["gone@else.example", "ann@else.example"], state)
    report = read((CORPUS / "postfix_unknown.eml").read_bytes())
    assert apply(ours, path_to(ours, message, "gone@else.example").upper(), report) == "applied"
    row = ours.database.read_now(rows, message)["gone@else.example"]
    words = "550 5.1.1 <gone@else.example>: Recipient address rejected: User unknown in virtual mailbox table"
    assert (row.state, row.due_at, row.reply_code, row.reply_text, row.settled_at) == ("failed", None, 550, words, NOW)
    (tried,) = ours.database.read_now(tries)
    assert (tried.recipient_id, tried.at, tried.relay, tried.outcome) == (row.id, NOW, "bounce", "failed")
    assert (tried.reply_code, tried.reply_text, tried.fault) == (550, words, "address")
    assert ours.database.read_now(states, message)["ann@else.example"] == state
    (entry,) = on_list(ours)
    assert (entry.email, entry.reason, entry.detail, entry.message_id) == ("gone@else.example", "hard_bounce", words, message)
    assert entry.expires_at == NOW + ours.settings.delivery.suppress_days * DAY
    assert tallies(ours) == {"bounce.applied": 1}


def test_a_message_that_was_sent_is_in_error_then(ours: Store) -> None:
    message = ended(ours, ["gone@else.example", "ann@else.example"])
    assert message_row(ours, message).status == "sent"
    apply(ours, path_to(ours, message, "gone@else.example"), bounce())
    found = message_row(ours, message)
    assert (found.status, found.settled_at, found.bounced_at) == ("error", 5, NOW)


def test_a_pending_message_is_settled_when_the_last_open_recipient_bounces(ours: Store) -> None:
    """Its report tells of the bounce, so no other one follows."""
    message = ended(ours, ["gone@else.example"], "unknown", send_summary=True)
    apply(ours, path_to(ours, message, "gone@else.example"), bounce())
    found = message_row(ours, message)
    assert (found.status, found.settled_at, found.bounced_at) == ("error", NOW, None)
    assert len(summaries(ours, message)) == 1


def test_a_pending_message_goes_on_when_others_are_open(ours: Store) -> None:
    message = ended(ours, ["gone@else.example", "ann@else.example"], "unknown")
    apply(ours, path_to(ours, message, "gone@else.example"), bounce())
    found = message_row(ours, message)
    assert (found.status, found.bounced_at) == ("pending", None)


def test_a_bounced_copy_to_oneself_is_no_error(ours: Store) -> None:
    """Rules: the copy to oneself does not count against a message; but its last open recipient ends it."""
    for state, bounced in (("delivered", "sent"), ("unknown", "sent")):
        message = ended(ours, ["ann@uni.example"], state)
        ours.database.write_now(lambda tx: tx.execute(update(recipients).values(role="self")) and None)
        assert apply(ours, path_to(ours, message, "ann@uni.example"), bounce()) == "applied"
        assert ours.database.read_now(states, message) == {"ann@uni.example": "failed"}
        found = message_row(ours, message)
        assert (found.status, found.bounced_at) == (bounced, None)


@pytest.mark.parametrize(
    ("state", "result"),
    [
        ("failed", "repeated"),
        ("expired", "repeated"),
        ("suppressed", "repeated"),
        ("cancelled", "repeated"),
        ("queued", "open"),
        ("deferred", "open"),
        ("sending", "sending"),
        ("listed", "unmatched"),
    ],
)
def test_a_bounce_changes_nothing_in_other_states(ours: Store, state: str, result: str) -> None:
    """Whoever is to be tried again has an outcome to come; while it is being written the bounce has to come again, uncounted."""
    message = ended(ours, ["gone@else.example"], state)
    before = ours.database.read_now(everything)
    assert apply(ours, path_to(ours, message, "gone@else.example"), bounce()) == result
    assert ours.database.read_now(everything) == before
    assert tallies(ours) == ({} if result == "sending" else {f"bounce.{result}": 1})


def test_a_bounce_that_comes_again_changes_nothing_more(ours: Store) -> None:
    message = ended(ours, ["gone@else.example"])
    address = path_to(ours, message, "gone@else.example")
    assert apply(ours, address, bounce()) == "applied"
    before = ours.database.read_now(everything)
    assert apply(ours, address, bounce(failure(text="554 5.0.0 other words")), NOW + 1) == "repeated"
    assert ours.database.read_now(everything) == before
    assert tallies(ours) == {"bounce.applied": 1, "bounce.repeated": 1}


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("postfix_delayed", "delayed"),
        ("postfix_success", "success"),
        ("vacation", "auto_reply"),
        ("reply", "unrecognised"),
        ("no_complaint", "unrecognised"),
        ("report_without_status", "malformed"),
    ],
)
def test_what_is_no_failure_changes_nothing_and_is_counted(ours: Store, name: str, result: str) -> None:
    message = ended(ours, ["slow@else.example"])
    before = ours.database.read_now(everything)
    assert apply(ours, path_to(ours, message, "slow@else.example"), read((CORPUS / f"{name}.eml").read_bytes())) == result
    assert ours.database.read_now(everything) == before
    assert tallies(ours) == {f"bounce.{result}": 1}


def test_a_forged_bounce_changes_nothing_and_is_counted(ours: Store) -> None:
    """Issue: bad input. The signature of another recipient, another domain, no return path at all."""
    message = ended(ours, ["gone@else.example", "ann@else.example"])
    first, second = (path_to(ours, message, email) for email in ("gone@else.example", "ann@else.example"))
    numbers = [row.id for row in ours.database.read_now(rows, message).values()]
    before = ours.database.read_now(everything)
    forged = [first.replace(f"b-{numbers[0]}-", f"b-{numbers[1]}-"), second.replace("@b.", "@c."), "gone@else.example"]
    assert [apply(ours, address, bounce()) for address in forged] == ["forged"] * 3
    assert ours.database.read_now(everything) == before
    assert tallies(ours) == {"bounce.forged": 3}


@pytest.mark.parametrize("number", [4_711, 2**63 - 1])
def test_a_bounce_of_nobody_we_know_is_counted(ours: Store, number: int) -> None:
    """The message was deleted, or its time of keeping is over."""
    for make in (verp.of_recipient, verp.of_message):
        assert apply(ours, make(ours.settings, ours.vault, number), bounce(failure("ann@else.example"))) == "unmatched"
    assert tallies(ours) == {"bounce.unmatched": 2}


def test_the_return_path_of_a_message_leaves_the_choice_to_the_report(ours: Store) -> None:
    """Original or final recipient, in any case; nobody of another message; who is delayed or not named stays."""
    other = ended(ours, ["gone@else.example"])
    message = ended(ours, ["Gone@else.example", "slow@else.example", "ann@else.example", "bob@else.example"], shared=True)
    report = read((CORPUS / "sendmail_several.eml").read_bytes())
    address = verp.of_message(ours.settings, ours.vault, message)
    assert apply(ours, address, report) == "applied"
    expected = dict.fromkeys(["slow@else.example", "ann@else.example", "bob@else.example"], "delivered")
    assert ours.database.read_now(states, message) == {"Gone@else.example": "failed", **expected}
    assert ours.database.read_now(states, other) == {"gone@else.example": "delivered"}
    assert message_row(ours, message).status == "error"
    assert apply(ours, address, bounce(failure("stranger@else.example"))) == "unmatched"
    assert apply(ours, address, bounce(failure())) == "unmatched", "a report that names nobody means nobody"


def test_the_return_path_of_a_message_suppresses_nobody(ours: Store) -> None:
    """Each of its recipients knows it, and could silence another by it."""
    message = ended(ours, ["gone@else.example"], shared=True)
    address = verp.of_message(ours.settings, ours.vault, message)
    complaint = Report(kind="complaint", recipients=(failure("gone@else.example"),))
    assert apply(ours, address, bounce(failure("gone@else.example"))) == "applied"
    assert apply(ours, address, complaint) == "unmatched"
    assert on_list(ours) == []


@pytest.mark.parametrize(
    ("said", "suppressed"),
    [
        (failure("gone@else.example"), True),
        (failure(), True),
        (failure("else@forwarded.example"), False),
        (failure("gone@else.example", status="5.7.1", text="554 5.7.1 user unknown to our policy"), False),
        (failure("gone@else.example", status="5.2.2", text="552 5.2.2 full"), False),
        (failure("gone@else.example", status="5.6.1", text="554 5.6.1 content"), False),
        (failure("gone@else.example", status="4.4.1", text="451 4.4.1 timed out"), False),
        (failure("gone@else.example", status="5.0.0", text="550 no such user"), True),
    ],
)
def test_only_an_address_where_nobody_is_gets_on_the_list(ours: Store, said: Reported, *, suppressed: bool) -> None:
    """All of them fail. Of forwarded mail the forwarding is broken, the address itself is there."""
    message = ended(ours, ["gone@else.example"])
    assert apply(ours, path_to(ours, message, "gone@else.example"), bounce(said)) == "applied"
    assert ours.database.read_now(states, message) == {"gone@else.example": "failed"}
    assert [entry.email for entry in on_list(ours)] == (["gone@else.example"] if suppressed else [])


def test_suppressing_can_be_switched_off(ours: Store) -> None:
    settings = msgspec.structs.replace(ours.settings, delivery=DeliverySettings(suppress_days=0))
    without = msgspec.structs.replace(ours, settings=settings)
    message = ended(without, ["gone@else.example", "ann@webmail.example"])
    assert apply(without, path_to(without, message, "gone@else.example"), bounce()) == "applied"
    complaint = read((CORPUS / "complaint.eml").read_bytes())
    assert apply(without, path_to(without, message, "ann@webmail.example"), complaint) == "complaint"
    assert on_list(without) == []


def test_a_complaint_suppresses_and_leaves_the_outcome(ours: Store) -> None:
    """RFC 5965: the mail arrived; its recipient wants no more."""
    message = ended(ours, ["ann@webmail.example"])
    complaint = read((CORPUS / "complaint.eml").read_bytes())
    assert apply(ours, path_to(ours, message, "ann@webmail.example"), complaint) == "complaint"
    assert ours.database.read_now(states, message) == {"ann@webmail.example": "delivered"}
    assert message_row(ours, message).status == "sent"
    (entry,) = on_list(ours)
    assert (entry.email, entry.reason, entry.detail) == ("ann@webmail.example", "complaint", "complaint: abuse")
    assert tallies(ours) == {"bounce.complaint": 1}


def summaries(store: Store, message: int) -> list[Any]:
    return store.database.read_now(
        lambda tx: list(tx.execute(select(messages).where(messages.c.in_reply_to == message).order_by(messages.c.id)))
    )


def test_a_bounce_of_a_report_makes_no_report(ours: Store) -> None:
    message = ended(ours, ["ann@uni.example"], kind="summary", send_summary=True)
    apply(ours, path_to(ours, message, "ann@uni.example"), bounce())
    assert ours.database.write_now(reports.report_late_bounces, ours.settings, NOW + reports.QUIET, 10) == 1
    assert summaries(ours, message) == []


def test_many_recipients_cost_few_statements(ours: Store) -> None:
    """A report about hundreds of recipients of a message is one unit, whose statements do not grow with them."""
    lengths = []
    for people in (1, 300):
        emails = [f"p{number}@else.example" for number in range(people)]
        message = ended(ours, emails, shared=True)
        address = verp.of_message(ours.settings, ours.vault, message)
        with counted(ours) as statements:
            assert apply(ours, address, bounce(*(failure(email) for email in emails))) == "applied"
        lengths.append(len(statements))
        assert set(ours.database.read_now(states, message).values()) == {"failed"}
    assert lengths[0] == lengths[1] <= 8


def test_a_bounce_sees_the_end_of_the_message_that_is_not_committed_yet(ours: Store) -> None:
    """The last recipient is delivered to and the message is sent, while another recipient bounces: it ends in error all the same."""
    message = ended(ours, ["gone@else.example", "ann@else.example"], "unknown")
    gone, ann = ours.database.read_now(rows, message).values()
    ended_now = threading.Event()

    def deliver(tx: Tx) -> None:
        tx.execute(update(recipients).where(recipients.c.id == gone.id).values(state="delivered"))

    def end(tx: Tx) -> None:
        tx.execute(update(recipients).where(recipients.c.id == ann.id).values(state="delivered"))
        assert reports.settle(tx, ours.settings, [message], NOW) == [message]
        ended_now.set()
        time.sleep(0.3)  # the bounce comes now, and on PostgreSQL at the same time

    ours.database.write_now(deliver)
    ending = threading.Thread(target=ours.database.write_now, args=(end,))
    ending.start()
    assert ended_now.wait(20)
    assert apply(ours, verp.of_recipient(ours.settings, ours.vault, gone.id), bounce()) == "applied"
    ending.join(20)
    assert ours.database.read_now(status, message) == "error"
