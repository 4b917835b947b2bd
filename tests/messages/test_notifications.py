"""Mails that tell of private messages: to whom, how often, and what they may say (docs/notifications.md)."""

from typing import Any

from sqlalchemy import insert, select, update

from postroom.clock import DAY, MINUTE
from postroom.directory import preferences, suppressions
from postroom.directory.preferences import Preference
from postroom.messages import notifications, retention
from postroom.messages.notifications import KEPT
from postroom.storage.tables import messages, recipients, users
from tests.messages.conftest import NOW, Office
from tests.support import counted, plans

TOMORROW = NOW + DAY


def choose(office: Office, user: int, notify: Any, *, content: bool = False, now: int = NOW, language: str = "en") -> None:
    office.run(preferences.choose, user, Preference(notify=notify, content=content), now)
    office.run(lambda tx: tx.execute(update(users).where(users.c.id == user).values(language=language)) and None)


def private(office: Office, to: list[int], at: int = NOW, email: str | None = None, **columns: Any) -> int:
    """A private message as it stands in the tables: in the inboxes of people, without mail unless there is an address."""
    row = {
        "author_id": office.author,
        "dialect": "schoology",
        "subject": "Plans",
        "content": "Let us meet.\nAt noon.",
        "shared": True,
        "status": "sent",
        "created_at": at,
        "modified_at": at,
        "sent_at": at,
        **columns,
    }

    def write(tx: Any) -> int:
        number = tx.execute(insert(messages).values(row).returning(messages.c.id)).scalar_one()
        line = {"message_id": number, "state": "delivered", "received_at": at, "settled_at": at, "email": email}
        if to:
            tx.execute(insert(recipients), [{**line, "user_id": user} for user in to])
        return number

    return office.run(write)


def tell(office: Office, message_id: int, now: int = NOW) -> None:
    office.run(notifications.queue, office.settings, message_id, now)


def digests(office: Office, now: int, limit: int = 100) -> int:
    return office.run(notifications.queue_digests, office.settings, now, limit)


def told(office: Office) -> list[tuple[Any, list[Any]]]:
    """Each notification with its roll."""
    return [
        (row, office.rows(recipients, recipients.c.message_id == row.id)) for row in office.rows(messages, messages.c.kind == "summary")
    ]


def addresses(office: Office) -> list[str]:
    return sorted(line.email for _, roll in told(office) for line in roll)


def people(office: Office, count: int) -> list[int]:
    return [office.person(f"P{number}", email=f"p{number}@uni.example") for number in range(count)]


def test_whoever_wants_each_is_mailed_at_once_and_nobody_else(office: Office) -> None:
    each, daily, silent = people(office, 3)
    choose(office, each, "each")
    choose(office, daily, "digest")
    choose(office, office.author, "each")
    tell(office, private(office, [each, daily, silent]))
    [(mail, [line])] = told(office)
    assert (line.email, line.user_id, line.state, line.received_at) == ("p0@uni.example", each, "queued", None)
    assert (mail.author_id, mail.client_id, mail.shared, mail.status, mail.send_summary) == (None, None, False, "pending", False)
    assert mail.subject == "New message: Plans"
    assert "From: Anna Nowak\nSubject: Plans\n" in mail.content
    assert f"{office.settings.public_url}/notifications" in mail.content
    assert "noon" not in mail.content


def test_the_mail_speaks_the_readers_language_and_quotes_only_for_who_asked(office: Office) -> None:
    four = people(office, 4)
    for user, language, content in zip(four, ("pl", "pl", "en", "en"), (False, True, False, True), strict=True):
        choose(office, user, "each", content=content, language=language)
    tell(office, private(office, four))
    shown = {roll[0].email: mail for mail, roll in told(office) for _ in [None] if len(roll) == 1}
    assert {email: mail.language for email, mail in shown.items()} == {
        "p0@uni.example": "pl",
        "p1@uni.example": "pl",
        "p2@uni.example": "en",
        "p3@uni.example": "en",
    }
    assert shown["p0@uni.example"].subject == shown["p1@uni.example"].subject == "Nowa wiadomość: Plans"
    assert ["> At noon." in shown[f"p{number}@uni.example"].content for number in range(4)] == [False, True, False, True]


