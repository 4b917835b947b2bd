"""The person's own mailbox over HTTP (wire/superoffice.md §1.4, §4.2, §4.3)."""

from typing import Any

import pytest

from postroom.messages import folders
from postroom.messages.records import CustomHeader
from tests.dialects.superoffice.conftest import Api
from tests.dialects.superoffice.mailbox import EWA, Mailbox
from tests.support import counted

ICS = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:1@x\r\nDTSTAMP:20260101T000000Z\r\n"
    "DTSTART:20260101T000000Z\r\nATTENDEE;CN=Jan\r\n ;PARTSTAT=ACCEPTED:mailto:jan@x.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
def box(api: Api) -> Mailbox:
    return Mailbox(api)


@pytest.fixture
def sqlite_box(sqlite_api: Api) -> Mailbox:
    return Mailbox(sqlite_api)


def by_name(api: Api) -> dict[str, Any]:
    return {folder["Name"]: folder for folder in api.result("CacheFolderList")}


def folder_ids(api: Api) -> dict[str, int]:
    return {name: folder["EmailFolderId"] for name, folder in by_name(api).items()}


def test_folders_are_listed_and_counted(box: Mailbox) -> None:
    """§4.3 EMailFolder; ids below 100 are everybody's, own ones follow with their path."""
    api = box.api
    box.letter(api.ewa)
    box.draft(api.jan)
    outer = api.write(folders.create, api.jan, "Projects", 0, box.now)
    inner = api.write(folders.create, api.jan, "2026", outer, box.now)
    found = by_name(api)
    assert list(found)[:7] == ["Inbox", "Sent Items", "Drafts", "Deleted items", "Junk", "Outbox", "Templates"]
    assert (found["Inbox"]["TotalItems"], found["Inbox"]["UnreadItems"], found["Drafts"]["TotalItems"]) == (1, 1, 1)
    assert found["Projects/2026"]["EmailFolderId"] == 100 + inner
    assert found["Projects"]["Flags"] == "HasChildren"
    assert all(folder["Delimiter"] == "/" and folder["Subscribed"] for folder in found.values())


def test_a_mail_has_every_property(box: Mailbox) -> None:
    """§4.2: right values and nothing of another person's."""
    api = box.api
    number = box.with_file(
        api.ewa, b"bytes", "notes.txt", "text/plain", cc=("Max <max@other.example>",), bcc=("secret@other.example",), important=True
    )
    mail = box.get(box.came(api.jan, number))
    assert mail["Subject"] == "Hello"
    assert mail["HTMLBody"] == "<p>Hi there</p>"
    assert mail["PlainBody"] == "Hi there"
    assert mail["From"]["Address"] == "ewa@x.example"
    assert [address["Address"] for address in mail["To"]] == ["jan@x.example"]
    assert [(address["Address"], address["Name"], address["PersonId"]) for address in mail["Cc"]] == [("max@other.example", "Max", 0)]
    assert mail["Bcc"] == []
    assert (mail["Flags"], mail["Priority"], mail["IsSent"], mail["FolderName"]) == ("Flagged", "Highest", True, "Inbox")
    assert mail["EmailItemId"] == box.came(api.jan, number)
    assert mail["Sent"] == mail["ReceivedAt"] != "0001-01-01T00:00:00" == mail["RepliedAt"]
    assert mail["Size"] == len("<p>Hi there</p>") + 5
    (file,) = mail["Attachments"]
    shown = {name: file[name] for name in ("Filename", "Size", "Type", "Encoding", "Disposition", "IsSafeFileExtension", "Stream")}
    assert shown == {
        "Filename": "notes.txt",
        "Size": 5,
        "Type": "text/plain",
        "Encoding": "base64",
        "Disposition": "attachment",
        "IsSafeFileExtension": True,
        "Stream": None,
    }
    assert (mail["HasCalendarData"], mail["CalMethod"], mail["CalReplyStatus"]) == (False, "Unknown", "Unknown")
    assert (mail["ServerId"], mail["ServerIdentifier"], mail["InReplyTo"], mail["CustomHeaderList"]) == (0, None, None, [])
    assert box.get(box.came(api.jan, number), files=False)["Attachments"] == []
    own = box.get(box.wrote(number), ticket=box.ewas_ticket)
    assert [address["Address"] for address in own["Bcc"]] == ["secret@other.example"]
    assert own["ReceivedAt"] == "0001-01-01T00:00:00"


