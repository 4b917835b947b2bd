"""Mails and their files as bytes over HTTP (wire/superoffice.md §1.4, §4.3), and the head that answers quote."""

from base64 import b64decode
from email import message_from_bytes, policy
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from postroom.dialects.superoffice import mail_files
from postroom.storage.tables import attachments
from tests.dialects.superoffice.conftest import Api
from tests.dialects.superoffice.mailbox import EWA, Mailbox

EVIL = b"<p>Hi</p><script>evil()</script>"


@pytest.fixture
def box(sqlite_api: Api) -> Mailbox:
    return Mailbox(sqlite_api)


def attachment(box: Mailbox, name: str, item: int, identifier: str, **options: Any) -> Any:
    answer = box.api.call(name, {"MailItemId": item, "AttachmentId": identifier}, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def with_page(box: Mailbox) -> tuple[int, str]:
    """Let a page come to Jan; return the mail and what the file is called."""
    number = box.came(box.api.jan, box.with_file(box.api.ewa, EVIL, "page.html", "text/html"))
    (file,) = box.get(number)["Attachments"]
    return number, file["Id"]


def test_a_mail_is_a_file_as_bytes_or_base64(box: Mailbox) -> None:
    """Notes to §1.4: the server switches on Accept."""
    number, _ = with_page(box)
    body = {"EmailItemId": number, "IncludeAttachments": True}
    raw = box.api.call("GetEMailAsEmlStream", body, headers={"Accept": "application/octet-stream"})
    assert raw.headers["Content-Type"] == "application/octet-stream"
    mail = message_from_bytes(raw.content, policy=policy.default)
    assert (mail["From"], mail["Subject"]) == (EWA, "Hello")
    assert [part.get_filename() for part in mail.iter_attachments()] == ["page.html"]
    assert b64decode(box.api.result("GetEMailAsEmlStream", body)) == raw.content
    without = box.api.result("GetEMailAsEmlStream", {"EmailItemId": number, "IncludeAttachments": False})
    assert list(message_from_bytes(b64decode(without), policy=policy.default).iter_attachments()) == []


def test_a_file_has_its_bytes(box: Mailbox) -> None:
    number, identifier = with_page(box)
    file = attachment(box, "GetAttachmentFromId", number, identifier)
    assert (b64decode(file["Stream"]), file["Filename"], file["Size"], file["Type"]) == (EVIL, "page.html", len(EVIL), "text/html")
    assert file["IsSafeFileExtension"] is False


def test_a_preview_is_safe(box: Mailbox) -> None:
    """Whatever the program says that the file is."""
    number, identifier = with_page(box)
    given = {"MailItemId": number, "AttachmentId": identifier, "AttachmentType": "text/plain", "AttachmentFilename": "x.txt"}
    file = box.api.result("GetPreviewAttachmentFromId", given)
    assert (b64decode(file["Stream"]), file["Size"]) == (b"<p>Hi</p>", 9)
    plain = box.came(box.api.jan, box.with_file(box.api.ewa, EVIL, "notes.txt", "text/plain"))
    (other,) = box.get(plain)["Attachments"]
    assert b64decode(attachment(box, "GetPreviewAttachmentFromId", plain, other["Id"])["Stream"]) == EVIL


def test_pictures_within_the_text_go_by_their_content_id(box: Mailbox) -> None:
    """§4.3: Id is the Content-ID; the number of the file is understood as well."""
    number = box.with_file(box.api.ewa, b"GIF89a", "dot.gif", "image/gif")
    box.api.write(lambda tx: tx.execute(update(attachments).values(disposition="inline", content_id="dot@x")) and None)
    item = box.came(box.api.jan, number)
    (file,) = box.get(item)["Attachments"]
    assert (file["Id"], file["Disposition"]) == ("dot@x", "inline")
    ids = box.api.write(lambda tx: list(tx.scalars(attachments.select().with_only_columns(attachments.c.id))))
    for identifier in ("dot@x", "<dot@x>", str(ids[-1])):
        assert b64decode(attachment(box, "GetAttachmentFromId", item, identifier)["Stream"]) == b"GIF89a"


def test_what_is_not_there_is_null(box: Mailbox) -> None:
    """§3.5: nothing found is 200 null; so is what others have, and a file of another mail."""
    number, identifier = with_page(box)
    other = box.came(box.api.jan, box.letter(box.api.ewa))
    stranger = box.api.ticket_of(box.api.person("Max", "Kot", "max@x.example"))
    for name in ("GetAttachmentFromId", "GetPreviewAttachmentFromId"):
        assert attachment(box, name, number, identifier, ticket=stranger) is None
        assert attachment(box, name, other, identifier) is None
        assert attachment(box, name, number, "0") is None
        assert attachment(box, name, 2**31 - 1, identifier) is None
    for item, ticket in ((number, stranger), (0, ""), (-3, "")):
        assert box.api.call("GetEMailAsEmlStream", {"EmailItemId": item}, ticket=ticket).json() is None


def test_withdrawn_files_are_gone(box: Mailbox) -> None:
    number, identifier = with_page(box)
    box.api.write(lambda tx: tx.execute(update(attachments).values(revoked_at=1)) and None)
    assert box.get(number)["Attachments"] == []
    assert attachment(box, "GetAttachmentFromId", number, identifier) is None


def test_files_that_are_too_large_are_not_put_into_an_answer(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    number, identifier = with_page(box)
    monkeypatch.setattr(mail_files, "MAX_MAIL_FILES", 10)
    answer = box.api.call("GetAttachmentFromId", {"MailItemId": number, "AttachmentId": identifier})
    box.api.refused(answer, 400, "ArgumentOutOfRangeException", "AttachmentId: more than 10")


def test_the_head_of_a_mail(box: Mailbox) -> None:
    """CreateInlineHtmlHeader: no text of the mail becomes HTML; the date is in the wanted zone."""
    email = {
        "from": {"name": "Ewa <b>", "address": "ewa@x.example"},
        "to": [{"address": "jan@x.example"}, {"name": "Max"}],
        "subject": "A & B",
        "sent": "2026-01-02T03:04:05Z",
    }
    head = box.api.result("CreateInlineHtmlHeader", {"email": email}, headers={"SO-TimeZone": "UTC", "SO-Language": "en"})
    assert head.startswith("<div ")
    lines = head.partition(">")[2].removesuffix("</div>").split("<br>")
    assert lines == [
        "<b>From:</b> &quot;Ewa &lt;b&gt;&quot; &lt;ewa@x.example&gt;",
        "<b>Sent:</b> 2026-01-02 03:04",
        "<b>To:</b> jan@x.example; Max",
        "<b>Subject:</b> A &amp; B",
        "",
    ]
    assert "<b>Temat:</b>" in box.api.result("CreateInlineHtmlHeader", {"email": email}, headers={"SO-Language": "pl"})
    assert "<b>" not in box.api.result("CreateInlineHtmlHeader", {"email": None})


def test_a_mail_that_cannot_be_made_says_why(box: Mailbox) -> None:
    """A calendar that is none lets delivery fail, and no file can be made of it."""
    item = box.wrote(box.draft(box.api.jan, calendar="nonsense"))
    answer = box.api.call("GetEMailAsEmlStream", {"EmailItemId": item})
    assert answer.status_code == 400
    assert msgspec.json.decode(answer.content)["ErrorMessage"].startswith("calendar: ")