def test_people_of_one_group_share_a_message_but_no_mail(office: Office) -> None:
    three = people(office, 3)
    for user in three:
        choose(office, user, "each")
    tell(office, private(office, three))
    [(mail, roll)] = told(office)
    assert [line.email for line in roll] == ["p0@uni.example", "p1@uni.example", "p2@uni.example"]
    assert not mail.shared  # each recipient of it gets a mail of their own


def test_whoever_has_left_has_no_address_or_is_suppressed_gets_none(office: Office) -> None:
    gone, suppressed = people(office, 2)
    nowhere = office.person("Nobody")
    alternative = office.person("Alt", alt_email="alt@home.example")
    for user in (gone, suppressed, nowhere, alternative):
        choose(office, user, "each")
    office.run(lambda tx: tx.execute(update(users).where(users.c.id == gone).values(active=False)) and None)
    office.run(suppressions.put, "p1@uni.example", "manual", "", NOW, expires_at=None)
    tell(office, private(office, [gone, suppressed, nowhere, alternative]))
    [(mail, roll)] = told(office)
    assert {line.email: line.state for line in roll} == {"p1@uni.example": "suppressed", "alt@home.example": "queued"}
    office.outcome(mail.id, "delivered", email="alt@home.example")


def test_a_notification_that_nobody_can_get_is_done_at_once(office: Office) -> None:
    [suppressed] = people(office, 1)
    choose(office, suppressed, "each")
    office.run(suppressions.put, "p0@uni.example", "manual", "", NOW, expires_at=None)
    tell(office, private(office, [suppressed]))
    [(mail, [line])] = told(office)
    assert (mail.status, line.state) == ("error", "suppressed")


def test_names_and_subjects_cannot_break_out_of_their_line(office: Office) -> None:
    """Design section 1.5: header injection, format-string templates, HTML."""
    office.run(
        lambda tx: (
            tx.execute(update(users).where(users.c.id == office.author).values(first_name="A\r\nBcc: x@y.example{0.x}", last_name="<b>"))
            and None
        )
    )
    reader, quoting = people(office, 2)
    choose(office, reader, "each")
    choose(office, quoting, "each", content=True)
    html = "<p onclick='x()'>Hi <script>alert(1)</script><img src=//spy.example/><a href='javascript:x'>a</a></p>"
    tell(office, private(office, [reader, quoting], subject="S\r\nX-Evil: 1\u2028{0}<i>", content=html, content_format="html"))
    (plain, _), (rich, _) = told(office)
    assert plain.subject == rich.subject == "New message: S X-Evil: 1 {0}<i>"
    assert "From: A Bcc: x@y.example{0.x} <b>\nSubject: S X-Evil: 1 {0}<i>\n" in plain.content
    assert (plain.content_format, rich.content_format) == ("plain", "html")
    assert "From: A Bcc: x@y.example{0.x} &lt;b&gt;<br>Subject: S X-Evil: 1 {0}&lt;i&gt;" in rich.content
    assert not [word for word in ("script", "onclick", "img", "spy.example") if word in rich.content]


def test_a_message_without_subject_has_words_for_it(office: Office) -> None:
    [reader] = people(office, 1)
    choose(office, reader, "each", language="pl")
    tell(office, private(office, [reader], subject=" "))
    assert told(office)[0][0].subject == "Nowa wiadomość: (bez tematu)"


def test_the_number_of_statements_does_not_grow_with_the_readers(office: Office) -> None:
    quiet = private(office, people(office, 2))
    with counted(office.store) as none:
        tell(office, quiet)
    assert len(none) == 1
    lengths = []
    for count in (1, 60):
        readers = [office.person(f"Q{count}-{number}", email=f"q{count}-{number}@uni.example") for number in range(count)]
        for number, user in enumerate(readers):
            choose(office, user, "each", content=bool(number % 2), language="pl" if number % 3 else "en")
        message_id = private(office, readers)
        with counted(office.store) as statements:
            tell(office, message_id)
        lengths.append(len(statements))
    notice = 1 if office.store.database.dialect == "postgresql" else 0
    assert lengths == [9 + notice, 9 + notice]
    assert len(addresses(office)) == 61