def test_people_stand_behind_the_addresses_of_a_mail(box: Mailbox) -> None:
    """§4.3 EMailAddress: ContactId, PersonId, AssociateId, EmailId, DuplicatePersonIds from the directory."""
    api = box.api
    mail = box.get(box.came(api.jan, box.letter(api.ewa)))
    sender = mail["From"]
    assert (sender["PersonId"], sender["AssociateId"], sender["PersonName"]) == (api.ewa, api.ewa, "Ewa Lis")
    assert sender["DuplicatePersonIds"] == [api.ewa]
    assert (sender["ContactId"], sender["ContactName"]) == (1, api.store.settings.mail.organisation)
    assert [one["Address"] for one in api.result("GetEMailAddresses", {"EmailIds": [sender["EmailId"]]})] == ["ewa@x.example"]


def test_html_is_made_safe_unless_it_is_asked_for_as_it_is(sqlite_box: Mailbox) -> None:
    box, api = sqlite_box, sqlite_box.api
    number = box.came(api.jan, box.letter(api.ewa, body="<p onclick='x()'>Hi</p><script>evil()</script>"))
    assert box.get(number)["HTMLBody"] == "<p>Hi</p>"
    raw = api.result("GetUnsanitizedEMail", {"id": number, "includeAttachments": True})
    assert raw["HTMLBody"] == "<p onclick='x()'>Hi</p><script>evil()</script>"


def test_html_has_a_text_beside_it(sqlite_box: Mailbox) -> None:
    """§4.2 PlainBody: laid out, unless the HTML is very long."""
    box, api = sqlite_box, sqlite_box.api
    page = "<p>One</p><p>Two <a href='https://x.example/'>there</a></p>"
    assert box.get(box.came(api.jan, box.letter(api.ewa, body=page)))["PlainBody"] == "One\n\nTwo [there](https://x.example/)"
    long = box.get(box.came(api.jan, box.letter(api.ewa, body=f"<p>One</p><p>{'x' * 100_000}</p>")))
    assert long["PlainBody"] == f"One {'x' * 100_000}"


def test_headers_priorities_and_texts_are_those_of_the_author(sqlite_box: Mailbox) -> None:
    """§4.2 CustomHeaderList, Priority, PlainBody, MessageID: fields of one name stand together."""
    box, api = sqlite_box, sqlite_box.api
    headers = tuple(CustomHeader(name, value) for name, value in (("X-Foo", "1"), ("X-Bar", "3"), ("x-foo", "2")))
    number = box.letter(api.ewa, headers=headers, importance="low", text="My own words", identifier="<order-7@crm.example>")
    mail = box.get(box.came(api.jan, number))
    assert [(one["Name"], one["Values"]) for one in mail["CustomHeaderList"]] == [("X-Foo", ["1", "2"]), ("X-Bar", ["3"])]
    assert (mail["Priority"], mail["PlainBody"], mail["MessageID"]) == ("Low", "My own words", "order-7@crm.example")
    assert api.result("GetMailFromMessageId", {"MessageId": "order-7@crm.example"})["EmailItemId"] == mail["EmailItemId"]
    plain = box.get(box.came(api.jan, box.letter(api.ewa, body="", text="a < b\n-- \nEwa")))
    assert (plain["PlainBody"], plain["HTMLBody"]) == ("a < b\n-- \nEwa", "a &lt; b<br>-- <br>Ewa")


def test_calendars_are_told_of(sqlite_box: Mailbox) -> None:
    """§4.2 HasCalendarData, CalMethod, CalReplyStatus; lines may be folded (RFC 5545 §3.1)."""
    box, api = sqlite_box, sqlite_box.api
    mail = box.get(box.came(api.jan, box.letter(api.ewa, calendar=ICS)))
    assert (mail["HasCalendarData"], mail["CalMethod"], mail["CalReplyStatus"]) == (True, "Reply", "Accepted")


def test_drafts_are_drafts(sqlite_box: Mailbox) -> None:
    box, api = sqlite_box, sqlite_box.api
    mail = box.get(box.wrote(box.draft(api.jan)))
    assert (mail["Flags"], mail["IsSent"], mail["Sent"], mail["FolderName"]) == ("Seen, Draft", False, "0001-01-01T00:00:00", "Drafts")


