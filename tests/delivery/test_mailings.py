"""Mail from programs, from the rule that sends it to the mail server: From, signature, wrapping, values of a template, reports."""

import asyncio
import json
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from msgspec import structs

from postroom import clock
from postroom.directory import clients
from postroom.directory.records import Mailbox
from postroom.messages import mailing_templates, mailings
from postroom.messages.mailing_templates import Sheet
from postroom.messages.mailings import Letter
from postroom.messages.records import MailOptions
from postroom.settings import MailSettings
from postroom.storage.store import Store
from tests.delivery.letters import settled, until, with_relay, working
from tests.delivery.mails import mail, skeleton, text_of
from tests.delivery.sink import Sink, running

UNI = MailSettings(domain="mail.uni.example", organisation="Uniwersytet", own_domains=["uni.example"])
LETTER = Letter(subject="Zażółć", content="Dzień dobry.", sender=Mailbox("USOS", ""))
PROGRAM: dict[str, Any] = {"author_id": None, "client_id": 3, "author_name": "", "author_email": None}


def delivered(store: Store, send: Callable[[Store, int], list[int]], count: int) -> dict[str, EmailMessage]:
    """Send in the name of a program while a worker runs, and return what the mail server took, by recipient."""

    async def main() -> dict[str, EmailMessage]:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port, mail=UNI)
            client = store.database.write_now(clients.add_client, store.vault, "program", administrative=True, now=clock.now())
            async with working(ours):
                numbers = send(ours, client.id)
                for number in numbers:
                    await settled(ours, number)
                await until(lambda: len(sink.recipients()) == count)
            taken: dict[str, EmailMessage] = {}
            for one in sink.taken:
                parsed = message_from_bytes(one.content, policy=policy.default)
                assert isinstance(parsed, EmailMessage)
                taken[one.recipient] = parsed
            return taken

    return asyncio.run(main())


def test_one_message_reaches_each_recipient_alone(store: Store) -> None:
    """send_simple_message: From, wrapped text, signature in the language, nobody else named; the report goes to its address."""
    letter = structs.replace(LETTER, content="słowo " * 40, sender=Mailbox("Dziekanat", "d@uni.example"), summary_email="ok-boss@x.example")
    given = mailings.checked(letter, ["ok1@x.example", "ok2@x.example", "spam@x.example"])
    taken = delivered(
        store, lambda ours, client: [ours.database.write_now(mailings.send, ours.settings, client, given, clock.now())], count=3
    )
    assert set(taken) == {"ok1@x.example", "ok2@x.example", "ok-boss@x.example"}
    for address in ("ok1@x.example", "ok2@x.example"):
        one = taken[address]
        assert (one["From"], one["To"], one["Subject"]) == ("Dziekanat <d@uni.example>", address, "Zażółć")
        assert (one["Auto-Submitted"], one["Content-Language"], one["Reply-To"], one["Cc"]) == ("auto-generated", "pl", None, None)
        text, signature = text_of(one).split("\n-- \n")
        assert max(len(line) for line in text.split("\n")) <= 76
        assert text.split() == ["słowo"] * 40
        assert signature == "Wiadomość wysłana przez: Dziekanat\nUniwersytet\n"
    report = taken["ok-boss@x.example"]
    assert report["Subject"] == "Raport z wysyłki: Zażółć"
    assert "USOS" not in report["From"]
    assert "- spam@x.example: nie doręczono (554 5.7.1 we do not want this" in text_of(report)
    assert "\n-- \n" not in text_of(report)


