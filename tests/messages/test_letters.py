"""Letters: saved, sent, threaded, with files (ONLYOFFICE contract §1a.5, §1a.6, §1b drafts/save, §7.3, §7.5, §8)."""

import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import select, update

from postroom.directory import account_servers, addresses, mail_accounts
from postroom.directory.mail_servers import Connection
from postroom.directory.records import Mailbox
from postroom.errors import Forbidden, Invalid, NotFound, PostroomError, TooLarge, WrongState
from postroom.messages import autoreplies, connections, filing, folders, letter_records, letters, message_ids, options
from postroom.messages.items import Key
from postroom.messages.letter_records import Letter, LetterFile, LetterOptions
from postroom.messages.letters import Desk
from postroom.messages.records import MailOptions, NewAttachment
from postroom.settings import SuperofficeSettings
from postroom.storage.store import Store
from postroom.storage.tables import attachments, messages, recipients
from tests.messages.conftest import NOW, Office
from tests.support import counted

ANNA = '"Anna Nowak" <anna@uni.example>'
LETTER = Letter(sender=ANNA, to=("Bob <bob@x.example>",), subject="Hello", body="<p>Hi</p>")
LATER = NOW + 1_000

INVITATION = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//EN
METHOD:{}
BEGIN:VEVENT
UID:1@x.example
DTSTAMP:20260101T000000Z
DTSTART:20260102T100000Z
END:VEVENT
END:VCALENDAR
"""


def desk(office: Office, author: int | None = None, now: int = NOW) -> Desk:
    return Desk(settings=office.settings, vault=office.store.vault, author_id=author or office.author, dialect="onlyoffice", now=now)


def letter(**changes: Any) -> Letter:
    return structs.replace(LETTER, **changes)


def save(office: Office, message_id: int = 0, **changes: Any) -> int:
    return office.run(letters.save_draft, desk(office), letter(**changes), message_id).message_id


def send(office: Office, message_id: int = 0, *, author: int | None = None, now: int = NOW, **changes: Any) -> int:
    return office.run(letters.send, desk(office, author, now), letter(**changes), message_id).message_id


def refused(office: Office, message_id: int = 0, **changes: Any) -> PostroomError:
    """Why a letter is not sent; nothing is changed by it."""
    before = everything(office)
    with pytest.raises(PostroomError) as raised:
        send(office, message_id, **changes)
    assert everything(office) == before
    return raised.value


def everything(office: Office) -> tuple[list[Any], ...]:
    return tuple(office.rows(table) for table in (messages, recipients, attachments))


def row(office: Office, message_id: int) -> Any:
    return office.rows(messages, messages.c.id == message_id)[0]


def roll(office: Office, message_id: int) -> list[Any]:
    return office.rows(recipients, recipients.c.message_id == message_id)


def kept(office: Office, message_id: int) -> tuple[LetterOptions, MailOptions]:
    found = row(office, message_id)
    return letter_records.decoded(found.options), options.decoded(found.mail)


def attach(office: Office, message_id: int, name: str = "plan.pdf", size: int = 5, *, key: str = "", content_id: str | None = None) -> int:
    new = NewAttachment(blob_key=key or f"key-{name}", filename=name, content_type="application/pdf", size=size, content_id=content_id)
    return office.run(letters.add_file, office.author, message_id, new, NOW)


def files_of(office: Office, message_id: int) -> list[Any]:
    return office.rows(attachments, attachments.c.message_id == message_id)


def a_file(number: int, **changes: Any) -> LetterFile:
    return LetterFile(attachment_id=number, **changes)


# -- drafts and templates --------------------------------------------------------------------------------------------


def test_a_draft_keeps_what_was_written(office: Office) -> None:
    """§7.3.1, §8.5: nonsense among the addresses is kept as given, empty entries are dropped."""
    nonsense = ("not an address", "a@b.c, d@e.f", "", " Bob <bob@x.example>")
    number = save(office, to=nonsense, cc=("x",), subject="Temat", body="", important=True)
    found = row(office, number)
    assert (found.status, found.letter, found.shared, found.sent_at) == ("draft", True, True, None)
    assert (found.subject, found.content, found.content_format) == ("Temat", letters.EMPTY_BODY, "html")
    own, mail = kept(office, number)
    assert own == LetterOptions(
        sender=Mailbox("Anna Nowak", "anna@uni.example"), to=("not an address", "a@b.c, d@e.f", "Bob <bob@x.example>"), cc=("x",)
    )
    assert (mail.importance, mail.signature) == ("highest", False)
    assert roll(office, number) == []


def test_the_message_id_is_made_at_saving_and_stays(office: Office) -> None:
    """§1a.6 step 1; §7.3.7: no colon in it."""
    number = save(office)
    identifier = kept(office, number)[1].message_id
    assert message_ids.message_of(office.store.vault, identifier) == number
    assert ":" not in identifier
    moved = structs.replace(office.settings, mail=structs.replace(office.settings.mail, domain="other.example"))
    office.run(letters.save_draft, structs.replace(desk(office), settings=moved), LETTER, number)
    assert kept(office, number)[1].message_id == identifier
    send(office, number)
    assert kept(office, number)[1].message_id == identifier


def test_saving_again_changes_the_draft(office: Office) -> None:
    number = save(office)
    assert save(office, number, subject="Other", to=()) == number
    assert (row(office, number).subject, kept(office, number)[0].to) == ("Other", ())
    assert len(office.rows(messages)) == 1


def test_templates_and_drafts_are_kept_apart(office: Office) -> None:
    """§1b: saving is permitted only in the folder of each; §7.3.6."""
    template = office.run(letters.save_template, desk(office), LETTER).message_id
    assert kept(office, template)[0].is_template
    draft = save(office)
    with pytest.raises(WrongState, match="draft_required"):
        save(office, template)
    with pytest.raises(WrongState, match="template_required"):
        office.run(letters.save_template, desk(office), LETTER, draft)
    assert office.run(letters.save_template, desk(office), letter(subject="T"), template).message_id == template


def test_a_template_that_is_sent_is_consumed(office: Office) -> None:
    """§8.18."""
    template = office.run(letters.save_template, desk(office), LETTER).message_id
    assert send(office, template) == template
    assert (row(office, template).status, kept(office, template)[0].is_template) == ("pending", False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sender": " "}, Invalid("from", "required")),
        ({"sender": "nobody"}, Invalid("from", "malformed")),
        ({"sender": "otto@uni.example"}, NotFound("account", "otto@uni.example")),
        ({"subject": "x" * 999}, TooLarge("subject", 998)),
        ({"body": "x" * 8_388_609}, TooLarge("body", 8_388_608)),
        ({"to": ("a@x.example",) * 2_001}, TooLarge("recipients", 2_000)),
        ({"files": (a_file(0, size=26_214_401),)}, TooLarge("attachments", 26_214_400)),
        ({"files": tuple(a_file(number) for number in range(1, 102))}, TooLarge("files", 100)),
    ],
)
def test_what_no_draft_may_hold(office: Office, changes: dict[str, Any], error: PostroomError) -> None:
    with pytest.raises(type(error)) as raised:
        save(office, **changes)
    assert str(raised.value) == str(error)
    assert office.rows(messages) == []


@pytest.mark.parametrize("changes", [{"subject": "a\r\nBcc: x@y.example"}, {"body": "a\0b"}])
def test_control_characters_are_refused(office: Office, changes: dict[str, Any]) -> None:
    """Design 1.5."""
    with pytest.raises(Invalid):
        save(office, **changes)
    assert isinstance(refused(office, **changes), Invalid)


def test_line_breaks_in_written_addresses_reach_nothing(office: Office) -> None:
    number = save(office, to=("Bob\r\nBcc: x@y.example <bob@x.example>",))
    assert kept(office, number)[0].to == ("Bob Bcc: x@y.example <bob@x.example>",)
    assert str(refused(office, to=("Bob\r\n <bob@x.example>",))).startswith("to: not an address")


# -- sending: what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sender": ""}, "from: required"),
        ({"sender": "", "to": ()}, "from: required"),
        ({"to": ()}, "to: required"),
        ({"sender": "nobody", "to": ()}, "to: required"),
        ({"sender": "nobody"}, "from: malformed"),
        ({"sender": "nobody@x.example", "to": ("x",)}, "account 'nobody@x.example' not found"),
        ({"to": ("",)}, "to: not an address: ''"),
        ({"to": ("a@b.example,c@d.example",), "cc": ("x",)}, "to: not an address: 'a@b.example,c@d.example'"),
        ({"cc": ("user@localhost",), "bcc": ("x",)}, "cc: not an address: 'user@localhost'"),
        ({"to": (), "bcc": ("o'brien@x.example",)}, 'bcc: not an address: "o\'brien@x.example"'),
    ],
)
def test_what_is_not_sent_leaves_no_draft(office: Office, changes: dict[str, Any], error: str) -> None:
    """§1a.5 rows 1 to 4 and 14, in their order; §8.5, §8.6, §8.15."""
    assert str(refused(office, **changes)) == error


def test_an_account_whose_address_letters_do_not_leave_from(office: Office) -> None:
    """Row 13, which comes after everything about the draft."""
    author = office.person("Odd", email="o'dd@uni.example")
    with pytest.raises(Invalid, match="from: refused"):
        send(office, author=author, sender="o'dd@uni.example", to=("x",))


def test_only_drafts_of_ones_own_are_sent(office: Office) -> None:
    """Rows 8 and 9: also what is being sent, or was; and nothing that is no letter."""
    assert isinstance(refused(office, 999), NotFound)
    assert isinstance(refused(office, office.draft()), NotFound)
    number = save(office)
    with pytest.raises(NotFound):
        send(office, number, author=office.other, sender="otto@uni.example")
    send(office, number)
    assert str(refused(office, number)) == "draft_required"
    with pytest.raises(WrongState):
        save(office, number)
    with pytest.raises(WrongState):
        attach(office, number)


def test_a_draft_in_a_folder_of_ones_own_is_not_sent_from_there(office: Office) -> None:
    """§1a.5 row 9: only what is in Drafts or Templates is; back there it is."""
    number = save(office)
    folder = office.run(folders.create, office.author, "Later", 0, NOW)
    key = [Key(own=True, id=number)]
    office.run(filing.move, office.author, key, "own", NOW, folder_id=folder)
    assert str(refused(office, number)) == str(WrongState("draft_required"))
    office.run(filing.restore, office.author, key, NOW)
    assert send(office, number) == number


def test_the_stored_body_has_a_limit_and_the_new_one_has_none(office: Office) -> None:
    """Row 10, §8.17."""
    number = save(office, body="x" * 524_289)
    error = refused(office, number)
    assert (str(error), isinstance(error, TooLarge)) == ("stored_body: more than 524288", True)
    with pytest.raises(TooLarge):
        save(office, number)
    assert send(office, body="x" * 524_289)


def test_what_is_declared_and_what_is_stored_is_measured(office: Office) -> None:
    """Row 11, §7.3.3, §7.3.4, §8.17: duplicates collapse before; a size that is given too small helps nobody."""
    half = 13_107_201
    number = save(office)
    one, two = attach(office, number, "a.bin", 13_000_000), attach(office, number, "b.bin", 13_000_000)
    told = a_file(one, filename="a.bin", size=half)
    assert str(refused(office, number, files=(told, a_file(two, filename="b.bin", size=half)))) == "attachments: more than 26214400"
    office.run(lambda tx: tx.execute(update(attachments).values(size=half)) and None)
    assert str(refused(office, number, files=(a_file(one, size=1), a_file(two, size=-half)))) == "attachments: more than 26214400"
    assert send(office, number, files=(told, told)) == number
    assert len(files_of(office, number)) == 1


def test_of_two_at_once_one_sends(office: Office) -> None:
    """Row 9, §7.5.6, §8.16: one sends, the other is told that it is no draft any more; there is one roll."""
    number = save(office)
    ready = threading.Barrier(2)
    results: list[str] = []

    def one() -> None:
        ready.wait(20)
        try:
            send(office, number)
            results.append("sent")
        except WrongState as error:
            results.append(error.reason)

    workers = [threading.Thread(target=one) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(results) == ["draft_required", "sent"]
    assert len(roll(office, number)) == 1


# -- sending: what is sent -------------------------------------------------------------------------------------------


def test_only_what_the_call_says_is_sent(office: Office) -> None:
    """§1a.1.4, §7.5.5: nothing of the draft is merged into it."""
    number = save(office, subject="Old", body="<p>Old</p>", cc=("c@x.example",), important=True, calendar="x", delivery_receipt=True)
    attach(office, number)
    assert send(office, number, subject="", body="") == number
    found = row(office, number)
    assert (found.subject, found.content, found.status, found.sent_at) == ("", letters.EMPTY_BODY, "pending", NOW)
    assert [(line.email, line.role) for line in roll(office, number)] == [("bob@x.example", "to")]
    assert files_of(office, number) == []
    mail = kept(office, number)[1]
    assert (mail.importance, mail.calendar, mail.delivery_receipt) == (None, None, False)


def test_the_roll_names_each_address_once(office: Office) -> None:
    number = send(
        office,
        to=("Bob <bob@x.example>", "BOB@x.example"),
        cc=('"Bob B" <Bob@X.example>', "carol@x.example"),
        bcc=("Dan <dan@x.example>", "carol@x.example"),
    )
    lines = [(line.email, line.name, line.role, line.state, line.lane, line.due_at) for line in roll(office, number)]
    assert lines == [
        ("bob@x.example", "Bob", "to", "queued", "single", NOW),
        ("carol@x.example", "", "cc", "queued", "single", NOW),
        ("dan@x.example", "Dan", "bcc", "queued", "single", NOW),
    ]


def test_people_have_it_in_the_inbox_at_once_and_get_the_mail_too(office: Office) -> None:
    """Whatever address of theirs it is, in any case of letters; once each; nobody who is inactive."""
    home, gone = (
        office.person("Ola", email="ola@uni.example", alt_email="ola@home.example"),
        office.person("Ida", email="ida@uni.example", active=False),
    )
    office.address("dean@uni.example", assigned_to=office.other)
    number = send(office, to=("OLA@home.example", "ola@uni.example"), cc=("dean@uni.example",), bcc=("ida@uni.example", "anna@uni.example"))
    lines = {line.email: line for line in roll(office, number)}
    assert {email: (line.user_id, line.received_at) for email, line in lines.items()} == {
        "OLA@home.example": (home, NOW),
        "ola@uni.example": (None, None),
        "dean@uni.example": (office.other, NOW),
        "ida@uni.example": (None, None),
        "anna@uni.example": (office.author, NOW),
    }
    assert gone not in {line.user_id for line in lines.values()}
    assert {line.state for line in lines.values()} == {"queued"}


def test_an_address_of_several_brings_it_to_all_their_inboxes_and_one_mail(office: Office) -> None:
    address = office.address("dean@uni.example", assigned_to=office.other)
    third = office.person("Ewa")
    office.run(addresses.assign, address, third, NOW)
    number = send(office, to=("dean@uni.example",))
    found = [(line.user_id, line.email, line.state, line.received_at) for line in roll(office, number)]
    assert found == [(office.other, "dean@uni.example", "queued", NOW), (third, None, "delivered", NOW)]


@pytest.mark.parametrize(
    ("sender", "name", "email"),
    [
        ("anna@uni.example", "Anna Nowak", "anna@uni.example"),
        ("Whoever <ANNA@uni.example>", "Anna Nowak", "anna@uni.example"),
        ("anna@home.example", "Anna Nowak", "anna@home.example"),
    ],
)
def test_the_sender_is_one_of_the_authors_addresses_under_the_name_of_the_account(
    office: Office, sender: str, name: str, email: str
) -> None:
    """§1a.2, §1a.6 step 2, §8.7, §8.23."""
    own, mail = kept(office, send(office, sender=sender))
    assert own.sender == mail.sender == Mailbox(name, email)


def test_an_institutional_address_sends_under_its_own_name(office: Office) -> None:
    address = office.address("dean@uni.example", assigned_to=office.author)
    number = send(office, sender="dean@uni.example")
    own, mail = kept(office, number)
    assert (row(office, number).from_address_id, mail.sender, own.sender) == (address, None, Mailbox("Office", "dean@uni.example"))
    office.revoke(address)
    assert isinstance(refused(office, sender="dean@uni.example"), Forbidden)


def test_what_is_asked_for_reaches_the_mail(office: Office) -> None:
    """§1a.6 step 8."""
    asked = {"important": True, "read_receipt": True, "delivery_receipt": True, "calendar": INVITATION.format("REQUEST")}
    mail = kept(office, send(office, mime_reply_to="<parent@x.example>", **asked))[1]
    assert (mail.importance, mail.read_receipt, mail.delivery_receipt, mail.in_reply_to) == ("highest", True, True, "parent@x.example")
    assert mail.references == ()
    assert (mail.automatic, mail.marked_generated, mail.calendar and mail.calendar.filename) == ("", True, "invite.ics")
    assert kept(office, send(office, automatic_reply=True))[1].automatic == "replied"


@pytest.mark.parametrize(("method", "name"), [("REQUEST", "invite.ics"), ("REPLY", "reply.ics"), ("CANCEL", "cancel.ics")])
def test_calendars_are_called_by_their_method(office: Office, method: str, name: str) -> None:
    mail = kept(office, save(office, calendar=INVITATION.format(method)))[1]
    assert mail.calendar is not None
    assert mail.calendar.filename == name


def test_the_number_of_statements_does_not_depend_on_the_number_of_recipients(office: Office) -> None:
    def statements(count: int) -> int:
        to = tuple(f"p{number}@x.example" for number in range(count))
        with counted(office.store) as seen:
            send(office, to=to)
        return len(seen)

    assert statements(450) <= statements(2) <= 19


def test_a_letter_to_many_takes_the_bulk_lane(office: Office) -> None:
    number = send(office, to=tuple(f"p{number}@x.example" for number in range(50)))
    assert {line.lane for line in roll(office, number)} == {"bulk"}


def test_an_automatic_reply_is_remembered(office: Office) -> None:
    """§1a.6 step 12: for To, whether sending worked or not."""
    send(office, to=("Bob@x.example",), cc=("c@x.example",), automatic_reply=True)
    send(office, to=("dan@x.example",), automatic_reply=True, calendar="nonsense", now=LATER)
    asked = [("ANNA@uni.example", "bob@x.example"), ("anna@uni.example", "dan@x.example"), ("anna@uni.example", "c@x.example")]
    assert [office.run(autoreplies.last, office.author, *pair) for pair in asked] == [NOW, LATER, None]
    send(office, to=("bob@x.example",), automatic_reply=True, now=NOW + autoreplies.KEPT + 1)
    assert office.run(autoreplies.last, office.author, "anna@uni.example", "bob@x.example") == NOW + autoreplies.KEPT + 1
    assert office.run(autoreplies.last, office.author, "anna@uni.example", "dan@x.example") == LATER


# -- files -----------------------------------------------------------------------------------------------------------


def test_saving_again_and_again_keeps_one_file(office: Office) -> None:
    """§7.3.5; a file of the draft stays the same one."""
    number = save(office)
    file = attach(office, number)
    for _ in range(3):
        save(office, number, files=(a_file(file),))
        assert [found.id for found in files_of(office, number)] == [file]


def test_what_is_not_repeated_is_gone_and_its_bytes_may_be_deleted(office: Office) -> None:
    """§1a.3."""
    number = save(office)
    one, two = attach(office, number, "a.pdf"), attach(office, number, "b.pdf")
    saved = office.run(letters.send, desk(office), letter(files=(a_file(two),)), number)
    assert saved.blob_keys == ["key-a.pdf"]
    assert [found.id for found in files_of(office, number)] == [two]
    assert one != two


def test_a_forwarded_file_is_copied(office: Office) -> None:
    """§7.3.2: the message that it was in keeps its own; however often the draft is saved, it has one."""
    source = save(office)
    file = attach(office, source)
    send(office, source, files=(a_file(file),))
    number = save(office, files=(a_file(file),))
    (first,) = files_of(office, number)
    assert (first.blob_key, first.filename, first.size, first.disposition) == ("key-plan.pdf", "plan.pdf", 5, "attachment")
    assert first.id != file
    saved = office.run(letters.save_draft, desk(office), letter(files=(a_file(file),)), number)
    assert (files_of(office, number), saved.blob_keys) == ([first], [])
    assert [found.id for found in files_of(office, source)] == [file]


def test_a_file_named_twice_is_gone_when_it_is_named_no_more(office: Office) -> None:
    """§1a.3: files not repeated are not mailed, whichever way their bytes came into the letter."""
    source = save(office)
    file = attach(office, source)
    number = save(office, files=(a_file(file),))
    (copy,) = files_of(office, number)
    save(office, number, files=(a_file(file), a_file(copy.id)))
    both = files_of(office, number)
    assert sorted(found.blob_key for found in both) == ["key-plan.pdf"] * 2
    last = max(found.id for found in both)
    save(office, number, files=(a_file(last),))
    assert [found.id for found in files_of(office, number)] == [last]
    assert office.run(letters.save_draft, desk(office), letter(), number).blob_keys == ["key-plan.pdf"]
    assert (files_of(office, number), len(files_of(office, source))) == ([], 1)


def test_files_of_letters_that_one_received_can_be_forwarded_and_no_others(office: Office) -> None:
    number = save(office)
    file = attach(office, number)
    send(office, number, to=("otto@uni.example",), files=(a_file(file),))
    stranger = office.person("Eve", email="eve@uni.example")
    for author, sender, count in ((office.other, "otto@uni.example", 1), (stranger, "eve@uni.example", 0)):
        saved = office.run(letters.save_draft, desk(office, author), letter(sender=sender, files=(a_file(file),)))
        assert len(files_of(office, saved.message_id)) == count


def test_a_file_that_the_body_shows_is_within_it(office: Office) -> None:
    number = save(office)
    shown, other = attach(office, number, "a.png", content_id="<logo>"), attach(office, number, "b.png")
    files = (a_file(shown), a_file(other, content_id="pic"))
    save(office, number, files=files, body="<p>no picture</p>")
    assert [(found.disposition, found.content_id) for found in files_of(office, number)] == [("attachment", "logo"), ("attachment", "pic")]
    send(office, number, files=files, body='<img src="cid:logo"><img src="cid:pic">')
    assert [(found.disposition, found.content_id) for found in files_of(office, number)] == [("inline", "logo"), ("inline", "pic")]
    assert {found.expires_at for found in files_of(office, number)} == {None}


def test_a_file_of_a_draft_has_limits(office: Office) -> None:
    number = save(office)
    attach(office, number, "a.bin", 26_214_400)
    with pytest.raises(TooLarge, match="attachments"):
        attach(office, number, "b.bin", 1)
    with pytest.raises(Invalid, match="filename"):
        attach(office, number, "a\u202egpj.exe", 0)
    with pytest.raises(NotFound):
        attach(office, 999)


# -- threads ---------------------------------------------------------------------------------------------------------


def place(office: Office, message_id: int) -> tuple[Any, ...]:
    found = row(office, message_id)
    return found.thread_id, found.in_reply_to, found.foreign_parent


def identifier(office: Office, message_id: int) -> str:
    return kept(office, message_id)[1].message_id


def test_the_four_branches_of_threads(office: Office) -> None:
    """§1a.6 step 10."""
    first = send(office, subject="Plan", to=("otto@uni.example",))
    assert place(office, first) == (None, None, None)
    answer = send(office, subject="Re: Plan", mime_reply_to=identifier(office, first), now=LATER)
    assert place(office, answer) == (first, first, None)
    again = send(office, subject="RE[2]: plan".replace("plan", "Plan"), mime_reply_to=f"<{identifier(office, answer)}>", now=LATER)
    assert place(office, again) == (first, answer, None)
    assert place(office, send(office, subject="Other", mime_reply_to=identifier(office, first))) == (None, None, None)
    foreign = send(office, subject="Re: Far", mime_reply_to="far@x.example")
    assert place(office, foreign) == (None, None, "far@x.example")
    assert place(office, send(office, subject="Fwd: Far", mime_reply_to="far@x.example")) == (foreign, None, "far@x.example")
    assert place(office, send(office, subject="Near", mime_reply_to="far@x.example")) == (None, None, None)


def test_an_answer_stands_for_its_thread(office: Office) -> None:
    first = send(office, subject="Plan", to=("otto@uni.example",))
    answer = send(
        office,
        author=office.other,
        sender="otto@uni.example",
        to=("anna@uni.example",),
        subject="Re: Plan",
        mime_reply_to=identifier(office, first),
        now=LATER,
    )
    assert place(office, answer) == (first, first, None)
    second = send(office, to=("otto@uni.example",), subject="Re: Plan", mime_reply_to=identifier(office, answer), now=LATER + 1)
    standing = select(recipients.c.message_id).where(recipients.c.user_id == office.other, recipients.c.superseded_at.is_(None))
    assert office.run(lambda tx: list(tx.scalars(standing))) == [second]
    assert row(office, first).superseded_at == LATER + 1
    assert [line.read_at for line in roll(office, answer)] == [None], "answering marks nothing as read"


def test_a_letter_that_one_does_not_see_is_no_parent(office: Office) -> None:
    """Somebody else's, a draft, the letter itself, one with a forged Message-ID: foreign mails, all of them."""
    theirs = send(office, author=office.other, sender="otto@uni.example", subject="Hello")
    draft = save(office)
    forged = f"{theirs}.{'x' * 16}@postroom.example"
    for parent in (identifier(office, theirs), identifier(office, draft), forged):
        assert place(office, send(office, mime_reply_to=parent)) == (None, None, parent)
    assert place(office, send(office, draft, mime_reply_to=identifier(office, draft)))[:2] != (draft, draft)