def test_mails_are_found_by_message_id(box: Mailbox) -> None:
    """GetMailFromMessageId, GetMailFromInReplyTo; nothing found is 200 null (§3.5)."""
    api = box.api
    number = box.letter(api.ewa)
    identifier = box.get(box.came(api.jan, number))["MessageID"]
    assert api.result("GetMailFromMessageId", {"MessageId": f"<{identifier}>"})["EmailItemId"] == box.came(api.jan, number)
    assert api.result("GetMailFromInReplyTo", {"MessageId": identifier}) is None
    answer = box.letter(api.jan, subject="Re: Hello", mime_reply_to=identifier)
    found = api.result("GetMailFromInReplyTo", {"MessageId": identifier})
    assert (found["EmailItemId"], found["InReplyTo"]["MessageId"]) == (box.wrote(answer), identifier)
    assert box.get(box.came(api.jan, number))["Flags"] == "Answered"
    stranger = api.ticket_of(api.person("Max", "Kot", "max@x.example"))
    for name in ("GetMailFromMessageId", "GetMailFromInReplyTo"):
        assert api.call(name, {"MessageId": identifier}, ticket=stranger).json() is None
        for nonsense in ("", "nonsense", None):
            assert api.call(name, {"MessageId": nonsense}).json() is None


def test_new_mail_is_told_of(box: Mailbox) -> None:
    api = box.api
    first, second = (box.came(api.jan, box.letter(api.ewa, subject=subject)) for subject in ("One", "Two"))
    (newest, older) = api.result("GetNewMail", {"Folders": []})
    assert (newest["Subject"], newest["ServerId"], older["ServerId"]) == ("Two", second, first)
    assert (newest["From"]["PersonId"], newest["To"][0]["PersonId"]) == (api.ewa, api.jan)
    api.result("MarkEmailsAsRead", {"Ids": [second], "Read": True})
    ids = folder_ids(api)
    assert [one["Subject"] for one in api.result("GetNewMail", {"Folders": [ids["Inbox"], ids["Inbox"], ids["Junk"]]})] == ["One"]
    assert api.result("GetNewMail", {"Folders": [ids["Drafts"]]}) == []


def test_the_newest_mail_of_a_folder(box: Mailbox) -> None:
    """LatestItemIdByFolder, HasNewMail."""
    api = box.api
    inbox = folder_ids(api)["Inbox"]
    assert api.result("LatestItemIdByFolder", {"FolderId": inbox}) == 0
    assert api.result("HasNewMail", {"MailItemId": 0, "FolderId": inbox}) is False
    first, second = (box.came(api.jan, box.letter(api.ewa)) for _ in range(2))
    assert api.result("LatestItemIdByFolder", {"FolderId": inbox}) == second
    assert [api.result("HasNewMail", {"MailItemId": known, "FolderId": inbox}) for known in (0, first, second)] == [True, True, False]


def test_mails_are_marked_and_moved(box: Mailbox) -> None:
    api = box.api
    number = box.came(api.jan, box.letter(api.ewa))
    own = api.write(folders.create, api.jan, "Archive", 0, box.now)
    assert api.call("MarkEmailsAsRead", {"Ids": [number], "Read": True}).status_code == 204
    assert box.get(number)["Flags"] == "Seen"
    api.result("MarkEmailsAsRead", {"Ids": [number], "Read": False})
    assert box.get(number)["Flags"] == "None"
    api.result("MoveEmailsToTrash", {"Ids": [number]})
    assert (box.get(number)["FolderName"], box.get(number)["Flags"]) == ("Deleted items", "Deleted")
    api.result("MoveEmailsToFolder", {"FolderId": 100 + own, "EmailItemIds": [number]})
    assert box.get(number)["FolderName"] == "Archive"
    api.result("MoveEmailsToFolder", {"FolderId": folder_ids(api)["Inbox"], "EmailItemIds": [number]})
    assert box.get(number)["FolderName"] == "Inbox"
    api.result("DeleteEmails", {"Ids": [number], "MoveToFolder": "archive"})
    assert box.get(number)["FolderName"] == "Archive"
    api.result("DeleteEmails", {"Ids": [number]})
    assert box.get(number) is None


def test_a_mail_that_was_answered_elsewhere(box: Mailbox) -> None:
    """SetRepliedAt."""
    api = box.api
    mail = box.get(box.came(api.jan, box.letter(api.ewa)))
    assert api.call("SetRepliedAt", {"MessageId": mail["MessageID"]}).status_code == 204
    answered = box.get(mail["EmailItemId"])
    assert answered["Flags"] == "Answered"
    assert answered["RepliedAt"] > mail["Sent"]
    assert api.call("SetRepliedAt", {"MessageId": "<nobody@elsewhere.example>"}).status_code == 204


