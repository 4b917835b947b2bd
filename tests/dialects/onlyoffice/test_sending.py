"""Drafts, templates, files and sending over HTTP (wire/onlyoffice.md §1a, §5, §7.5, §8)."""

import json
import threading
from typing import Any
from xml.sax.saxutils import escape

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from postroom.dialects.onlyoffice import sending
from postroom.dialects.onlyoffice.errors import ARGUMENT, ARGUMENT_NULL, EXCEPTION, FORMAT, INVALID_OPERATION
from postroom.errors import Invalid, TooLarge
from postroom.messages import options
from postroom.storage.tables import messages, recipients
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import EWA, JAN
from tests.support import counted

SEND = "/mail/messages/send"
LETTER = {"from": JAN, "to": ["b@x.example"], "subject": "Hello", "body": "<p>Hi</p>"}


def roll(api: Api, number: int) -> dict[str, str]:
    lines = select(recipients.c.email, recipients.c.role).where(recipients.c.message_id == number // 2)
    return api.write(lambda tx: {row.email: row.role for row in tx.execute(lines)})


def count(api: Api) -> int:
    return int(api.write(lambda tx: tx.execute(select(func.count()).select_from(messages)).scalar_one()))


def put(api: Api, path: str = SEND, **changes: Any) -> requests.Response:
    return api.call("PUT", path, json={**LETTER, **changes})


def null(name: str) -> tuple[int, str, int]:
    return 400, f"Value cannot be null.\r\nParameter name: {name}", ARGUMENT_NULL


def test_sending_answers_the_number_in_the_envelope(api: Api) -> None:
    """§1a.7; the letter is Sending (0) until it is delivered."""
    answer = put(api, cc=["c@x.example"], bcc=[EWA])
    number = answer.json()["response"]
    assert answer.json() == {"count": 1, "status": 0, "statusCode": 200, "response": number}
    assert roll(api, number) == {"b@x.example": "to", "c@x.example": "cc", "ewa@x.example": "bcc"}
    assert api.result("GET", f"/mail/messages/{number}")["folder"] == 0
    (came,) = api.result("GET", "/mail/messages", token=api.token_of(api.ewa))
    assert (came["subject"], came["isNew"], came["from"]) == ("Hello", True, JAN)


RECORDED = {
    "web client": {
        "headers": {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
        "data": "id=0&from=jan%40x.example&to%5B%5D=%22Bob+%5C%22B%5C%22+O%22+%3Cbob%40x.example%3E&to%5B%5D=carol%40x.example"
        "&subject=Hello&body=%3Cp%3EHi%3C%2Fp%3E&mimeReplyToId=&importance=false&tags%5B%5D=3&fileLinksShareMode=2&calendarIcs=&requestReceipt=false"
        "&requestRead=false&isReceipt=false",
    },
    "autoreply service": {
        "json": {
            "from": "jan@x.example",
            "to": "bob@x.example",
            "subject": "Hello",
            "body": "<p>Hi</p>",
            "tags": "",
            "attachments": "[]",
            "isAutoreply": True,
            "mimeReplyToId": "",
            "importance": False,
        }
    },
    "mail merge": {"data": {"id": "", "from": "jan@x.example", "subject": "Hello", "to[]": "bob@x.example", "body": "<p>Hi</p>"}},
    "go": {"json": {"id": 0, "from": "jan@x.example", "to": "bob@x.example", "subject": "Hello", "body": "\u003cp\u003eHi\u003c/p\u003e"}},
    "health check": {"params": {"id": "0", "from": "jan@x.example", "to": "bob@x.example", "subject": "Hello", "body": "<p>Hi</p>"}},
    "xml": {
        "headers": {"Content-Type": "text/xml"},
        "data": "<q><FROM>jan@x.example</FROM><to>bob@x.example</to><subject>Hello</subject></q>",
    },
}
"""Bodies as §5 has them, with addresses of the test."""


@pytest.mark.parametrize("client", RECORDED)
def test_letters_of_recorded_clients(sqlite_api: Api, client: str) -> None:
    """§5, §1a.4: what each of them sends is a letter to Bob."""
    number = sqlite_api.result("PUT", f"{SEND}.json?__=1", **RECORDED[client])
    assert roll(sqlite_api, number)["bob@x.example"] == "to"
    assert sqlite_api.result("GET", f"/mail/messages/{number}")["subject"] == "Hello"


ROWS: list[tuple[str, dict[str, Any], tuple[int, str, int]]] = [
    ("0c id", {"id": "abc"}, (400, "Input string was not in a correct format.", FORMAT)),
    ("0c importance", {"importance": 1}, (400, "String was not recognized as a valid Boolean.", FORMAT)),
    ("0c tags", {"tags": "[1,2]"}, (400, "Input string was not in a correct format.", FORMAT)),
    ("1 null", {"from": None}, null("from")),
    ("1 empty", {"from": "", "to": []}, null("from")),
    ("2", {"to": []}, null("to")),
    ("3", {"from": "nobody"}, (400, "The specified string is not in the form required for an e-mail address.", FORMAT)),
    ("4", {"from": "else@x.example"}, (400, "Mailbox not found", ARGUMENT)),
    ("8", {"id": 999_998}, (400, "Object reference not set to an instance of an object.", ARGUMENT_NULL)),
    ("11", {"attachments": [{"fileId": 1, "size": 26_214_401}]}, (400, "Total size of all files exceeds limit!", EXCEPTION)),
    ("14 to", {"to": ["a@b.com,c@d.com"]}, (400, "Incorrect email address in To field", ARGUMENT)),
    ("14 to empty", {"to": [""]}, (400, "Incorrect email address in To field", ARGUMENT)),
    ("14 localhost", {"to": ["user@localhost"]}, (400, "Incorrect email address in To field", ARGUMENT)),
    ("14 quote", {"to": ["o'brien@x.example"]}, (400, "Incorrect email address in To field", ARGUMENT)),
    ("14 international", {"to": ["a@b\u00fccher.example"]}, (400, "Incorrect email address in To field", ARGUMENT)),
    ("14 to before cc", {"to": ["x"], "cc": ["y"], "bcc": ["z"]}, (400, "Incorrect email address in To field", ARGUMENT)),
    ("14 cc before bcc", {"cc": ["y"], "bcc": ["z"]}, (400, "Incorrect email address in Cc field", ARGUMENT)),
    ("14 cc", {"cc": ""}, (400, "Incorrect email address in Cc field", ARGUMENT)),
    ("14 bcc", {"bcc": [None]}, (400, "Incorrect email address in Bcc field", ARGUMENT)),
]


@pytest.mark.parametrize(("changes", "error"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_refused_leaves_nothing(sqlite_api: Api, changes: dict[str, Any], error: tuple[int, str, int]) -> None:
    """§1a.5, §7.5.1 with the decisions of §8.9, §8.15: rows in their order; §7.5.10: no draft behind; §7.5.11: addresses."""
    sqlite_api.refused(put(sqlite_api, **changes), *error)
    assert count(sqlite_api) == 0


def test_nobody_sends_without_a_token(sqlite_api: Api) -> None:
    """§1a.5 row 0a, §7.5.2: the example of the documentation as it stands."""
    assert sqlite_api.call("PUT", SEND, token=None, json={"attachments": []}).status_code == 401


def test_an_address_that_letters_do_not_leave_from(sqlite_api: Api) -> None:
    """§1a.5 row 13, before row 14: a draft may have it, a letter may not."""
    token = sqlite_api.token_of(sqlite_api.person("Pat", "O'Brien", "o'brien@x.example"))
    given = {**LETTER, "from": "o'brien@x.example", "to": ["nonsense"]}
    assert sqlite_api.call("PUT", "/mail/drafts/save", token=token, json=given).status_code == 200
    refused = sqlite_api.call("PUT", SEND, token=token, json=given)
    sqlite_api.refused(refused, 400, "Incorrect email address in From field", ARGUMENT)
    assert count(sqlite_api) == 1


def test_the_sender_is_found_in_any_case_of_letters(sqlite_api: Api) -> None:
    """§8.7, §7.5.11; the name mailed is that of the account."""
    number = put(sqlite_api, **{"from": "Somebody Else <JAN@X.example>"}).json()["response"]
    assert sqlite_api.result("GET", f"/mail/messages/{number}")["from"] == JAN


def test_a_draft_is_sent_once_and_with_what_the_request_says(api: Api) -> None:
    """§1a.6, §7.5.5, §7.5.6: nothing of the stored draft is mailed; a second time is row 9."""
    draft = api.result("PUT", "/mail/drafts/save", json={**LETTER, "subject": "Old", "to": "", "cc": "", "bcc": ""})
    assert (draft["folder"], draft["subject"], draft["to"]) == (3, "Old", "")
    number = api.result("PUT", SEND, json={"id": draft["id"], "from": JAN, "to": ["b@x.example"]})
    shown = api.result("GET", f"/mail/messages/{number}")
    assert (number, shown["subject"], shown["mimeMessageId"]) == (draft["id"], "", draft["mimeMessageId"])
    row9 = 403, "Sending emails is permitted only in the Drafts folder", INVALID_OPERATION
    api.refused(put(api, id=number), *row9)
    api.refused(put(api, "/mail/drafts/save", id=number), 403, "Saving emails is permitted only in the Drafts folder", INVALID_OPERATION)
    api.refused(
        put(api, "/mail/templates/save", id=number), 403, "Saving emails is permitted only in the Templates folder", INVALID_OPERATION
    )
    assert count(api) == 1


def test_of_two_who_send_a_draft_at_once_one_does(api: Api) -> None:
    """§8.16: one 200, one 403, one roll."""
    draft = api.result("PUT", "/mail/drafts/save", json=LETTER)["id"]
    answers: list[int] = []

    def send() -> None:
        headers = {"Authorization": api.token}
        answers.append(requests.put(f"{api.base}{SEND}", json={**LETTER, "id": draft}, headers=headers, timeout=30).status_code)

    both = [threading.Thread(target=send) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(answers) == [200, 403]
    assert roll(api, draft) == {"b@x.example": "to"}


def test_letters_of_others_are_no_drafts_of_ours(sqlite_api: Api) -> None:
    """§1a.5 rows 8 and 9: another person's draft is as if not there; what came from her is no draft."""
    hers = sqlite_api.token_of(sqlite_api.ewa)
    draft = sqlite_api.result("PUT", "/mail/drafts/save", token=hers, json={**LETTER, "from": EWA})["id"]
    sqlite_api.refused(put(sqlite_api, id=draft), 400, "Object reference not set to an instance of an object.", ARGUMENT_NULL)
    sqlite_api.result("PUT", SEND, token=hers, json={**LETTER, "from": EWA, "to": [JAN]})
    (came,) = sqlite_api.result("GET", "/mail/messages")
    refused = put(sqlite_api, id=came["id"])
    sqlite_api.refused(refused, 403, "Sending emails is permitted only in the Drafts folder", INVALID_OPERATION)
    assert sqlite_api.result("GET", f"/mail/messages/{draft}", token=hers)["folder"] == 3


def test_a_template_is_kept_and_consumed(sqlite_api: Api) -> None:
    """§7.3.6, §8.18."""
    template = sqlite_api.result("PUT", "/mail/templates/save", json=LETTER)
    assert template["folder"] == 7
    assert sqlite_api.result("PUT", SEND, json={**LETTER, "id": template["id"]}) == template["id"]
    assert sqlite_api.result("GET", f"/mail/messages/{template['id']}")["folder"] == 0


def test_the_number_of_statements_does_not_grow_with_the_recipients(api: Api) -> None:
    """Whether to one or to four hundred; PostgreSQL takes many rows by COPY, which is not counted."""

    def statements(path: str, size: int) -> int:
        with counted(api.store) as done:
            assert put(api, path, to=[f"r{number}@x.example" for number in range(size)]).status_code == 200
        return len(done)

    statements(SEND, 1)
    expected = {"sqlite": [20, 20, 20], "postgresql": [21, 21, 20]}  # one wakes the worker
    assert [statements(SEND, size) for size in (1, 100, 400)] == expected[api.store.database.dialect]
    assert [statements("/mail/drafts/save", size) for size in (1, 400)] == [15, 15]


def test_all_sixteen_parameters_in_every_way(sqlite_api: Api) -> None:
    """§7.5.4: as JSON, as a form, as XML and in the query, the same letter."""
    label = sqlite_api.result("POST", "/mail/tags", json={"name": "Plans", "style": 1, "addresses": []})["id"]
    parent = put(sqlite_api).json()["response"]
    identifier = sqlite_api.result("GET", f"/mail/messages/{parent}")["mimeMessageId"]
    draft = sqlite_api.result("PUT", "/mail/drafts/save", json=LETTER)["id"]
    upload = {"id_message": draft, "name": "a.txt"}
    file = sqlite_api.result("POST", "/mail/messages/attachment/add", params=upload, data=b"abc")["fileId"]
    given = {
        "id": "0",
        "from": JAN,
        "to": "b@x.example",
        "cc": "c@x.example",
        "bcc": "d@x.example",
        "mimeReplyToId": identifier,
        "importance": "true",
        "subject": "Re: Hello",
        "tags": str(label),
        "body": "<p>All</p>",
        "fileLinksShareMode": "2",
        "calendarIcs": "",
        "isAutoreply": "true",
        "requestReceipt": "true",
        "requestRead": "true",
    }
    form = {**given, "attachments[0][fileId]": str(file)}
    members = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in given.items())
    ways: list[dict[str, Any]] = [
        {"json": {**given, "attachments": [{"fileId": file}]}},
        {"data": form},
        {"files": [(name, (None, value)) for name, value in form.items()]},
        {"params": form},
        {
            "headers": {"Content-Type": "text/xml"},
            "data": f"<q>{members}<attachments><fileId>{file}</fileId></attachments></q>".encode(),
        },
    ]
    for way in ways:
        number = sqlite_api.result("PUT", SEND, **way)
        assert roll(sqlite_api, number) == {"b@x.example": "to", "c@x.example": "cc", "d@x.example": "bcc"}
        shown = sqlite_api.result("GET", f"/mail/messages/{number}")
        assert (shown["important"], shown["subject"], shown["tagIds"], shown["htmlBody"]) == (True, "Re: Hello", [label], "<p>All</p>")
        assert (shown["mimeReplyToId"], [one["fileName"] for one in shown["attachments"]]) == (identifier, ["a.txt"])
        mail = options.decoded(
            sqlite_api.write(lambda tx, key=number: tx.scalars(select(messages.c.mail).where(messages.c.id == key // 2)).one())
        )
        assert (mail.read_receipt, mail.delivery_receipt, mail.automatic) == (True, True, "replied")


def test_the_example_of_the_documentation(sqlite_api: Api) -> None:
    """§1a.1, §7.5.2, §7.5.3: all values are texts; refused without a sender, sent with one and somebody to send to."""
    value = {
        "fileId": "1234",
        "fileName": "fileName",
        "size": "1234",
        "contentType": "contentType",
        "needSaveToTemp": "true",
        "contentId": "contentId",
        "fileNumber": "333",
        "storedName": "storedName",
        "streamId": "streamId",
        "attachedAsLink": "true",
        "tempStoredUrl": "tempStoredUrl",
    }
    example = {"attachments": [{"value": value}]}
    sqlite_api.refused(sqlite_api.call("PUT", SEND, json=example), *null("from"))
    number = put(sqlite_api, **example).json()["response"]
    assert sqlite_api.result("GET", f"/mail/messages/{number}")["folder"] == 0
    failed = put(sqlite_api, attachments=[value]).json()["response"]  # §8.2: a plain one is needed, and is not there
    assert sqlite_api.result("GET", f"/mail/messages/{failed}")["folder"] == 3
    (told,) = sqlite_api.result("GET", "/mail/messages?folder=1")
    assert "not there: fileName" in sqlite_api.result("GET", f"/mail/messages/{told['id']}")["htmlBody"]


def test_a_stored_body_beyond_the_limit(sqlite_api: Api) -> None:
    """§1a.5 row 10, §8.17: the stored body counts, not the new one; and it hinders saving, too."""
    draft = sqlite_api.result("PUT", "/mail/drafts/save", json={**LETTER, "body": "x" * 524_289})["id"]
    for path in (SEND, "/mail/drafts/save"):
        sqlite_api.refused(put(sqlite_api, path, id=draft), 403, "Message body exceeded limit (512 KB)", INVALID_OPERATION)


@pytest.mark.parametrize("path", ["/mail/drafts/save", "/mail/messages/save", "/mail/templates/save"])
def test_what_is_not_saved(sqlite_api: Api, path: str) -> None:
    """§1b: errors of saving, in their order; recipients are never one."""
    too_much = [{"fileId": number, "size": 20_000_000} for number in (1, 2)]
    for changes, error in (
        ({"from": ""}, null("from")),
        ({"from": "x"}, (400, "The specified string is not in the form required for an e-mail address.", FORMAT)),
        ({"from": EWA}, (400, "Mailbox not found", ARGUMENT)),
        ({"id": 999_998}, (400, "Object reference not set to an instance of an object.", ARGUMENT_NULL)),
        ({"attachments": too_much}, (400, "Total size of all attachments exceeds limit.", ARGUMENT)),
    ):
        sqlite_api.refused(put(sqlite_api, path, **changes), *error)
    assert count(sqlite_api) == 0
    assert put(sqlite_api, path, to=["nonsense"], cc="", bcc=None, attachments=too_much[:1] * 2).status_code == 200


def test_a_draft_has_the_place_of_a_draft_and_a_template_that_of_a_template(sqlite_api: Api) -> None:
    draft = sqlite_api.result("PUT", "/mail/messages/save", json=LETTER)
    assert (draft["folder"], draft["streamId"] != "", draft["mimeMessageId"] != "") == (3, True, True)
    refused = put(sqlite_api, "/mail/templates/save", id=draft["id"])
    sqlite_api.refused(refused, 403, "Saving emails is permitted only in the Templates folder", INVALID_OPERATION)
    again = sqlite_api.result("PUT", "/mail/drafts/save", json={**LETTER, "id": draft["id"], "subject": "New"})
    assert (again["id"], again["subject"], again["streamId"]) == (draft["id"], "New", draft["streamId"])


def test_simple_sending_leaves_nothing_with_the_author(sqlite_api: Api) -> None:
    """§1b simpleSend: recipients are asked for before the sender."""
    sqlite_api.refused(sqlite_api.call("PUT", "/mail/messages/simpleSend", json={}), *null("to"))
    sqlite_api.refused(sqlite_api.call("PUT", "/mail/messages/simpleSend", json={"to": "b@x.example"}), *null("from"))
    receipt = {"from": JAN, "to": [EWA], "subject": "Read", "body": "<p>Read</p>", "isReceipt": True}
    assert sqlite_api.result("PUT", "/mail/messages/simpleSend", json=receipt) is True
    assert [sqlite_api.result("GET", f"/mail/messages?folder={folder}") for folder in (0, 2, 3, 4)] == [[]] * 4
    (came,) = sqlite_api.result("GET", "/mail/messages", token=sqlite_api.token_of(sqlite_api.ewa))
    assert came["subject"] == "Read"


_ANY: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.text(max_size=20)
    | st.sampled_from([JAN, "b@x.example", "<p>&", "=?utf-8?q?a?="]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["fileId", "value", "size", "x"]), inner, max_size=3),
)
_NAMES = st.sampled_from(["id", "to", "cc", "subject", "body", "attachments", "tags", "mimeReplyToId", "calendarIcs", "importance"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([SEND, "/mail/drafts/save", "/mail/templates/save"]), st.dictionaries(_NAMES, _ANY, max_size=4))
def test_whatever_is_written_is_answered(sqlite_api: Api, path: str, changes: dict[str, Any]) -> None:
    """Sent, saved, or refused in the envelope, and then without a trace."""
    before = count(sqlite_api)
    answer = sqlite_api.call("PUT", path, data=json.dumps({**LETTER, **changes}), headers={"Content-Type": "application/json"})
    assert answer.status_code in {200, 400, 403}, answer.text
    assert (answer.json()["status"] == 0) is (answer.status_code == 200)
    if answer.status_code != 200:
        assert count(sqlite_api) == before


def test_each_refusal_is_an_error_of_its_own() -> None:
    """One that is raised again and again keeps the frames of every call before it, and what they held."""
    for wrong in (Invalid("from", "required"), Invalid("from", "malformed"), TooLarge("attachments", 1)):
        assert sending._refusal(wrong, sending._SENDING) is not sending._refusal(wrong, sending._SENDING)


def test_drafts_are_reassigned(api: Api) -> None:
    """§1b ``messages/reassign``: ``{}``; only for drafts (3) and templates (7), to an address of the caller's."""
    draft = api.result("PUT", "/mail/drafts/save", json={**LETTER, "subject": "Plan"})["id"]
    assert api.result("PUT", "/mail/messages/reassign", data={"folder": 3, "email": "jan@x.example"}) == {}
    assert api.result("GET", f"/mail/messages/{draft}")["subject"] == "Plan"
    for folder in (0, 1, 2, 4, 99):
        refused = put(api, "/mail/messages/reassign", folder=folder, email="jan@x.example")
        api.refused(refused, 403, "Only folders Templates and Drafts are allowed.", INVALID_OPERATION)
    for email in ("ewa@x.example", ""):
        api.refused(put(api, "/mail/messages/reassign", folder=7, email=email), 400, "Mailbox not found", -2147024809)
