"""Mails that are sent and kept through the agent, with real SMTP (wire/superoffice.md §1.1, §1.2, §5.1, §7; docs/superoffice.md)."""

import asyncio
import socket
import threading
import time
from base64 import b64encode
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import msgspec
import pytest
import requests
from sqlalchemy import func, select

from postroom.dialects.superoffice import binder, sending
from postroom.dialects.superoffice.carriers import EMailAttachment
from postroom.dialects.superoffice.dates import Dates
from postroom.dialects.superoffice.errors import Refusal
from postroom.storage.tables import attachments, connections, messages, sent_copies
from tests.delivery.letters import with_relay, working
from tests.delivery.sink import Sink, running
from tests.dialects.superoffice.conftest import Api
from tests.support import counted

JAN = {"address": "jan@x.example", "name": "Whoever"}


def mail(*to: str, **changes: Any) -> dict[str, Any]:
    """Return a mail as the client writes it (§5.1)."""
    return {"to": [{"address": one} for one in to], "subject": "Hei æøå", "htmlBody": "<p>x</p>", "from": JAN, **changes}


def carried(api: Api, name: str, body: Any, sink: Sink | None = None) -> tuple[requests.Response, Sink]:
    """Call while a worker carries what is sent; return the answer, and the mail server, which knows what came."""

    async def main() -> tuple[requests.Response, Sink]:
        async with running(sink or Sink()) as server, working(with_relay(api.store, server.port)):
            return await asyncio.to_thread(api.call, name, body), server

    return asyncio.run(main())


def send(api: Api, *mails: dict[str, Any]) -> tuple[Any, Sink]:
    answer, sink = carried(api, "SendEMails", {"outgoingConnectionInfo": None, "emails": list(mails), "sentItemsConnectionInfo": None})
    assert answer.status_code == 200, answer.text
    return answer.json(), sink


def read(sink: Sink, number: int = 0) -> EmailMessage:
    found = BytesParser(policy=policy.default).parsebytes(sink.taken[number].content)
    assert isinstance(found, EmailMessage)
    return found


def count(api: Api, table: Any) -> int:
    number: int = api.store.database.read_now(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one())
    return number


def refused(api: Api, body: Any, status: int = 400) -> str:
    """Why a call is refused; it changes nothing."""
    before = count(api, messages), count(api, attachments)
    answer = api.call("SendEMails", body)
    assert answer.status_code == status, answer.text
    assert (count(api, messages), count(api, attachments)) == before
    assert not blobs_of(api)
    said: dict[str, str] = answer.json()
    return said.get("ErrorMessage") or said["MessageDetail"]


def blobs_of(api: Api) -> list[str]:
    return [file.name for file in (api.store.settings.data_dir).rglob("*") if file.is_file() and len(file.name) == 32]


def test_a_mail_is_sent_with_all_that_it_has(api: Api) -> None:
    """§4.2: recipients, both bodies, priority, header fields, a file and the Message-ID as given; hidden ones on the envelope alone."""
    given = mail(
        "ok-bob@x.example",
        cc=[{"address": "ok-cat@x.example", "name": "Cat, the"}],
        bcc=[{"address": "ok-dan@x.example"}, {}],
        plainBody="Ordene",
        priority="High",
        flags=33,
        sent="2024-01-02T03:04:05.000Z",
        messageID="<one@client.example>",
        inReplyTo={"messageId": "<zero@client.example>"},
        attachments=[{"filename": "a.txt", "type": "text/plain", "stream": b64encode(b"hello").decode()}, {}],
        customHeaderList=[{"name": "X-Foo", "values": ["1", "2"]}, {}],
    )
    (told,), sink = send(api, given)
    assert sink.recipients() == ["ok-bob@x.example", "ok-cat@x.example", "ok-dan@x.example"]
    came = read(sink)
    assert (came["From"], came["To"], came["Cc"], came["Bcc"]) == (
        "Jan Robak <jan@x.example>",
        "ok-bob@x.example",
        '"Cat, the" <ok-cat@x.example>',
        None,
    )
    assert (came["Subject"], came["Message-ID"], came["In-Reply-To"]) == ("Hei æøå", "<one@client.example>", "<zero@client.example>")
    assert (came["Importance"], came.get_all("X-Foo")) == ("high", ["1", "2"])
    assert "2024" not in came["Date"]
    assert (came.get_body(("plain",)).get_content().strip(), "<p>x</p>" in came.get_body(("html",)).get_content()) == ("Ordene", True)
    assert [(part.get_filename(), part.get_content()) for part in came.iter_attachments()] == [("a.txt", "hello")]
    assert (told["IsSent"], told["MessageID"], told["FolderName"], told["Flags"]) == (True, "one@client.example", "Sent Items", "Seen")
    assert (told["Attachments"][0]["Stream"], told["Attachments"][0]["Size"]) == (None, 5)
    kept = api.result("GetEMail", {"id": told["EmailItemId"], "includeAttachments": True})
    assert (kept["Subject"], kept["PlainBody"], kept["Bcc"][0]["Address"]) == ("Hei æøå", "Ordene", "ok-dan@x.example")


