"""What holds for every call at once: which there are, what they answer, and whose they are (wire/onlyoffice.md §1b, §7.5.12, §8)."""

import json
import re
from typing import Any, Final

import msgspec
import pytest

from postroom.dialects.onlyoffice.application import OPERATIONS
from postroom.dialects.onlyoffice.errors import ARGUMENT, HTTP
from postroom.dialects.onlyoffice.operation import Operation
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import EWA, JAN, Mailbox

CALLS: Final = """
    POST authentication, POST authentication/{}, POST authentication/setphone, POST authentication/sendsms, GET batch, POST batch
    GET mail/messages, GET mail/messages/{}, GET mail/messages/{}/next, GET mail/messages/{}/prev, GET mail/messages/template
    PUT mail/messages/send, PUT mail/messages/simplesend, PUT mail/drafts/save, PUT mail/messages/save, PUT mail/templates/save
    PUT mail/messages/mark, PUT mail/messages/move, PUT mail/messages/restore, PUT mail/messages/remove
    POST mail/messages/attachment/add, POST mail/messages/{}/document, POST mail/messages/calendarbody/add
    DELETE mail/messages/{}/attachments/{}
    PUT mail/messages/attachments/export, PUT mail/messages/attachment/export, PUT mail/messages/attachment/downloadall/{}
    PUT mail/messages/reassign, PUT mail/messages/crm/export
    PUT mail/conversations/crm/link, PUT mail/conversations/crm/mark, PUT mail/conversations/crm/unmark
    GET mail/conversations/link/crm/status, GET mail/crm/linked/entities
    GET mail/conversations, GET mail/conversation/{}, GET mail/conversation/{}/next, GET mail/conversation/{}/prev
    PUT mail/conversations/move, PUT mail/conversations/restore, PUT mail/conversations/remove, PUT mail/conversations/mark
    PUT mail/conversations/tag/{}/set, PUT mail/conversations/tag/{}/unset
    GET mail/folders, DELETE mail/folders/{}/messages, GET mail/folders/recalculate
    GET mail/userfolders, POST mail/userfolders, PUT mail/userfolders/{}, DELETE mail/userfolders/{}, GET mail/userfolders/bymail
    GET mail/tags, POST mail/tags, PUT mail/tags/{}, DELETE mail/tags/{}, PUT mail/tags/{}/set, PUT mail/tags/{}/unset
    GET mail/accounts, GET mail/accounts/single, POST mail/accounts, POST mail/accounts/simple, POST mail/accounts/oauth
    PUT mail/accounts/oauth, PUT mail/accounts, DELETE mail/accounts, PUT mail/accounts/state, PUT mail/accounts/default
    GET mail/accounts/setups, PUT mail/accounts/emailinfolder, PUT mail/accounts/updateuseractivity
    GET mail/emails/search, GET mail/contacts, GET mail/contacts/bycontactinfo, POST mail/contact/add, PUT mail/contact/update
    PUT mail/contacts/remove, GET mail/signature/{}, POST mail/signature/update/{}, POST mail/autoreply/update/{}
    GET mail/alert, DELETE mail/alert/{}, GET mail/helpcenter, GET mail/display_images/addresses
    POST mail/display_images/address, DELETE mail/display_images/address, GET mail/settings
    GET mail/settings/conversationsenabled, PUT mail/settings/conversationsenabled
    GET mail/settings/alwaysdisplayimages, PUT mail/settings/alwaysdisplayimages
    GET mail/settings/cachemessagesenabled, PUT mail/settings/cachemessagesenabled
    GET mail/settings/gonextaftermoveenabled, PUT mail/settings/gonextaftermoveenabled
    GET mail/settings/replacemessagebody, PUT mail/settings/replacemessagebody
    GET mail/filters, POST mail/filters, PUT mail/filters, DELETE mail/filters/{}, POST mail/filters/check, GET mail/filters/check
    GET mail/filters/{}/apply
    GET mail/operations, GET mail/operations/{}
"""
"""§1b and §2, in small letters."""


def test_every_call_of_the_contract_is_there() -> None:
    """§1b, §2."""
    there = {f"{one.verb} {re.sub(r'{[^}]*}', '{}', one.path).lstrip('/').lower()}" for one in OPERATIONS}
    assert set(re.split(r",\s+|\n\s+", CALLS.strip())) == there


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/mailserver/mailboxes/get"),
        ("POST", "/mailserver/domains/add"),
        ("GET", "/mail/mailservice/get"),
        ("POST", "/mail/messages/sample/create"),
        ("PUT", "/mail/[,essages move]"),
        ("DELETE", "/mail/accounts/jan@x.example"),
        ("PUT", "/mail/tags/1/remove"),
    ],
)
def test_what_is_beyond_the_scope(sqlite_api: Api, verb: str, path: str) -> None:
    """§8.33, §8.34: mail servers, seeding, and the paths of the Ruby client that no server has had for long."""
    sqlite_api.refused(sqlite_api.call(verb, path), 404, "Method not found", HTTP)


def test_unknown_names_are_ignored(sqlite_api: Api) -> None:
    """§8.34: folderId is none of the names, so no folder is named."""
    number = 2 * Mailbox(sqlite_api).letter(sqlite_api.jan)
    answer = sqlite_api.call("PUT", "/mail/messages/move", json={"ids": [number], "folderId": 4})
    sqlite_api.refused(answer, 400, "Invalid folder id\r\nParameter name: folder", ARGUMENT)


