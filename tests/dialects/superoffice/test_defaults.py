"""Empty objects to fill in (wire/superoffice.md §1.4, §4)."""

from postroom.dialects.superoffice.defaults import METHODS
from tests.dialects.superoffice.conftest import Api

ADDED = {"TableRight": None, "FieldProperties": {}}


def test_an_empty_mail(sqlite_api: Api) -> None:
    """§4.2: the properties in their order, null for what can be, the default of .NET for the rest; $select says nothing here."""
    created = sqlite_api.result("CreateDefaultEMailEntity", params={"$select": "Subject"})
    expected = {
        "To": [],
        "Cc": [],
        "Bcc": [],
        "Subject": None,
        "HTMLBody": None,
        "From": None,
        "Sent": "0001-01-01T00:00:00",
        "Size": 0,
        "Priority": "NoPriority",
        "Flags": "None",
        "MessageID": None,
        "PlainBody": None,
        "IsSent": False,
        "EMailSOInfo": None,
        "ServerId": 0,
        "ServerIdentifier": None,
        "Attachments": [],
        "CustomHeaderList": [],
        "FolderName": None,
        "EmailItemId": 0,
        "AccountId": 0,
        "ReceivedAt": "0001-01-01T00:00:00",
        "InReplyTo": None,
        "RepliedAt": "0001-01-01T00:00:00",
        "HasCalendarData": False,
        "CalMethod": "Unknown",
        "CalReplyStatus": "Unknown",
        **ADDED,
    }
    assert created == expected
    assert list(created) == list(expected)


def test_an_empty_connection(sqlite_api: Api) -> None:
    """Key facts 9: no port, and UserName."""
    texts = dict.fromkeys(("ServerName", "UserName", "Password", "Folder"))
    flags = {"UseSSL": False, "UseGraphApi": False}
    assert sqlite_api.result("CreateDefaultEMailConnectionInfo") == {**texts, **flags, **ADDED}
    extended = sqlite_api.result("CreateDefaultEMailConnectionInfoExtended")
    assert extended == {**texts, **flags, **ADDED, "Port": 0, "Protocol": None}


def test_all_of_them(sqlite_api: Api) -> None:
    """§1.4: each object of the agent that a program may fill in; nothing inside is set."""
    created = {one.name: sqlite_api.result(one.name) for one in METHODS}
    assert len(created) == 11
    for name, shown in created.items():
        for key, value in shown.items():
            assert value in (None, [], {}, 0, False, "None", "NoPriority", "Unknown", "0001-01-01T00:00:00"), (name, key)
    assert list(created["CreateDefaultEMailAppointment"])[:2] == ["Appointment", "CalMethod"]
    assert list(created["CreateDefaultEMailAccount"])[:2] == ["EMailAccountId", "EMailAddress"]
