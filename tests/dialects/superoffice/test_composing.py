"""Mails made of others, and mails in MIME (wire/superoffice.md §1.4; docs/superoffice.md)."""

from base64 import b64decode
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.dialects.superoffice import mime_messages
from postroom.errors import Invalid, PostroomError, TooLarge
from tests.dialects.superoffice.conftest import Api
from tests.dialects.superoffice.test_sending import carried, mail, read


def in_mime(**changes: str) -> str:
    """Return a mail with two bodies and two files, one of which the HTML shows."""
    message = EmailMessage()
    fields = {"From": "Jan <jan@x.example>", "To": '"Lis, Ewa" <ok-ewa@x.example>, ok-bob@x.example', "Cc": "ok-cat@x.example"}
    for name, value in {**fields, "Subject": "Zażółć gęślą", "Message-ID": "<m@c.example>", "X-Foo": "ąę", **changes}.items():
        message[name] = value
    message["Date"] = "Tue, 02 Jan 2024 03:04:05 +0000"
    message.set_content("Plain ą\n")
    message.add_alternative('<p>ą<img src="cid:logo"></p>', subtype="html")
    message.get_payload()[1].add_related(b"png", "image", "png", cid="<logo>", filename="logo.png")  # type: ignore[union-attr, index]
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="plán.pdf")
    return message.as_string()


def test_a_mail_in_mime_is_read(sqlite_api: Api) -> None:
    """Both bodies, everybody by name, files with their bytes; a comma inside a name is none between names."""
    found = sqlite_api.result("CreateEMailFromMimeMessage", {"mimeMessage": in_mime()})
    assert (found["Subject"], found["MessageID"], found["From"]["Address"]) == ("Zażółć gęślą", "m@c.example", "jan@x.example")
    assert [(one["Name"], one["Address"]) for one in found["To"]] == [
        ("Lis, Ewa", "ok-ewa@x.example"),
        ("ok-bob@x.example", "ok-bob@x.example"),
    ]
    assert (found["PlainBody"], found["HTMLBody"].strip()) == ("Plain ą\n", '<p>ą<img src="cid:logo"></p>')
    files = {file["Filename"]: (file["Id"], file["Type"], b64decode(file["Stream"])) for file in found["Attachments"]}
    assert files == {"logo.png": ("logo", "image/png", b"png"), "plán.pdf": (None, "application/pdf", b"%PDF")}
    assert (found["Sent"], found["EmailItemId"], found["IsSent"]) == ("2024-01-02T04:04:05", 0, False)
    assert [(header["Name"], header["Values"]) for header in found["CustomHeaderList"]] == [("X-Foo", ["ąę"])]


def test_what_was_read_can_be_sent(sqlite_api: Api) -> None:
    found = sqlite_api.result("CreateEMailFromMimeMessage", {"mimeMessage": in_mime()})
    answer, sink = carried(sqlite_api, "Send", {"emails": [found]})
    assert answer.json()[0]["IsSent"] is True
    assert sorted(part.get_filename() or "" for part in read(sink).walk() if part.get_filename()) == ["logo.png", "plán.pdf"]
    assert sink.recipients() == ["ok-bob@x.example", "ok-cat@x.example", "ok-ewa@x.example"]


@pytest.mark.parametrize("source", ["", "no header\n\n", "\n\nbody"])
def test_what_is_no_mail_is_refused(sqlite_api: Api, source: str) -> None:
    answer = sqlite_api.call("CreateEMailFromMimeMessage", {"mimeMessage": source})
    assert (answer.status_code, answer.json()["ErrorType"]) == (400, "ArgumentException")


def nested(depth: int) -> str:
    parts = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(depth))
    return f"Subject: x\n{parts}Content-Type: text/plain\n\nx\n"


@pytest.mark.parametrize(
    "source",
    [
        nested(40),
        nested(3_000),
        "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n" + "--b\n\nx\n" * 300,
        "X: y\n" * 2_000 + "\nx",
        "X: " + "y" * 200_000 + "\n\nx",
    ],
    ids=["deep", "very deep", "many", "headers", "header"],
)
def test_mime_has_bounds(source: str) -> None:
    with pytest.raises(PostroomError) as raised:
        mime_messages.read(source, "MimeMessage")
    assert isinstance(raised.value, Invalid | TooLarge)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=60), st.sampled_from(["Content-Type", "Subject", "To", "Date", "Content-Transfer-Encoding", "Content-Disposition"]))
def test_whatever_stands_in_a_header_is_read_or_refused(value: str, name: str) -> None:
    try:
        found = mime_messages.read(f"{name}: {value}\n\n{value}", "MimeMessage")
    except (Invalid, TooLarge):
        return
    assert "\0" not in f"{found.subject}{found.plain_body}{found.html_body}"


def test_a_mail_is_relayed_to_its_envelope_alone(sqlite_api: Api) -> None:
    """RelayMessage: 204; who is not named is hidden, who is named but not meant gets nothing."""
    body: dict[str, Any] = {"rfc822": in_mime(), "from": "jan@x.example", "recipients": ["OK-ewa@x.example", "<ok-hidden@x.example>"]}
    answer, sink = carried(sqlite_api, "RelayMessage", body)
    assert answer.status_code == 204, answer.text
    assert sink.recipients() == ["ok-ewa@x.example", "ok-hidden@x.example"]
    assert (read(sink)["To"], read(sink)["Cc"]) == ('"Lis, Ewa" <ok-ewa@x.example>', None)
    other = {**body, "rfc822": in_mime(**{"Message-ID": "<n@c.example>"})}
    refused = sqlite_api.call("RelayMessage", {**other, "from": "ewa@x.example"})
    assert (refused.status_code, refused.json()["ErrorMessage"]) == (403, "Rfc822.From: ewa@x.example is no address of the caller's.")
    failed, _ = carried(sqlite_api, "RelayMessage", {**other, "recipients": ["p5@x.example"]})
    assert (failed.status_code, failed.json()["ErrorType"]) == (502, "SmtpCommandException")
    assert sqlite_api.call("RelayMessage", {**body, "recipients": []}).status_code == 400


def test_a_mail_is_passed_on_with_its_files(api: Api) -> None:
    """Files that the text showed keep their place, though the new mail names them by their numbers."""
    shown = {"filename": "a.png", "type": "image/png", "id": "logo", "stream": "cG5n"}
    draft = api.result("Save", {"email": mail("ok@x.example", subject="Plan", htmlBody='<img src="cid:logo">', attachments=[shown])})
    assert draft["Attachments"][0]["Id"] == "logo"
    made = api.result("CreateForwardEmail", {"email": draft})
    assert (made["Subject"], made["To"], made["EmailItemId"], made["MessageID"]) == ("Fwd: Plan", [], 0, None)
    assert made["From"]["Address"] == "jan@x.example"
    assert "cid:logo" in made["HTMLBody"]
    again = api.result("CreateForwardEmail", {"email": made})
    assert again["Subject"] == "Fwd: Plan"
    _, sink = carried(api, "Send", {"emails": [{**made, "To": [{"Address": "ok@x.example"}]}]})
    assert [part["Content-ID"] for part in read(sink).walk() if part.get_filename() == "a.png"] == ["<logo>"]