def test_a_notification_is_gone_after_a_month(office: Office) -> None:
    [reader] = people(office, 1)
    choose(office, reader, "each")
    tell(office, private(office, [reader]))
    [(mail, _)] = told(office)
    office.outcome(mail.id, "delivered")
    office.run(lambda tx: tx.execute(update(messages).where(messages.c.id == mail.id).values(status="sent")) and None)
    assert office.run(retention.remove_due, NOW + KEPT - 1, 100).rows == 0
    office.run(retention.remove_due, NOW + KEPT, 100)
    assert told(office) == []


def test_a_digest_lists_new_unread_threads_once_a_day(office: Office) -> None:
    reader, other = people(office, 2)
    private(office, [reader], at=NOW - 1, subject="Before the choice")
    choose(office, reader, "digest")
    private(office, [reader], at=NOW + 1, subject="First")
    private(office, [reader, other], at=NOW + 2, subject="Second")
    seen = private(office, [reader], at=NOW + 3, subject="Read")
    office.run(lambda tx: tx.execute(update(recipients).where(recipients.c.message_id == seen).values(read_at=NOW + 4)) and None)
    assert digests(office, TOMORROW) == 0
    assert digests(office, TOMORROW + MINUTE) == 1
    assert digests(office, TOMORROW + MINUTE) == 0
    [(mail, [line])] = told(office)
    assert (line.email, line.state, line.lane, line.received_at) == ("p0@uni.example", "queued", "bulk", None)
    assert mail.subject == "Unread messages: 2"
    assert "- Anna Nowak: Second\n- Anna Nowak: First\n" in mail.content
    assert not [word for word in ("Before", "Read\n", "noon") if word in mail.content]
    private(office, [reader], at=TOMORROW + MINUTE + 1, subject="Third")
    assert digests(office, TOMORROW + 3 * MINUTE) == 0
    assert digests(office, TOMORROW + DAY + MINUTE) == 1
    assert "- Anna Nowak: Third\n" in told(office)[1][0].content
    assert "Second" not in told(office)[1][0].content


def test_what_is_just_coming_in_is_told_of_the_next_time(office: Office) -> None:
    """A transaction that began earlier may be committed after the digest was written: nothing falls between two digests."""
    [reader] = people(office, 1)
    choose(office, reader, "digest")
    private(office, [reader], at=NOW + 1, subject="Early")
    assert digests(office, TOMORROW + MINUTE) == 1
    private(office, [reader], at=TOMORROW + 1, subject="Late")
    assert digests(office, TOMORROW + DAY + MINUTE) == 1
    assert "Late" in told(office)[1][0].content


def test_a_digest_lists_twenty_threads_and_counts_the_others(office: Office) -> None:
    [reader] = people(office, 1)
    choose(office, reader, "digest", language="pl")
    for number in range(23):
        private(office, [reader], at=NOW + 1 + number, subject=f"<{number}>")
    digests(office, TOMORROW + MINUTE)
    [(mail, _)] = told(office)
    assert mail.subject == "Nieprzeczytane wiadomości: 23"
    assert mail.content.count("\n- ") == 20
    assert "- Anna Nowak: <22>\n" in mail.content
    assert "- Anna Nowak: <2>\n" not in mail.content
    assert "Liczba dalszych rozmów: 3" in mail.content


