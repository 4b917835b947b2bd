"""What recorded clients do one call after the other, from their payloads alone (wire/onlyoffice.md §1a.3, §1a.4, §5)."""

import re
from typing import Any

import pytest

from postroom.dialects.onlyoffice.errors import ARGUMENT
from tests.dialects.conftest import PASSWORD
from tests.dialects.onlyoffice.conftest import Api

SEND = "/mail/messages/send"
WEB = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "Accept": "application/json, text/javascript, */*; q=0.01"}
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def recipients_of(api: Api, number: int) -> Any:
    shown = api.result("GET", f"/mail/messages/{number}")
    return re.findall(r"[\w.]+@[\w.]+", shown["to"]), re.findall(r"[\w.]+@[\w.]+", shown.get("cc", ""))


@pytest.mark.parametrize(
    ("query", "headers", "data"),
    [
        ("", JSON, '{"from":"jan@x.example","to":["a@x.example","b@x.example"]}'),
        ("", JSON, '{"From":"jan@x.example","TO":["a@x.example","b@x.example"],"ID":0}'),
        ("", FORM, "from=jan@x.example&to[]=a@x.example&to[]=b@x.example"),
        ("", FORM, "from=jan@x.example&to=a@x.example&to=b@x.example"),
        ("", FORM, "from=jan@x.example&to[0]=a@x.example&to[1]=b@x.example"),
        ("", FORM, "from=jan@x.example&to=a@x.example&to[]=b@x.example"),
        ("", {}, "from=jan@x.example&to[]=a@x.example&to[]=b@x.example"),
        ("?to[]=a@x.example", FORM, "from=jan@x.example&to[]=b@x.example"),
        ("?from=jan@x.example&to[]=a@x.example&to[]=b@x.example", {}, ""),
        ("?from=jan@x.example", JSON, '{"from":"ignored, the first one wins","to":["a@x.example","b@x.example"]}'),
    ],
)
def test_recipients_in_every_form(sqlite_api: Api, query: str, headers: dict[str, str], data: str) -> None:
    """§1a.4: each of these is a letter to the same two."""
    number = sqlite_api.result("PUT", f"{SEND}{query}", headers=headers, data=data)
    assert recipients_of(sqlite_api, number) == (["a@x.example", "b@x.example"], [])


@pytest.mark.parametrize(
    ("members", "header"),
    [
        ('"to":""', "To"),
        ('"to":null', "To"),
        ('"to":"a@b.com,c@d.com"', "To"),
        ('"to":"a@b.com","cc":""', "Cc"),
        ('"to":"a@b.com","bcc":null', "Bcc"),
    ],
)
def test_recipients_that_are_none(sqlite_api: Api, members: str, header: str) -> None:
    """§1a.4, §8.5, §8.6."""
    answer = sqlite_api.call("PUT", SEND, headers=JSON, data=f'{{"from":"jan@x.example",{members}}}')
    sqlite_api.refused(answer, 400, f"Incorrect email address in {header} field", ARGUMENT)


@pytest.mark.parametrize(
    "attachments",
    [
        '[{"fileId":N}]',
        '[{"fileId":"N","size":"3"},{"fileid":"N","size":"3"}]',
        '{"fileId":N}',
        '[{"value":{"fileId":"N"}}]',
        '[{"fileId":N,"contentId":null}]',
        '"[{\\"fileId\\":N}]"',
    ],
)
@pytest.mark.parametrize("name", ["attachments", "Attachments"])
def test_files_in_every_form(sqlite_api: Api, attachments: str, name: str) -> None:
    """§1a.4 with §8.1, §8.3, §8.4: also where the original loses them."""
    draft = sqlite_api.result("PUT", "/mail/drafts/save", json={"from": "jan@x.example"})["id"]
    file = sqlite_api.result("POST", f"/mail/messages/attachment/add?id_message={draft}&name=a.txt", data=b"abc")["fileId"]
    members = f'"from":"jan@x.example","to":"a@x.example","{name}":{attachments.replace("N", str(file))}'
    number = sqlite_api.result("PUT", SEND, headers=JSON, data=f"{{{members}}}")
    assert [one["fileName"] for one in sqlite_api.result("GET", f"/mail/messages/{number}")["attachments"]] == ["a.txt"]


