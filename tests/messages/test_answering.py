"""Letters that addresses answer by themselves (ONLYOFFICE contract §1b Autoreply, §1a.6 step 12; RFC 3834)."""

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import update

from postroom.clock import DAY
from postroom.directory import account_servers, address_books, mail_accounts
from postroom.directory.address_books import NewContact
from postroom.directory.mail_accounts import Autoreply
from postroom.directory.mail_servers import Connection
from postroom.directory.records import Mailbox
from postroom.messages import answering, autoreplies, letter_records, letters, options
from postroom.messages.letter_records import Letter, LetterOptions
from postroom.messages.letters import Desk
from postroom.messages.records import CustomHeader
from postroom.settings import SuperofficeSettings
from postroom.storage.secrets import Vault
from postroom.storage.store import Store
from postroom.storage.tables import address_assignments, due_autoreplies, messages, recipients
from tests.messages.conftest import NOW, Office
from tests.support import counted

AWAY = Autoreply(on=True, begin=NOW - DAY, subject="Away:", html="<p>Back on Monday</p>")
OTTO = "otto@uni.example"


def settle(office: Office, email: str = OTTO, user_id: int | None = None, **changes: Any) -> None:
    owner = user_id or office.other
    account = office.run(mail_accounts.named, owner, email)
    wanted = {name: getattr(AWAY, name) for name in AWAY.__struct_fields__} | changes
    office.run(mail_accounts.reply, owner, account.id, Autoreply(**wanted))


def send(office: Office, *, author: int | None = None, now: int = NOW, **content: Any) -> int:
    desk = Desk(settings=office.settings, vault=office.store.vault, author_id=author or office.author, dialect="onlyoffice", now=now)
    given = {"sender": "anna@uni.example", "to": (OTTO,), "subject": "Hello", "body": "<p>Hi</p>", **content}
    return office.run(letters.send, desk, Letter(**given)).message_id


def answers(office: Office, now: int = NOW) -> list[Any]:
    """What is answered now."""
    before = {row.id for row in office.rows(messages)}
    while office.run(answering.send_due, office.settings, office.store.vault, now, 100):
        pass
    return [row for row in office.rows(messages) if row.id not in before]


def test_a_letter_is_answered_by_the_address_that_it_came_to(office: Office) -> None:
    """The answer goes to the author, in answer to the letter, as automatic, so with the null return path; the signature stands below."""
    settle(office)
    account = office.run(mail_accounts.named, office.other, OTTO)
    office.run(mail_accounts.sign, office.other, account.id, "<p>Otto</p>", on=True)
    number = send(office)
    [answer] = answers(office)
    assert (answer.author_id, answer.subject, answer.status, answer.letter) == (office.other, "Away: Re: Hello", "pending", True)
    assert answer.content == '<p>Back on Monday</p><div class="tlmail_signature"><p>Otto</p></div>'
    mail = options.decoded(answer.mail)
    [original] = office.rows(messages, messages.c.id == number)
    assert (mail.automatic, mail.in_reply_to) == ("replied", options.decoded(original.mail).message_id)
    own = letter_records.decoded(answer.options)
    assert (own.sender.email, own.to) == (OTTO, ('"Anna Nowak" <anna@uni.example>',))
    [line] = office.rows(recipients, recipients.c.message_id == answer.id)
    assert (line.user_id, line.state, line.received_at) == (office.author, "queued", NOW)
    assert answers(office) == []


def test_two_who_are_away_do_not_answer_each_other(office: Office) -> None:
    """RFC 3834 section 2: an automatic reply is never answered."""
    settle(office)
    settle(office, "anna@uni.example", office.author)
    send(office)
    assert [row.author_id for row in answers(office)] == [office.other]
    assert due(office) == []


def test_an_author_is_answered_once_in_the_interval(office: Office) -> None:
    settle(office)
    send(office)
    send(office, subject="Again")
    assert [row.subject for row in answers(office)] == ["Away: Re: Hello"]
    send(office, now=NOW + answering.INTERVAL - 1)
    assert answers(office, NOW + answering.INTERVAL - 1) == []
    send(office, subject="At last", now=NOW + answering.INTERVAL)
    assert [row.subject for row in answers(office, NOW + answering.INTERVAL)] == ["Away: Re: At last"]


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"on": False}, 0),
        ({"begin": NOW + 1}, 0),
        ({"begin": NOW}, 1),
        ({"until_end": True, "end": NOW - DAY}, 0),
        ({"until_end": True, "end": NOW - DAY + 1}, 1),
        ({"until_end": False, "end": NOW - 9 * DAY}, 1),
        ({"subject": '"on":true', "on": False}, 0),
    ],
)
def test_when_it_is_on(office: Office, changes: dict[str, Any], count: int) -> None:
    """From its first day to the end of its last one, if it has one."""
    settle(office, **changes)
    send(office)
    assert len(answers(office)) == count


def test_only_contacts(office: Office) -> None:
    settle(office, only_contacts=True)
    send(office)
    assert answers(office) == []
    office.run(address_books.add, office.other, NewContact(name="Anna", emails=("Anna@uni.example",)), NOW)
    send(office)
    assert len(answers(office)) == 1