def test_a_digest_quotes_only_for_who_asked_and_not_much(office: Office) -> None:
    quoting, plain = people(office, 2)
    choose(office, quoting, "digest", content=True)
    choose(office, plain, "digest")
    private(
        office,
        [quoting, plain],
        at=NOW + 1,
        content=f"<p>One</p><p>two &amp; <script>three</script></p>{'x' * 5_000}",
        content_format="html",
    )
    private(office, [quoting, plain], at=NOW + 2, content="Let us\r\nmeet.")
    assert digests(office, TOMORROW + MINUTE) == 2
    shown = {roll[0].email: mail.content for mail, roll in told(office)}
    assert "- Anna Nowak: Plans\n  Let us meet.\n- Anna Nowak: Plans\n  One two & xxx" in shown["p0@uni.example"]
    assert max(map(len, shown["p0@uni.example"].splitlines())) < 250
    assert "three" not in shown["p0@uni.example"]
    assert not [word for word in ("meet", "One") if word in shown["p1@uni.example"]]


def test_what_was_mailed_to_somebody_needs_no_digest(office: Office) -> None:
    [reader] = people(office, 1)
    choose(office, reader, "digest")
    private(office, [reader], at=NOW + 1, email="p0@uni.example")
    assert digests(office, TOMORROW + MINUTE) == 0


def test_deleted_and_superseded_lines_are_not_told_of(office: Office) -> None:
    [reader] = people(office, 1)
    choose(office, reader, "digest")
    for values in ({"deleted_at": NOW + 2}, {"superseded_at": NOW + 2}):
        number = private(office, [reader], at=NOW + 1)
        office.run(lambda tx, n=number, v=values: tx.execute(update(recipients).where(recipients.c.message_id == n).values(v)) and None)
    assert digests(office, TOMORROW + MINUTE) == 0


def test_digests_are_for_active_people_with_an_address_who_want_one(office: Office) -> None:
    gone, silent, each = people(office, 3)
    nowhere = office.person("Nobody")
    for user in (gone, nowhere):
        choose(office, user, "digest")
    choose(office, each, "each")
    office.run(lambda tx: tx.execute(update(users).where(users.c.id == gone).values(active=False)) and None)
    private(office, [gone, silent, each, nowhere], at=NOW + 1)
    assert digests(office, TOMORROW + MINUTE) == 0


def test_digests_are_written_in_steps_with_a_fixed_number_of_statements(office: Office) -> None:
    readers = people(office, 31)
    for user in readers:
        choose(office, user, "digest")
        private(office, [user], at=NOW + 1, subject=f"For {user}")
    lengths = []
    for limit in (1, 100):
        with counted(office.store) as statements:
            assert digests(office, TOMORROW + MINUTE, limit) == min(limit, 30)
        lengths.append(len(statements))
    notice = 1 if office.store.database.dialect == "postgresql" else 0
    assert lengths == [10 + notice, 10 + notice]
    assert len(addresses(office)) == 31
    assert all(f"For {roll[0].user_id}\n" in mail.content for mail, roll in told(office))
    with counted(office.store) as statements:
        assert digests(office, TOMORROW + MINUTE) == 0
    assert len(statements) == 1


def test_whoever_chooses_digests_anew_hears_of_what_comes_from_then_on(office: Office) -> None:
    [reader] = people(office, 1)
    choose(office, reader, "digest")
    choose(office, reader, "digest", content=True, now=NOW + 50)
    kept = office.run(lambda tx: tx.execute(select(users.c.notified_at).where(users.c.id == reader)).scalar_one())
    assert kept == NOW
    choose(office, reader, "off", now=NOW + 60)
    choose(office, reader, "digest", now=NOW + 70)
    kept = office.run(lambda tx: tx.execute(select(users.c.notified_at).where(users.c.id == reader)).scalar_one())
    assert kept == NOW + 70


def test_the_index_of_people_who_want_digests_and_that_of_their_inboxes_serve_each_look(office: Office) -> None:
    """Every worker looks each minute: neither everybody nor every message is read for that."""
    readers = people(office, 3)
    for user in readers:
        choose(office, user, "digest")
        private(office, [user], at=NOW + 1)
    [due] = office.run(plans, notifications._due_readers, TOMORROW, 100)
    [listed] = office.run(plans, notifications._newest, readers, TOMORROW)
    assert "ix_users_digest" in due
    for plan in (due, listed):
        assert "ix_recipients_mailbox" in plan or "ix_recipients_unread" in plan