def test_a_mail_of_plain_text_alone_has_no_html(sqlite_api: Api) -> None:
    (_,), sink = send(sqlite_api, mail("ok@x.example", htmlBody=None, plainBody="Only <words>"))
    assert (read(sink).get_content_type(), read(sink).get_content().strip()) == ("text/plain", "Only <words>")


def test_what_the_text_shows_is_a_part_within_it(sqlite_api: Api) -> None:
    """§4.3: only Id and Disposition hint at it; what counts is that the HTML shows it."""
    shown = {"filename": "a.png", "type": "image/png", "id": "logo", "stream": b64encode(b"png").decode()}
    (_,), sink = send(sqlite_api, mail("ok@x.example", htmlBody='<img src="cid:logo">', attachments=[shown]))
    assert [part["Content-ID"] for part in read(sink).walk() if part.get_content_type() == "image/png"] == ["<logo>"]


def test_without_a_sender_the_default_account_writes(sqlite_api: Api) -> None:
    """§7.1: like Send."""
    answer, sink = carried(sqlite_api, "Send", {"emails": [mail("ok@x.example", **{"from": None})]})
    assert answer.json()[0]["From"]["Address"] == read(sink)["From"].addresses[0].addr_spec == "jan@x.example"


def test_each_mail_of_a_call_is_told_of(api: Api) -> None:
    """§7.2 partial failure: 200, IsSent of each; the one that reached nobody is a draft again."""
    told, sink = send(api, mail("ok@x.example"), mail("p5@x.example", subject="B"), mail("p5@x.example", "ok2@x.example", subject="C"))
    assert [one["IsSent"] for one in told] == [True, False, True]
    assert sink.recipients() == ["ok2@x.example", "ok@x.example"]
    assert api.result("GetEMail", {"id": told[1]["EmailItemId"]})["Flags"] == "Seen, Draft"


def test_none_sent_is_an_error_with_the_words_of_the_mail_server(api: Api) -> None:
    """§5.2: a failed send as 200 would be invisible to the client."""
    answer, _ = carried(api, "SendEMails", {"emails": [mail("p5@x.example")]})
    assert (answer.status_code, answer.json()["ErrorType"]) == (502, "SmtpCommandException")
    said = answer.json()["ErrorMessage"]
    assert said.startswith("No mail was sent. Emails[0]: 550")
    assert "ask somebody else" in said
    assert said.endswith("it reached nobody, and is a draft again.")


def test_what_is_kept_is_told_in_numbers(api: Api) -> None:
    """§4.2: Size and AccountId are those of the mail as the mailbox has it, whatever the request said; FolderName is where it stands."""
    file = {"filename": "a.txt", "stream": "aGVsbG8="}
    (told, refused), _ = send(api, mail("ok@x.example", attachments=[file], size=7, accountId=-5), mail("p5@x.example"))
    assert (told["Size"], told["AccountId"]) == (len("<p>x</p>") + len("hello"), api.result("GetCurrentAccountId"))
    assert (refused["FolderName"], refused["Flags"]) == ("Drafts", "Seen, Draft")
    kept = api.result("GetEMail", {"id": told["EmailItemId"]})
    assert {name: told[name] for name in ("Size", "AccountId", "FolderName", "MessageID", "Sent", "IsSent", "Flags")} == {
        name: kept[name] for name in ("Size", "AccountId", "FolderName", "MessageID", "Sent", "IsSent", "Flags")
    }


def test_a_repeated_call_tells_nothing_of_a_mail_that_was_deleted_but_that_it_was_sent(sqlite_api: Api) -> None:
    given = mail("ok@x.example", messageID="<once@client.example>")
    (first,), _ = send(sqlite_api, given)
    sqlite_api.result("DeleteEmails", {"ids": [first["EmailItemId"]]})
    (second,), sink = send(sqlite_api, given)
    assert (sink.taken, second["IsSent"], second["Size"], second["AccountId"]) == ([], True, 0, 0)