@pytest.mark.parametrize(
    "content",
    [
        {"to": ("bob@x.example",), "bcc": (OTTO,)},
        {"automatic_reply": True},
        {"calendar": "nonsense"},
        {"to": ("anna@uni.example",)},
    ],
)
def test_what_is_not_answered(office: Office, content: dict[str, Any]) -> None:
    """Hidden recipients do not answer, nor does anybody a program or themselves (RFC 3834 section 2)."""
    settle(office)
    settle(office, "anna@uni.example", office.author)
    send(office, **content)
    assert answers(office) == []
    assert due(office) == []


def due(office: Office) -> list[Any]:
    return office.run(lambda tx: list(tx.execute(due_autoreplies.select()).all()))


@pytest.mark.parametrize("name", ["no-reply", "Postmaster", "owner-staff", "staff-request", "mailer-daemon"])
def test_addresses_behind_which_nobody_reads_are_not_answered(office: Office, name: str) -> None:
    settle(office)
    office.address(f"{name}@uni.example", assigned_to=office.author)
    send(office, sender=f"{name}@uni.example")
    assert answers(office) == []


@pytest.mark.parametrize("name", ["List-Id", "Precedence", "Auto-Submitted"])
def test_lists_and_programs_are_not_answered(office: Office, name: str) -> None:
    settle(office)
    number = send(office)
    [row] = office.rows(messages, messages.c.id == number)
    kept = options.encoded(structs.replace(options.decoded(row.mail), headers=(CustomHeader(name, "x"),)))
    office.run(lambda tx: tx.execute(update(messages).where(messages.c.id == number).values(mail=kept)) and None)
    assert answers(office) == []


def test_an_address_of_several_is_not_answered_for_by_one(office: Office) -> None:
    """Nor does anybody get an answer from an address that is also theirs."""
    shared = office.address("office@uni.example", assigned_to=office.other)
    settle(office, "office@uni.example")
    send(office, to=("office@uni.example",))
    assert len(answers(office)) == 1
    third = office.person("Dan", email="dan@uni.example")
    assign(office, shared, third)
    send(office, author=third, sender="dan@uni.example", to=("office@uni.example",))
    assert answers(office) == []


def assign(office: Office, address_id: int, user_id: int) -> None:
    row = {"address_id": address_id, "user_id": user_id, "assigned_at": NOW}
    office.run(lambda tx: tx.execute(address_assignments.insert().values(row)) and None)


def test_what_was_put_away_or_taken_back_is_not_answered(office: Office) -> None:
    settle(office)
    for column in ("deleted_at", "received_at"):
        number = send(office)
        value = NOW if column == "deleted_at" else None
        changed = update(recipients).where(recipients.c.message_id == number).values({column: value})
        office.run(lambda tx, statement=changed: tx.execute(statement) and None)
    assert answers(office) == []


def test_an_author_to_whom_letters_do_not_go_keeps_nobody_from_an_answer(office: Office) -> None:
    settle(office)
    odd = office.person("Odd", email="odd@uni.example")
    number = send(office, author=odd, sender="odd@uni.example")
    kept = letter_records.encoded(LetterOptions(sender=Mailbox("", "odd@localhost")))
    office.run(lambda tx: tx.execute(update(messages).where(messages.c.id == number).values(options=kept)) and None)
    send(office)
    assert [row.subject for row in answers(office)] == ["Away: Re: Hello"]
    assert due(office) == []


def test_a_login_that_nobody_can_read_keeps_no_other_from_answering(office: Office) -> None:
    """Who is away and has a server of their own, whose password was encrypted with another secret key, answers nobody."""
    settle(office)
    own = Connection(host="mail.example", port=587, security="tls", username="otto", password="secret")
    account = office.run(mail_accounts.named, office.other, OTTO).id
    servers = structs.replace(office.settings, superoffice=SuperofficeSettings(outgoing_servers=["mail.example"]))
    other_vault = Vault(b"another key of this installation")
    office.run(account_servers.keep, other_vault, office.other, account, own, kind="smtp", settings=servers)
    dan = office.person("Dan", email="dan@uni.example")
    settle(office, "dan@uni.example", dan)
    send(office, to=(OTTO, "dan@uni.example"))
    assert [row.author_id for row in answers(office)] == [dan]
    assert due(office) == []


def test_sending_costs_the_same_however_many_are_away(sqlite_store: Store) -> None:
    office = Office(sqlite_store)
    people = [(office.person(f"P{n}", email=f"p{n}@uni.example"), f"p{n}@uni.example") for n in range(30)]

    def statements() -> int:
        with counted(office.store) as seen:
            send(office, to=tuple(email for _, email in people))
        return len(seen)

    before = statements()
    for user_id, email in people:
        settle(office, email, user_id)
    assert statements() == before
    assert len(due(office)) == len(people)
    assert len(answers(office)) == len(people)
    assert office.run(autoreplies.last, people[0][0], people[0][1], "anna@uni.example") == NOW