def test_nobody_touches_what_others_have(box: Mailbox) -> None:
    """Other people's ids, everywhere: as if not there, and nothing is changed."""
    api = box.api
    number = box.letter(api.ewa, to=(EWA,))
    theirs = [box.came(api.ewa, number), box.wrote(number)]
    folder = 100 + api.write(folders.create, api.ewa, "Private", 0, box.now)
    identifier = box.get(theirs[0], ticket=box.ewas_ticket)["MessageID"]
    before = [box.get(one, ticket=box.ewas_ticket) for one in theirs]
    for item in [*theirs, 0, -1, 2**31 - 1]:
        assert box.get(item) is None
        assert api.call("GetUnsanitizedEMail", {"Id": item}).json() is None
    assert api.call("GetMailFromMessageId", {"MessageId": identifier}).json() is None
    api.result("MarkEmailsAsRead", {"Ids": theirs, "Read": True})
    api.result("MoveEmailsToTrash", {"Ids": theirs})
    api.result("DeleteEmails", {"Ids": theirs})
    api.result("DeleteEmails", {"Ids": theirs, "MoveToFolder": "Junk"})
    api.result("MoveEmailsToFolder", {"FolderId": folder_ids(api)["Junk"], "EmailItemIds": theirs})
    api.result("SetRepliedAt", {"MessageId": identifier})
    for name, body in (
        ("MoveEmailsToFolder", {"FolderId": folder, "EmailItemIds": []}),
        ("GetNewMail", {"Folders": [folder]}),
        ("LatestItemIdByFolder", {"FolderId": folder}),
        ("HasNewMail", {"FolderId": folder}),
    ):
        api.refused(api.call(name, body), 404, "SoNotFoundException", f"Folder {folder} not found")
    api.refused(api.call("DeleteEmails", {"Ids": [], "MoveToFolder": "Private"}), 404, "SoNotFoundException", "Folder Private not found")
    assert [box.get(one, ticket=box.ewas_ticket) for one in theirs] == before


@pytest.mark.parametrize("name", ["MarkEmailsAsRead", "DeleteEmails", "MoveEmailsToTrash", "MoveEmailsToFolder"])
def test_lists_of_mails_have_a_bound(sqlite_box: Mailbox, name: str) -> None:
    ids = list(range(10_001))
    answer = sqlite_box.api.call(name, {"Ids": ids, "EmailItemIds": ids, "FolderId": 1})
    sqlite_box.api.refused(answer, 400, "ArgumentOutOfRangeException", "Ids: more than 10000")


def test_bad_folders_are_refused(sqlite_box: Mailbox) -> None:
    api = sqlite_box.api
    number = sqlite_box.came(api.jan, sqlite_box.letter(api.ewa))
    answer = api.call("MoveEmailsToFolder", {"FolderId": folder_ids(api)["Outbox"], "EmailItemIds": [number]})
    api.refused(answer, 400, "ArgumentException", "folder: nothing can be put there")
    for folder in (0, -1, 99, 100, 2**31 - 1):
        api.refused(api.call("LatestItemIdByFolder", {"FolderId": folder}), 404, "SoNotFoundException", f"Folder {folder} not found")
    api.refused(api.call("GetNewMail", {"Folders": list(range(101))}), 400, "ArgumentOutOfRangeException", "Folders: more than 100")
    assert sqlite_box.get(number)["FolderName"] == "Inbox"


def test_what_is_not_selected_is_null(sqlite_box: Mailbox) -> None:
    """§3.4: nested, in any case."""
    api = sqlite_box.api
    number = sqlite_box.came(api.jan, sqlite_box.letter(api.ewa))
    answer = api.call("GetEMail", {"Id": number}, params={"$select": "subject,From/address"}).json()
    assert (answer["Subject"], answer["From"]["Address"], answer["From"]["Name"], answer["HTMLBody"]) == (
        "Hello",
        "ewa@x.example",
        None,
        None,
    )


def test_a_mail_takes_few_statements(box: Mailbox) -> None:
    """However many addresses it names."""
    api = box.api
    many = tuple(f"x{number}@other.example" for number in range(300))
    numbers = [box.came(api.jan, box.letter(api.ewa, cc=cc)) for cc in ((), many)]
    counts = []
    for number in numbers:
        with counted(api.store) as statements:
            box.get(number)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 12


def test_new_mail_takes_as_many_statements_as_one(box: Mailbox) -> None:
    api = box.api
    counts = []
    for _ in range(2):
        for _ in range(3):
            box.letter(api.ewa)
        with counted(api.store) as statements:
            api.result("GetNewMail", {"Folders": [1]})
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 8