def test_what_is_tried_again_later_is_said_to_be_kept(api: Api) -> None:
    """By the MessageID that the error names a program can ask what became of the mail, even if it gave none; it is not sent anew."""
    answer, _ = carried(api, "SendEMails", {"emails": [mail("t4x9@x.example")]})
    assert (answer.status_code, answer.json()["ErrorType"]) == (504, "TimeoutException")
    said = answer.json()["ErrorMessage"]
    assert "451" in said
    assert "do not send it anew" in said
    named = said.partition("with the MessageID ")[2].split()[0]
    assert api.result("GetMailFromMessageId", {"messageId": named})["To"][0]["Address"] == "t4x9@x.example"
    api.change(wait=0.0)
    (told,) = api.result("SendEMails", {"emails": [mail("t4x9@x.example", messageID=named)]})
    assert (told["MessageID"], told["IsSent"], told["FolderName"]) == (named, False, "Outbox")
    assert count(api, messages) == 1


def test_nobody_waits_longer_than_was_settled(sqlite_api: Api) -> None:
    """superoffice.wait: without a worker nothing is known; with 0 the answer comes at once, and says so."""
    sqlite_api.change(wait=0.1)
    answer = sqlite_api.call("SendEMails", {"emails": [mail("ok@x.example")]})
    assert (answer.status_code, answer.json()["ErrorType"]) == (504, "TimeoutException")
    sqlite_api.change(wait=0.0)
    assert sqlite_api.result("SendEMails", {"emails": [mail("ok@x.example")]})[0]["IsSent"] is False


def test_a_repeated_call_sends_nothing_and_tells_the_truth_of_the_first(api: Api) -> None:
    given = mail("ok@x.example", messageID="<once@client.example>", attachments=[{"filename": "a", "stream": "YQ=="}])
    (first,), _ = send(api, given)
    kept = blobs_of(api)
    (second,), sink = send(api, given)
    assert sink.taken == []
    assert blobs_of(api) == kept
    assert {name: second[name] for name in ("EmailItemId", "MessageID", "IsSent", "Sent")} == {
        name: first[name] for name in ("EmailItemId", "MessageID", "IsSent", "Sent")
    }


def test_two_calls_at_once_send_once(api: Api) -> None:
    api.change(wait=0.0)
    given = {"emails": [mail("ok@x.example", messageID="<once@client.example>")]}
    answers: list[int] = []
    ticket = api.ticket

    def call() -> None:
        answer = requests.post(
            f"{api.root}/api/v1/Agents/EMail/Send", json=given, headers={"Authorization": f"SOTicket {ticket}"}, timeout=30
        )
        answers.append(answer.json()[0]["EmailItemId"])

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(answers)) == 1
    assert len(answers) == 6
    assert count(api, messages) == 1


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        ({"to": []}, 400, "Emails[1].To: required"),
        ({"to": [{"address": "nobody"}]}, 400, "Emails[1].To: not an address"),
        ({"to": [{"name": "Bob"}]}, 400, "Emails[1].To: no address is known of Bob"),
        ({"from": {"address": "ewa@x.example"}}, 403, "Emails[1].From: ewa@x.example is no address of the caller's"),
        ({"subject": "a\nb"}, 400, "Emails[1].Subject: "),
        ({"messageID": "<a b@c>"}, 400, "Emails[1].MessageID: no Message-ID"),
        ({"customHeaderList": [{"name": "Bcc", "values": ["x@y.example"]}]}, 400, "Emails[1].CustomHeaderList: Bcc cannot be given"),
        ({"customHeaderList": [{"name": "X-A", "values": ["b\r\nBcc: x@y.example"]}]}, 400, "Emails[1].CustomHeaderList: "),
        ({"attachments": [{"filename": "a.txt"}]}, 400, "Emails[1].Attachments: no Stream"),
        ({"attachments": [{"filename": "a.txt", "stream": "???"}]}, 400, "Emails[1].Attachments[0].Stream: base64 is expected"),
    ],
)
def test_a_call_with_a_wrong_mail_sends_none(sqlite_api: Api, changes: Any, status: int, expected: str) -> None:
    """Nothing is changed, and the file of the first mail is deleted again."""
    first = mail("ok@x.example", attachments=[{"filename": "a", "stream": "YQ=="}])
    second = mail(**changes) if "to" in changes else mail("ok@x.example", **changes)
    assert refused(sqlite_api, {"emails": [first, second]}, status).startswith(expected)


def test_a_call_has_mails_and_not_too_many(sqlite_api: Api) -> None:
    assert "Emails" in refused(sqlite_api, {"emails": []})
    assert refused(sqlite_api, {"emails": [mail("ok@x.example")] * (sending.MAX_MAILS + 1)}) == "Emails: more than 100"


