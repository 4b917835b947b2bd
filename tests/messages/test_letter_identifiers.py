"""Message-IDs that programs give to letters: each is sent once (docs/letters.md)."""

import threading

import pytest
from msgspec import structs
from sqlalchemy import update

from postroom.errors import Invalid, WrongState
from postroom.messages import filing, letters, message_ids
from postroom.messages.items import Key
from postroom.messages.letter_records import SavedLetter
from postroom.messages.records import CustomHeader, NewAttachment
from postroom.storage.tables import messages
from tests.messages.conftest import NOW, Office
from tests.messages.test_letters import LATER, desk, files_of, kept, letter, roll, row, save, send
from tests.support import counted

GIVEN = "<one@client.example>"


def again(office: Office, **changes: object) -> SavedLetter:
    return office.run(letters.send, desk(office, now=LATER), letter(identifier=GIVEN, **changes))


def test_what_was_sent_is_not_sent_again(office: Office) -> None:
    """The truth of the first is told, whatever the second says; its files are given back."""
    number = send(office, identifier=GIVEN)
    file = NewAttachment(blob_key="k", filename="a", content_type="", size=1)
    found = again(office, subject="Other", new_files=(file,))
    assert found == SavedLetter(message_id=number, blob_keys=["k"], identifier="one@client.example", sent_at=NOW, is_repeated=True)
    assert (row(office, number).subject, len(roll(office, number)), len(office.rows(messages))) == ("Hello", 1, 1)
    assert kept(office, number)[1].message_id == "one@client.example"


def test_one_that_was_thrown_away_is_still_sent(office: Office) -> None:
    number = send(office, identifier=GIVEN)
    office.run(filing.remove, office.author, [Key(own=True, id=number)], LATER)
    assert again(office).message_id == number


def test_a_draft_with_it_is_changed_and_sent(office: Office) -> None:
    number = save(office, identifier=GIVEN)
    assert save(office, identifier=GIVEN, subject="B") == number
    assert again(office).message_id == number
    assert row(office, number).status == "pending"


def test_a_draft_that_was_thrown_away_gives_it_up(office: Office) -> None:
    number = save(office, identifier=GIVEN)
    office.run(filing.remove, office.author, [Key(own=True, id=number)], LATER)
    assert again(office).message_id != number


def test_two_letters_cannot_be_meant(office: Office) -> None:
    save(office, identifier=GIVEN)
    other = save(office)
    with pytest.raises(WrongState, match="message_id_in_use"):
        send(office, other, identifier=GIVEN)


def test_each_author_has_them_for_themselves(office: Office) -> None:
    number = send(office, identifier=GIVEN)
    theirs = send(office, author=office.other, sender="otto@uni.example", identifier=GIVEN)
    assert theirs != number


def test_one_of_ours_names_its_own_letter_and_no_other(office: Office) -> None:
    number = send(office)
    own = message_ids.made(office.store.vault, office.settings.mail.domain, number)
    assert send(office, identifier=own) == number
    foreign = message_ids.made(office.store.vault, office.settings.mail.domain, number + 50)
    fresh = send(office, identifier=foreign)
    assert kept(office, fresh)[1].message_id != foreign.strip("<>")


def test_what_is_none_is_refused(office: Office) -> None:
    for wrong in ("no", "<a@b", "<a b@c>", f"<{'a' * 600}@b>", "<a@b>\r\nBcc: x@y.example"):
        with pytest.raises(Invalid, match="message_id"):
            send(office, identifier=wrong)
    assert office.rows(messages) == []


def test_two_calls_at_once_send_once(office: Office) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(again(office).message_id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(found), len(set(found)), len(office.rows(messages))) == (8, 1, 1)


def test_it_costs_two_statements_and_nothing_without_one(office: Office) -> None:
    with counted(office.store) as without:
        send(office)
    with counted(office.store) as given:
        send(office, identifier=GIVEN)
    assert len(given) == len(without) + 2


def test_a_letter_has_all_that_a_mail_has(office: Office) -> None:
    """Plain text beside the HTML or alone, any priority, header fields; a new file is shown by the text or attached to it."""
    files = tuple(
        NewAttachment(blob_key=key, filename=f"{key}.png", content_type="image/png", size=3, content_id=key) for key in ("shown", "other")
    )
    changes = {"text": "Words", "importance": "low", "headers": (CustomHeader("X-A", "1"),), "new_files": files}
    number = send(office, body='<img src="cid:shown">', **changes)
    mail = kept(office, number)[1]
    assert (mail.text, mail.importance, mail.headers, mail.signature) == ("Words", "low", (CustomHeader("X-A", "1"),), False)
    assert [(file.filename, file.disposition) for file in files_of(office, number)] == [
        ("shown.png", "inline"),
        ("other.png", "attachment"),
    ]
    alone = send(office, body="", text="Words")
    assert (row(office, alone).content, row(office, alone).content_format, kept(office, alone)[1].text) == ("Words", "plain", None)
    with pytest.raises(Invalid, match="set by the server"):
        send(office, headers=(CustomHeader("Bcc", "x@y.example"),))
    with pytest.raises(Invalid, match="text"):
        send(office, text="\0")
    assert structs.replace(letter(), text=None) == letter()


def test_a_letter_that_reached_nobody_is_sent_anew(office: Office) -> None:
    """It is a draft again, so nobody can get it twice."""
    number = send(office, identifier=GIVEN)
    office.run(lambda tx: tx.execute(update(messages).values(status="error", sent_at=None)) and None)
    found = again(office)
    assert (found.message_id, found.is_repeated, row(office, number).status) == (number, False, "pending")
