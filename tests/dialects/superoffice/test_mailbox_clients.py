"""The published client for Node reads a mailbox, in both of its versions (wire/superoffice.md §5, §6)."""

import pytest

from tests.dialects.superoffice.conftest import Api
from tests.dialects.superoffice.mailbox import Mailbox
from tests.dialects.superoffice.test_clients import VERSIONS, client

NEWEST, _ = VERSIONS
"""The other one knows nothing of mails as files."""

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_mailbox_is_read(sqlite_api: Api, version: str) -> None:
    """§5.2: Flags and dates as the client wants them, null for nothing found, bytes of files, numbers and truth values alone."""
    box = Mailbox(sqlite_api)
    number = box.came(sqlite_api.jan, box.with_file(sqlite_api.ewa, b"bytes", "notes.txt", "text/plain", important=True))
    with client(sqlite_api, version, ticket=sqlite_api.ticket) as node:

        def call(method: str, *args: object) -> object:
            answer = node.do("call", method=method, args=list(args))
            assert answer.status in {200, 204}, answer
            return answer.content

        folders = call("cacheFolderList")
        assert isinstance(folders, list)
        assert [(one["name"], one["emailFolderId"], one["unreadItems"]) for one in folders[:2]] == [("Inbox", 1, 1), ("Sent Items", 2, 0)]
        (new,) = node.do("call", method="getNewMail", args=[[1]]).content
        assert (new["subject"], new["serverId"], new["flags"]) == ("Hello", number, 8)
        assert call("latestItemIdByFolder", 1) == number
        assert call("hasNewMail", number, 1) is False
        call("markEmailsAsRead", [number], True)
        mail = node.do("call", method="getEMail", args=[number, True]).content
        assert (mail["flags"], mail["from"]["personId"], mail["priority"]) == (9, sqlite_api.ewa, "Highest")
        (file,) = mail["attachments"]
        assert node.do("call", method="getAttachmentFromId", args=[number, file["id"]]).content["stream"] == "Ynl0ZXM="
        if version == NEWEST:
            eml = call("getEMailAsEmlStream", number, False)
            assert isinstance(eml, list)
            assert b"\r\nSubject: Hello\r\n" in bytes(eml)
        assert call("getEMail", 2**31 - 1, True) is None
        (ewa,) = node.do("call", method="findAddress", args=["ewa@x.example"]).content
        assert (ewa["personId"], ewa["duplicatePersonIds"]) == (sqlite_api.ewa, [sqlite_api.ewa])
        head = call("createInlineHtmlHeader", mail)
        assert isinstance(head, str)
        assert "<b>Subject:</b> Hello" in head