def test_files_of_others_do_not_go_along(sqlite_api: Api) -> None:
    sqlite_api.change(wait=0.0)
    secret = {"filename": "a", "stream": "YQ=="}
    theirs = sqlite_api.call(
        "SaveDraft",
        {"entity": {"subject": "S", "from": {"address": "ewa@x.example"}, "attachments": [secret]}},
        ticket=sqlite_api.ticket_of(sqlite_api.ewa),
    ).json()
    number = theirs["Attachments"][0]["Id"]
    answer = sqlite_api.call("SendEMails", {"emails": [mail("ok@x.example", attachments=[{"filename": "a", "id": number}])]})
    assert (answer.status_code, answer.json()["ErrorMessage"]) == (400, "Emails[0].Attachments: no Stream, and no such file: a")


def test_a_draft_is_kept_changed_and_sent(api: Api) -> None:
    """Its file is named by what GetEMail calls it; sending consumes the draft."""
    draft = api.result("Save", {"email": mail("nonsense", attachments=[{"filename": "a.txt", "stream": "YQ=="}])})
    assert (draft["Flags"], draft["FolderName"], draft["IsSent"]) == ("Seen, Draft", "Drafts", False)
    again = api.result("SaveDraft", {"entity": {**draft, "Subject": "B"}})
    assert (again["EmailItemId"], again["Subject"], len(again["Attachments"])) == (draft["EmailItemId"], "B", 1)
    (told,), sink = send(api, {**again, "To": [{"Address": "ok@x.example"}]})
    assert (told["EmailItemId"], told["MessageID"]) == (draft["EmailItemId"], draft["MessageID"])
    assert [part.get_filename() for part in read(sink).iter_attachments()] == ["a.txt"]
    assert count(api, messages) == 1
    copied = api.result("Save", {"email": {**told, "Attachments": []}})
    assert copied["EmailItemId"] != told["EmailItemId"]


def test_servers_that_nobody_allowed_are_refused(sqlite_api: Api) -> None:
    """Design promise 5: SSRF through mail servers that clients name."""
    for name in ("outgoingConnectionInfo", "sentItemsConnectionInfo"):
        info = {"serverName": "169.254.169.254:80", "userName": "u", "password": "p"}
        said = refused(sqlite_api, {name: info, "emails": [mail("ok@x.example")]})
        assert said == f"{name[0].upper()}{name[1:]}.ServerName: this mail server is not one that programs may name here"