@pytest.mark.parametrize("given", ["a b", "a\r\nX: y", "<a", "x" * 600])
def test_what_cannot_be_a_message_id_answers_nothing(office: Office, given: str) -> None:
    number = send(office, mime_reply_to=given)
    assert (place(office, number), kept(office, number)[1].in_reply_to) == ((None, None, None), "")


def test_threads_of_sent_letters_stay_within_their_author(office: Office) -> None:
    send(office, subject="Far", mime_reply_to="far@x.example")
    other = send(office, author=office.other, sender="otto@uni.example", subject="Far", mime_reply_to="far@x.example")
    assert place(office, other) == (None, None, "far@x.example")


# -- whatever comes --------------------------------------------------------------------------------------------------

ANY = st.text(alphabet=st.characters() | st.sampled_from('\ud800\0\r\n<>@,"('), max_size=30)
ADDRESSES = st.lists(st.sampled_from(["bob@x.example", "A <b@c.example>"]) | ANY, max_size=2).map(tuple)
FILE = st.builds(LetterFile, attachment_id=st.integers(), filename=ANY, size=st.integers(), content_id=ANY)
ANY_LETTER = st.builds(
    Letter,
    sender=st.just(ANNA) | ANY,
    to=ADDRESSES,
    cc=ADDRESSES,
    bcc=ADDRESSES,
    subject=st.just("Plan") | ANY,
    body=st.just("<p>Plan</p>") | ANY,
    important=st.booleans(),
    calendar=st.sampled_from(["", "\ud800", INVITATION.format("REPLY")]) | ANY,
    automatic_reply=st.booleans(),
    mime_reply_to=ANY,
    files=st.lists(FILE, max_size=2).map(tuple),
)