def test_several_messages_reach_their_recipients(store: Store) -> None:
    """send_simple_messages: each with its own text and sender; a foreign From is the no-reply address, Reply-To the true one."""
    first = mailings.checked(structs.replace(LETTER, language="en", content="<p>Hello</p>", content_format="html"), ["ok1@x.example"])
    second = mailings.checked(structs.replace(LETTER, sender=Mailbox("Shop", "s@shop.example")), ["ok2@x.example"])
    taken = delivered(
        store, lambda ours, client: ours.database.write_now(mailings.send_all, ours.settings, client, [first, second], clock.now()), count=2
    )
    one, other = taken["ok1@x.example"], taken["ok2@x.example"]
    assert one["From"] == "USOS <no-reply@mail.uni.example>"
    assert text_of(one).endswith("-- \nMessage sent by: USOS\nUniwersytet\n")
    assert "<p>Message sent by: USOS<br>Uniwersytet</p>" in text_of(one, "html")
    assert (other["From"], other["Reply-To"]) == ("Shop <no-reply@mail.uni.example>", "Shop <s@shop.example>")


def test_a_template_reaches_each_recipient_with_the_own_values(store: Store) -> None:
    """send_simple_by_template: values in subject and text, braces, the same address twice."""
    letter = structs.replace(LETTER, subject="Wynik: {points}", content="Witaj {name}, {{ok}}.\n" + "długi " * 20 + "{name}")
    sheet = Sheet(letter)
    people = [("ok1@x.example", "Anna", "5"), ("ok2@x.example", "Łukasz {x}", "4.50"), ("ok2@x.example", "Łukasz {x}", "4.50")]
    given = sheet.mailing(
        [sheet.addressee(place, email, {"name": name, "points": points}) for place, (email, name, points) in enumerate(people, 1)]
    )

    def send(ours: Store, client: int) -> list[int]:
        ids = ours.database.write_now(mailing_templates.send, ours.settings, client, given, clock.now())
        return [int(ids[0].partition("-")[0])]

    taken = delivered(store, send, count=3)
    for email, name, points in people:
        one = taken[email]
        assert one["Subject"] == f"Wynik: {points}"
        text = text_of(one)
        assert text.startswith(f"Witaj {name}, {{ok}}.\ndługi")
        assert text.split("\n-- \n")[0].split() == [*f"Witaj {name}, {{ok}}.".split(), *["długi"] * 20, *name.split()]
        assert max(map(len, text.split("\n"))) <= 76
        assert text.endswith("-- \nWiadomość wysłana przez: USOS\nUniwersytet\n")


@pytest.mark.parametrize(("language", "words"), [("pl", "Wiadomość wysłana przez: USOS"), ("en", "Message sent by: USOS")])
def test_the_signature_of_a_program_is_in_the_language_of_the_message(language: str, words: str) -> None:
    """Contract 1.5 (lang). What the server itself says carries none."""
    options = MailOptions(sender=Mailbox("USOS", ""))
    assert f"\n-- \n{words}\nUniwersytet Łódzki\n" in text_of(mail(**PROGRAM, mail=options, language=language))
    assert "-- " not in text_of(mail(**{**PROGRAM, "client_id": None}, mail=options, language=language))


def test_a_mailing_of_a_program_is_filed_by_the_program() -> None:
    """List-Id, as for people: it names who sends, not the message."""
    options = MailOptions(sender=Mailbox("USOS", ""))
    lists = [bytes(skeleton(mailing=True, **{**PROGRAM, "client_id": number}, mail=options).tail[0]) for number in (3, None)]
    assert b"List-Id: USOS <client-3.mailings.mail.uni.example>" in lists[0]
    assert b"<server.mailings.mail.uni.example>" in lists[1]


def test_a_bad_value_that_was_kept_all_the_same_fails_its_own_mail_only(sqlite_store: Store) -> None:
    """The composer checks once more: no line break comes into a subject, and the others get their mail."""
    sheet = Sheet(structs.replace(LETTER, subject="{a}", content="{a}"))
    good = sheet.addressee(1, "ok1@x.example", {"a": "x"})
    bad = structs.replace(good, email="ok2@x.example", variables=json.dumps({"a": "x\r\nBcc: all@x.example"}))
    given = sheet.mailing([good, bad])

    def send(ours: Store, client: int) -> list[int]:
        ids = ours.database.write_now(mailing_templates.send, ours.settings, client, given, clock.now())
        return [int(ids[0].partition("-")[0])]

    assert set(delivered(sqlite_store, send, count=1)) == {"ok1@x.example"}