@pytest.mark.parametrize("inside", ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "::1"])
def test_a_name_that_leads_inside_is_never_connected_to(sqlite_api: Api, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    """Design promise 5: an allowed name may lead to us when it is asked for; the mail reaches nobody, and its author is told why."""
    found = socket.getaddrinfo

    def lookup(host: Any, port: Any, *given: Any, **options: Any) -> Any:
        return found(inside if host == "mail.other.example" else host, port, *given, **options)

    monkeypatch.setattr("socket.getaddrinfo", lookup)

    async def main() -> tuple[requests.Response, Sink, Sink]:
        async with running(Sink()) as relay, running(Sink()) as own:
            sqlite_api.change(outgoing_servers=[f"*.other.example:{own.port}"])
            server = {"serverName": f"mail.other.example:{own.port}", "userName": "u", "password": "Kot w butach"}
            body = {"outgoingConnectionInfo": server, "emails": [mail("ok@x.example")]}
            async with working(with_relay(sqlite_api.store, relay.port)):
                return await asyncio.to_thread(sqlite_api.call, "SendEMails", body), relay, own

    answer, relay, own = asyncio.run(main())
    assert (answer.status_code, answer.json()["ErrorType"]) == (502, "SmtpCommandException")
    assert "leads to an address that is not allowed here" in answer.json()["ErrorMessage"]
    assert "Kot" not in answer.text
    assert (relay.taken, relay.connections, own.connections) == ([], 0, 0)
    assert count(sqlite_api, connections) == 0


def test_a_stalling_server_holds_nobody_longer_than_was_settled(sqlite_api: Api) -> None:
    """§7.1: the answer comes in time, and says what happens to the mail."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def main() -> tuple[requests.Response, float]:
        async with running(Sink()) as relay, await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sqlite_api.change(outgoing_servers=[f"127.0.0.1:{port}"], wait=0.5)
            body = {"outgoingConnectionInfo": {"serverName": f"127.0.0.1:{port}"}, "emails": [mail("ok@x.example")]}
            async with working(with_relay(sqlite_api.store, relay.port)):
                start = time.monotonic()
                return await asyncio.to_thread(sqlite_api.call, "SendEMails", body), time.monotonic() - start

    answer, took = asyncio.run(main())
    assert (answer.status_code, answer.json()["ErrorType"]) == (504, "TimeoutException")
    assert "it is kept and will be tried again" in answer.json()["ErrorMessage"]
    assert 0.5 <= took < 3


def test_passwords_of_mail_servers_are_read_nowhere(sqlite_api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Design promise 5: encrypted while the mail waits; neither in the answer, nor in the log, nor in plain bytes of the store."""
    caplog.set_level("DEBUG")
    sqlite_api.change(outgoing_servers=["127.0.0.1:9"], incoming_servers=["127.0.0.1:9"], wait=0.0)
    info = {"serverName": "127.0.0.1:9", "userName": "u", "password": "Kot w butach"}
    answer = sqlite_api.call(
        "SendEMails", {"outgoingConnectionInfo": info, "sentItemsConnectionInfo": info, "emails": [mail("ok@x.example")]}
    )
    assert answer.status_code == 200, answer.text
    assert sqlite_api.result("AuthenticateOutgoing", {"connectionInfo": info}) is False
    kept = b"".join(file.read_bytes() for file in sqlite_api.store.settings.data_dir.rglob("*") if file.is_file())
    assert b"127.0.0.1" in kept
    for secret in ("Kot w butach", b64encode(b"\0u\0Kot w butach").decode(), b64encode(b"Kot w butach").decode()):
        assert secret.encode() not in kept
        assert secret not in answer.text + caplog.text


def test_a_mail_in_reply_to_nonsense_has_no_such_field(sqlite_api: Api) -> None:
    """§4.2 InReplyTo: what another program made may be no Message-ID; it never becomes a header of its own."""
    (_,), sink = send(sqlite_api, mail("ok@x.example", inReplyTo={"messageId": "<a@b.example>\r\nBcc: <x@y.example>"}))
    assert (read(sink)["In-Reply-To"], read(sink)["Bcc"]) == (None, None)


def test_a_mail_leaves_through_the_server_that_the_call_names(sqlite_api: Api) -> None:
    """§4.3: the port stands in ServerName; §1.2: a copy is due in the folder."""

    async def main() -> tuple[requests.Response, Sink, Sink]:
        async with running(Sink()) as relay, running(Sink()) as own:
            sqlite_api.change(outgoing_servers=[f"127.0.0.1:{own.port}"], incoming_servers=["127.0.0.1:9"])
            body = {
                "outgoingConnectionInfo": {"serverName": f"127.0.0.1:{own.port}"},
                "emails": [mail("ok@x.example")],
                "sentItemsConnectionInfo": {"serverName": "127.0.0.1:9", "userName": "u", "password": "secret", "folder": "Sent"},
            }
            async with working(with_relay(sqlite_api.store, relay.port)):
                return await asyncio.to_thread(sqlite_api.call, "SendEMails", body), relay, own

    answer, relay, own = asyncio.run(main())
    assert answer.status_code == 200, answer.text
    assert "secret" not in answer.text
    assert (relay.recipients(), own.recipients()) == ([], ["ok@x.example"])
    (copy,) = sqlite_api.store.database.read_now(lambda tx: tx.execute(select(sent_copies)).all())
    assert (copy.host, copy.port, copy.folder, copy.username) == ("127.0.0.1", 9, "Sent", "u")


def test_the_number_of_statements_does_not_depend_on_the_recipients(sqlite_api: Api) -> None:
    sqlite_api.change(wait=0.0)
    sqlite_api.result("GetCurrentAccountId")  # numbers the accounts, once and for all
    made = []
    for number in (1, 50):
        with counted(sqlite_api.store) as statements:
            sqlite_api.result("Send", {"emails": [mail(*(f"ok{one}@x.example" for one in range(number)))]})
        made.append(len(statements))
    assert made[0] == made[1] <= 40


def test_long_base64_is_decoded_as_short_one_is() -> None:
    """Piece by piece; nothing may stand behind its end, and lines may break."""

    def bound(stream: str) -> EMailAttachment:
        return binder.bind({"stream": stream}, EMailAttachment, Dates(zone=msgspec.UNSET, with_offset=False))  # type: ignore[arg-type]  # no dates in it

    content = bytes(range(256)) * 6_000 + b"x"
    text = b64encode(content).decode()
    assert bound(text).stream == content
    assert bound("\n".join(text[at : at + 77] for at in range(0, len(text), 77))).stream == content
    long = "QQ==".rjust(binder._PIECE, "A") + "QQ=="
    for wrong in (text + "QQ==", text[:-1], long, "A"):
        with pytest.raises(Refusal):
            bound(wrong)
