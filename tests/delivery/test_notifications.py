"""A private message, and the mail that tells of it, from the rule that sends it to the mail server (docs/notifications.md)."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

from postroom import clock
from postroom.delivery import housekeeping
from postroom.directory import people, preferences
from postroom.directory.people import NewPerson
from postroom.directory.preferences import Preference
from postroom.messages import mailboxes, private
from postroom.messages.private import PrivateMessage
from postroom.settings import MailSettings
from postroom.storage.store import Store
from tests.delivery.letters import until, with_relay, working
from tests.delivery.mails import text_of
from tests.delivery.sink import Sink, running

UNI = MailSettings(domain="mail.uni.example", organisation="Uniwersytet", no_reply="nobody@uni.example")


def person(store: Store, name: str, chosen: Preference, language: str, now: int) -> int:
    new = NewPerson(first_name=name, last_name="Nowak", email=f"ok-{name.lower()}@x.example", language=language)
    number = store.database.write_now(people.add, new, now)
    store.database.write_now(preferences.choose, number, chosen, now)
    return number


def test_readers_are_told_by_mail_at_once_and_once_a_day(store: Store) -> None:
    async def main() -> dict[str, EmailMessage]:
        async with running(Sink()) as sink:
            ours = with_relay(store, sink.port, mail=UNI)
            now = clock.now()
            author = person(ours, "Anna", Preference(notify="each", content=False), "en", now)
            each = person(ours, "Otto", Preference(notify="each", content=True), "en", now)
            daily = person(ours, "Ewa", Preference(notify="digest", content=False), "pl", now - 2 * clock.DAY)
            message = PrivateMessage(subject="Trip", content="<p>At <b>noon</b>.</p>", recipient_ids=[each, daily])
            ours.database.write_now(private.send, ours.settings, author, message, now - 2 * clock.MINUTE, "schoology")
            await housekeeping.clear(ours, now)
            async with working(ours):
                await until(lambda: len(sink.recipients()) == 2)
            assert ours.database.read_now(mailboxes.unread_count, each) == 1
            assert len(ours.database.read_now(mailboxes.page, each, "inbox", 0, 10)[0]) == 1
            taken: dict[str, EmailMessage] = {}
            for one in sink.taken:
                parsed = message_from_bytes(one.content, policy=policy.default)
                assert isinstance(parsed, EmailMessage)
                taken[one.recipient] = parsed
            return taken

    taken = asyncio.run(main())
    assert set(taken) == {"ok-otto@x.example", "ok-ewa@x.example"}
    for mail in taken.values():
        assert (mail["From"].addresses[0].addr_spec, mail["Auto-Submitted"]) == ("nobody@uni.example", "auto-generated")
    each, daily = taken["ok-otto@x.example"], taken["ok-ewa@x.example"]
    assert (each["Subject"], daily["Subject"]) == ("New message: Trip", "Nieprzeczytane wiadomości: 1")
    assert each["To"].addresses[0].addr_spec == "ok-otto@x.example"
    assert "From: Anna Nowak\nSubject: Trip\n" in text_of(each)
    assert "At noon." in text_of(each)
    assert "- Anna Nowak: Trip\n" in text_of(daily)
    assert "noon" not in text_of(daily)
