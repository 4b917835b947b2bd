"""Letters from the call to the mail server and back into the mailbox (wire/onlyoffice.md §1a.6 steps 5 to 11, §7.5.7, §7.5.8, §8.20)."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.delivery.letters import settled, with_relay, working
from tests.delivery.mails import read, text_of
from tests.delivery.sink import Sink, running
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import JAN
from tests.dialects.onlyoffice.test_downloads import PATH, fetch
from tests.messages.test_letters import INVITATION

SEND = "/mail/messages/send"


def delivered(api: Api, sink_is_told: Callable[[Sink], None], number: int) -> Sink:
    """Let a worker carry a letter that was sent; return the mail server, which knows what came."""

    async def main() -> Sink:
        async with running(Sink()) as sink:
            sink_is_told(sink)
            async with working(with_relay(api.store, sink.port)):
                await settled(api.store, number // 2)
            return sink

    return asyncio.run(main())


def folder(api: Api, number: int) -> Any:
    shown = api.result("GET", f"/mail/messages/{number}")
    return shown["folder"], shown["restoreFolderId"]


def test_a_letter_is_sending_and_then_sent(api: Api) -> None:
    """Folder 0, then 2; what was asked for is in the mail, hidden recipients are on the envelope alone, and all are contacts."""
    draft = api.result("PUT", "/mail/drafts/save", json={"from": JAN, "subject": "Old", "body": "<p>Old</p>"})
    file = api.result("POST", "/mail/messages/attachment/add", params={"id_message": draft["id"], "name": "a.txt"}, data=b"abc")
    letter = {
        "id": draft["id"],
        "from": JAN,
        "to": ['"Bob" <ok-bob@x.example>'],
        "cc": "ok-cat@x.example",
        "bcc": ["ok-dan@x.example"],
        "subject": "Zażółć",
        "body": "<p>Gęślą <b>jaźń</b></p>",
        "importance": True,
        "requestRead": True,
        "requestReceipt": True,
        "attachments": [file],
        "mimeReplyToId": "parent@elsewhere.example",
    }
    number = api.result("PUT", SEND, json=letter)
    assert folder(api, number) == (0, 0)
    sink = delivered(api, lambda _sink: None, number)
    assert folder(api, number) == (2, 2)
    assert sink.recipients() == ["ok-bob@x.example", "ok-cat@x.example", "ok-dan@x.example"]
    mail = read(sink.taken[0].content)
    assert (mail["Message-ID"], mail["In-Reply-To"], mail["References"], mail["Bcc"]) == (
        *(f"<{draft['mimeMessageId']}>", "<parent@elsewhere.example>"),
        *(None, None),
    )
    assert (mail["From"], mail["To"], mail["Cc"], mail["Subject"]) == (
        *("Jan Robak <jan@x.example>", "Bob <ok-bob@x.example>"),
        *("ok-cat@x.example", "Zażółć"),
    )
    assert (mail["Importance"], mail["X-Priority"]) == ("high", "1")
    assert "jan@x.example" in mail["Disposition-Notification-To"]
    assert "jan@x.example" in mail["Return-Receipt-To"]
    assert "Gęślą jaźń" in text_of(mail)
    assert [(part.get_filename(), part.get_content()) for part in mail.iter_attachments()] == [("a.txt", "abc")]
    refused = api.call("PUT", SEND, json=letter)
    assert (refused.status_code, refused.json()["error"]["message"]) == (403, "Sending emails is permitted only in the Drafts folder")


def test_a_letter_that_is_refused_is_a_draft_again(api: Api) -> None:
    """Back in Drafts; a letter of the daemon, unread and important; an alert that leads to both; and it can be sent anew."""
    letter = {"from": JAN, "to": ["ok-bob@x.example"], "subject": "Hello", "body": "<p>Hi</p>"}
    number = api.result("PUT", SEND, json=letter)

    def refuse(sink: Sink) -> None:
        sink.refusals["ok-bob@x.example"] = ["550 5.1.1 no such user here"]

    assert delivered(api, refuse, number).recipients() == []
    assert folder(api, number)[0] == 3
    (told,) = api.result("GET", "/mail/messages")
    assert (told["from"].rpartition(" ")[2].strip("<>"), told["subject"]) == ("mail-daemon@onlyoffice.com", "Message delivery failure")
    assert (told["isNew"], told["important"], told["folder"]) == (True, True, 1)
    assert "no such user here" in api.result("GET", f"/mail/messages/{told['id']}")["htmlBody"]
    (alert,) = api.result("GET", "/mail/alert")
    assert alert["type"] == 1
    assert json.loads(alert["data"]) == {"failure_id": told["id"], "from": JAN, "message_id": number, "subject": "Hello"}
    again = {**letter, "id": number, "to": ["ok-cat@x.example"]}
    assert api.result("PUT", SEND, json=again) == number
    assert delivered(api, lambda _sink: None, number).recipients() == ["ok-cat@x.example"]
    assert folder(api, number) == (2, 2)


def test_a_calendar_is_a_file_of_the_letter_once(sqlite_api: Api) -> None:
    """§1a.6 steps 8 and 10: one file in the mail, one in the mailboxes; sending again after a failure makes no second one."""
    given = {"from": JAN, "to": ["ok-bob@x.example"], "subject": "Meeting", "body": "<p>x</p>", "calendarIcs": INVITATION.format("REQUEST")}
    number = sqlite_api.result("PUT", SEND, json=given)

    def refuse(sink: Sink) -> None:
        sink.refusals["ok-bob@x.example"] = ["550 5.7.1 not today"]

    delivered(sqlite_api, refuse, number)
    shown = sqlite_api.result("GET", f"/mail/messages/{number}")
    assert (shown["folder"], shown["calendarUid"]) == (3, "1@x.example")
    (file,) = shown["attachments"]
    assert (file["fileName"], file["contentType"]) == ("invite.ics", "application/ics")
    assert fetch(sqlite_api, f"{PATH}?attachid={file['fileId']}", sqlite_api.token).content.decode() == given["calendarIcs"]
    assert sqlite_api.result("PUT", SEND, json={**given, "id": number, "attachments": [file]}) == number
    (mail,) = delivered(sqlite_api, lambda _sink: None, number).taken
    names = [part.get_filename() for part in read(mail.content).walk() if part.get_filename()]
    assert names == ["invite.ics"]
    (again,) = sqlite_api.result("GET", f"/mail/messages/{number}")["attachments"]
    assert (again["fileName"], again["fileId"] != file["fileId"]) == ("invite.ics", True)
    files = [path for path in (sqlite_api.store.settings.data_dir / "blobs").glob("*/*") if path.is_file()]
    assert len(files) == 1, "what nobody needs is gone"


def test_a_calendar_that_is_none_is_no_file(sqlite_api: Api) -> None:
    """§8.19: accepted, and a failure of delivery; a refused call leaves no file behind either."""
    given = {"from": JAN, "to": ["ok-bob@x.example"], "calendarIcs": "nonsense"}
    number = sqlite_api.result("PUT", SEND, json=given)
    assert sqlite_api.result("GET", f"/mail/messages/{number}")["attachments"] == []
    refused = sqlite_api.call("PUT", SEND, json={**given, "calendarIcs": INVITATION.format("REPLY"), "to": ["nobody"]})
    assert refused.status_code == 400
    assert not [path for path in (sqlite_api.store.settings.data_dir / "blobs").glob("*/*") if path.is_file()]


def test_what_is_simply_sent_is_delivered_and_never_seen_again(sqlite_api: Api) -> None:
    """§1b simpleSend: only that it failed is told, in the inbox (ours)."""
    receipt = {"from": JAN, "to": ["ok-bob@x.example"], "subject": "Read", "body": "<p>Read</p>"}
    kept = lambda: [one["subject"] for place in range(8) for one in sqlite_api.result("GET", f"/mail/messages?folder={place}")]  # noqa: E731
    sqlite_api.result("PUT", "/mail/messages/simpleSend", json=receipt)
    assert delivered(sqlite_api, lambda _sink: None, 2).recipients() == ["ok-bob@x.example"]
    assert kept() == []
    sqlite_api.result("PUT", "/mail/messages/simpleSend", json=receipt)

    def refuse(sink: Sink) -> None:
        sink.refusals["ok-bob@x.example"] = ["550 5.1.1 no such user here"]

    assert delivered(sqlite_api, refuse, 4).recipients() == []
    assert kept() == ["Message delivery failure"]