def test_what_answers_look_like(sqlite_api: Api) -> None:
    """§7.5.12, §8.28: 25 on a page; an empty list has no count, but a total; void is {}; a text counts its letters; POST is 201."""
    box = Mailbox(sqlite_api)
    assert sqlite_api.call("GET", "/mail/messages").json() == {"total": 0, "status": 0, "statusCode": 200, "response": []}
    for _ in range(26):
        box.letter(sqlite_api.ewa)
    found = sqlite_api.call("GET", "/mail/messages").json()
    assert (found["count"], found["total"], len(found["response"])) == (25, 26, 25)
    nothing = sqlite_api.call("PUT", "/mail/settings/replaceMessageBody", json={"enabled": True}).json()
    assert nothing == {"status": 0, "statusCode": 200, "response": {}}
    text = sqlite_api.call("PUT", "/mail/accounts/default", json={"email": "jan@x.example", "isDefault": True}).json()
    assert (text["count"], text["response"]) == (13, "jan@x.example")
    made = sqlite_api.call("POST", "/mail/userfolders", json={"name": "Plans"})
    assert (made.status_code, made.json()["statusCode"]) == (201, 201)


def test_what_clients_say_of_stores_leads_nowhere(sqlite_api: Api) -> None:
    """§8.8: a file is found by its number, and among those that the caller has; no other member means anything."""
    ewa = sqlite_api.token_of(sqlite_api.ewa)
    theirs = sqlite_api.result("PUT", "/mail/drafts/save", token=ewa, json={"from": EWA})
    added = {"id_message": theirs["id"], "name": "a.txt"}
    file = sqlite_api.result("POST", "/mail/messages/attachment/add", token=ewa, params=added, data=b"abc")
    for wanted in (
        file,
        {**file, "fileId": 0},
        {"fileId": 0, "tempStoredUrl": "file:///etc/passwd", "storedName": "../../a", "streamId": ".."},
    ):
        given = {"from": JAN, "to": ["b@x.example"], "attachments": [{"value": wanted}]}
        number = sqlite_api.result("PUT", "/mail/messages/send", json=given)
        assert sqlite_api.result("GET", f"/mail/messages/{number}")["attachments"] == []


def _aimed(operation: Operation[Any], number: int, folder: int) -> dict[str, Any]:
    """Arguments of a call that lead to what is not the caller's, whatever it may be."""
    words = {"from": JAN, "to": [JAN], "email": "ewa@x.example", "address": "ewa@x.example", "emails": ["c@x.example"], "status": "unread"}
    aimed: dict[str, Any] = {}
    for one in msgspec.structs.fields(operation.given):
        name = one.encode_name
        if name in words:
            aimed[name] = words[name]
        elif name == "attachments":
            aimed[name] = [{"fileId": number}]
        elif name == "folder":
            aimed[name] = folder
        elif "list[" in str(one.type):
            aimed[name] = [number]
        elif "int" in str(one.type):
            aimed[name] = number
        elif one.type is str:
            aimed[name] = "x"
    return aimed


def test_no_call_reaches_what_is_not_the_callers(api: Api) -> None:
    """§1b: with the numbers of all that Ewa has, Jan sees nothing of it, and changes nothing."""
    box, ewa = Mailbox(api), api.token_of(api.ewa)
    sent = 2 * box.letter(api.ewa, subject="Secret", body="<p>secret</p>", to=("c@x.example",))
    draft = api.result("PUT", "/mail/drafts/save", token=ewa, json={"from": EWA, "to": ["secret@x.example"], "subject": "Secret"})["id"]
    added = {"id_message": draft, "name": "secret.txt"}
    file = api.result("POST", "/mail/messages/attachment/add", token=ewa, params=added, data=b"secret")["fileId"]
    tag = api.result("POST", "/mail/tags", token=ewa, json={"name": "Secret", "style": "1", "addresses": []})["id"]
    folder = api.result("POST", "/mail/userfolders", token=ewa, json={"name": "Secret"})["id"]
    contact = api.result("POST", "/mail/contact/add", token=ewa, json={"name": "Secret", "emails": ["s@x.example"]})["id"]
    account = api.result("GET", "/mail/accounts", token=ewa)[0]["mailboxId"]

    def everything() -> str:
        lists = ["messages?folder=2", "messages?folder=3", f"messages/{draft}", "tags", "userfolders", "contacts", "accounts", "settings"]
        return json.dumps([api.result("GET", f"/mail/{path}", token=ewa) for path in [*lists, "alert", "display_images/addresses"]])

    before = everything()
    assert before.lower().count("secret") > 5
    for operation in OPERATIONS:
        for number in {sent, draft, file, tag, folder, contact, account}:
            given = _aimed(operation, number, 6 if number == folder else 1)
            where: dict[str, Any] = {"params": given} if operation.verb == "GET" else {"json": given}
            answer = api.call(operation.verb, re.sub(r"{[^}]*}", str(number), operation.path), **where)
            assert answer.status_code < 500 or "authentication" in operation.path, answer.text
            assert "secret" not in answer.text.lower(), answer.text
    assert everything() == before