def test_the_web_client_sends_what_it_has_drafted(sqlite_api: Api) -> None:
    """§5: a form with a cookie, all members in their order, empty texts among them."""
    cookie = {**WEB, "Cookie": f"asc_auth_key={sqlite_api.token}"}
    sqlite_api.http.cookies.clear()
    fields = (
        "from=jan%40x.example&to%5B%5D=%22Bob+%5C%22B%5C%22+O%22+%3Cbob%40x.example%3E&to%5B%5D=carol%40x.example"
        "&subject=Hello&body=%3Cp%3Ehi%3C%2Fp%3E"
    )
    rest = "&mimeReplyToId=&importance=false&tags%5B%5D=3&tags%5B%5D=4&calendarIcs="
    saved = sqlite_api.call("PUT", "/mail/drafts/save.json?__=1", token=None, headers=cookie, data=f"id=0&{fields}{rest}").json()[
        "response"
    ]
    uploaded = sqlite_api.call(
        "POST",
        "/mail/messages/attachment/add",
        token=None,
        headers={"Cookie": cookie["Cookie"]},
        params={"id_message": saved["id"], "name": "a.txt"},
        files={"file": ("a.txt", b"abc", "text/plain")},
    ).json()["response"]
    assert uploaded["streamId"] == saved["streamId"]
    files = "".join(f"&attachments%5B0%5D%5B{name}%5D={value}" for name, value in uploaded.items())
    sending = f"id={saved['id']}&{fields}{files}{rest}&fileLinksShareMode=2&requestReceipt=false&requestRead=false&isReceipt=false"
    answer = sqlite_api.call("PUT", "/mail/messages/send.json?__=2", token=None, headers=cookie, data=sending).json()
    assert (answer["status"], answer["response"]) == (0, saved["id"])
    shown = sqlite_api.result("GET", f"/mail/messages/{saved['id']}")
    assert shown["to"] == '"Bob \\"B\\" O" <bob@x.example>, carol@x.example'
    assert [one["fileName"] for one in shown["attachments"]] == ["a.txt"]


def test_a_mail_merge(sqlite_api: Api) -> None:
    """§1a.3, §5: a form without a number, a raw body for the file, statusCode 201, then 200 and a number."""
    fields = {"id": "", "from": "jan@x.example", "subject": "Merge", "to[]": "bob@x.example", "body": "<p>hi</p>", "mimeReplyToId": ""}
    draft = sqlite_api.call("PUT", "/mail/drafts/save.json", data=fields).json()["response"]
    raw = sqlite_api.call("POST", f"/mail/messages/attachment/add?id_message={draft['id']}&name=merge.docx", data=b"PK").json()
    assert raw["statusCode"] == 201
    names = ("fileId", "fileName", "size", "contentType", "fileNumber", "storedName", "streamId")
    again = {**fields, "id": draft["id"], **{f"attachments[0][{name}]": raw["response"][name] for name in names}}
    answer = sqlite_api.call("PUT", "/mail/messages/send.json", data=again).json()
    assert (answer["statusCode"], answer["response"]) == (200, draft["id"])


def test_the_autoreply_service(sqlite_api: Api) -> None:
    """§5: texts wherever the original has lists. One of its lists, ``tags``, is refused as text, as in the original (§8.3)."""
    reply = {
        "id": 0,
        "from": "jan@x.example",
        "to": "bob@x.example",
        "subject": "Away",
        "body": "<p>Away</p>",
        "attachments": "[]",
        "tags": "[]",
        "mimeReplyToId": "<1@elsewhere.example>",
        "importance": "false",
        "isAutoreply": "true",
    }
    number = sqlite_api.result("PUT", "/mail/messages/send.json", json=reply)
    assert sqlite_api.result("GET", f"/mail/messages/{number}")["mimeReplyToId"] == "1@elsewhere.example"
    assert sqlite_api.call("PUT", SEND, json={**reply, "tags": "[1,2]"}).status_code == 400


def test_the_sequence_of_the_go_client(sqlite_api: Api) -> None:
    """§5: empty Cc and Bcc are well with a draft, texts are lists, and each answer has ``response``."""
    login = {"userName": "jan@x.example", "password": PASSWORD}
    token = sqlite_api.result("POST", "/authentication.json", token=None, json=login)["token"]
    names = [row["id"] for row in sqlite_api.result("GET", "/mail/folders", token=token)]
    assert names[:3] == [1, 2, 3]
    content = {"body": "<p>hi</p>", "from": "jan@x.example", "subject": "Go", "to": "a@b.com", "id": 0}
    draft = sqlite_api.result("PUT", "/mail/drafts/save", token=token, json={**content, "cc": "", "bcc": ""})
    assert (draft["folder"], draft["to"]) == (3, "a@b.com")
    number = sqlite_api.result("PUT", "/mail/messages/send.json", token=token, json=content)
    assert number != draft["id"]
    assert sqlite_api.result("GET", "/mail/messages?count=25&folder=2", token=token) == []
    assert sqlite_api.result("GET", f"/mail/messages/{number}", token=token)["subject"] == "Go"
    assert sqlite_api.result("PUT", "/mail/messages/remove", token=token, json={"ids": [number]}) == [number]


def test_the_ruby_client(sqlite_api: Api) -> None:
    """§5: a form, the number first, the token under a lower-case name."""
    draft = sqlite_api.result("PUT", "/mail/drafts/save", json={"from": "jan@x.example"})["id"]
    form = {"id": draft, "from": "jan@x.example", "to": ["a@x.example"], "subject": "Ruby"}
    answer = sqlite_api.call("PUT", SEND, token=None, headers={"authorization": sqlite_api.token}, data=form)
    assert answer.json()["response"] == draft