@given(ANY_LETTER, st.sampled_from([letters.save_draft, letters.save_template, letters.send]), st.integers(-1, 3) | st.integers())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_is_kept_or_refused_for_a_reason(sqlite_store: Store, any_letter: Letter, rule: Any, message_id: int) -> None:
    """Design 1.5: nothing but one of our errors."""
    office = Office(sqlite_store)
    office.run(letters.save_draft, desk(office), LETTER)
    try:
        saved = office.run(rule, desk(office), any_letter, message_id)
    except PostroomError:
        return
    letter_records.decoded(row(office, saved.message_id).options)
    options.decoded(row(office, saved.message_id).mail)


def test_letter_takes_the_server_of_the_default_account(office: Office) -> None:
    """Without a connection of its own (SuperOffice contract §9: OutgoingConnectionInfo null), as it was when the letter was sent."""
    servers = structs.replace(office.settings, superoffice=SuperofficeSettings(outgoing_servers=["smtp.other.example"]))
    kept_there = Connection(host="smtp.other.example", port=587, security="tls", username="anna", password="Zażółć")
    given = structs.replace(kept_there, username="given", password="dany")
    vault = office.store.vault

    def used(message_id: int) -> Connection | None:
        found = office.run(connections.of_messages, vault, [message_id]).get(message_id)
        assert kept(office, message_id)[1].own_connection == (found is not None)
        return found

    account = office.run(mail_accounts.number_all, office.author)[0].id
    assert used(send(office)) is None
    office.run(account_servers.keep, vault, office.author, account, kept_there, kind="smtp", settings=servers)
    message = send(office)
    assert used(office.run(letters.send, desk(office), LETTER, 0, given).message_id) == given
    assert used(send(office, author=office.other, sender="otto@uni.example")) is None
    office.run(account_servers.forget, office.author, account, "smtp")
    assert used(message) == kept_there
    assert used(send(office)) is None
