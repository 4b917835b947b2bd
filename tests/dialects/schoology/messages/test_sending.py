"""Sending messages and answering: wire/schoology.md sections 1.2, 1.4, 3.3, 4.2 to 4.4, 7.1 and 7.2."""

import json
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from postroom.settings import ContactSettings
from tests.dialects.schoology.messages.conftest import School

SUBJECT = '"You must enter a message subject"'
RECIPIENTS = '"Some or all of the recipients you entered are invalid"'
RESULT = ["id", "subject", "recipient_ids", "last_updated", "mid", "author_id", "message_status", "message"]


def refused(school: School, body: object, path: str = "/messages") -> str:
    """Send what cannot be sent, as Ada; return the text of the answer, which is a JSON string literal. Nothing is changed."""
    before = (school.inbox(school.ben), school.sent(school.ada))
    answer = school.request(school.ada, "POST", path, json=body)
    assert answer.status_code == 400, (answer.status_code, answer.text)
    assert isinstance(answer.json(), str)
    assert (school.inbox(school.ben), school.sent(school.ada)) == before
    return answer.text


def joined(*people: int) -> str:
    """Return numbers as a list of participants has them: ascending."""
    return ",".join(map(str, sorted(people)))


def body(school: School, **changes: object) -> dict[str, object]:
    return {"subject": "s", "message": "m", "recipient_ids": str(school.ben), **changes}


def test_create(school: School) -> None:
    """§1.2: 201 and the bare object; §4.2: its keys and types, as sent; no Location (§7.2, our choice)."""
    given = {"subject": "This is subject", "message": "This is message", "recipient_ids": f"{school.cleo},{school.ben}"}
    answer = school.request(school.ada, "POST", "/messages", json=given)
    assert answer.status_code == 201
    assert "Location" not in answer.headers
    result = answer.json()
    assert list(result) == RESULT
    assert result == {
        "id": result["id"],
        "subject": "This is subject",
        "recipient_ids": f"{school.cleo},{school.ben}",
        "last_updated": result["last_updated"],
        "mid": None,
        "author_id": school.ada,
        "message_status": None,
        "message": "This is message",
    }
    assert school.inbox(school.ben) == school.inbox(school.cleo) == [(result["id"], "unread")]
    assert school.inbox(school.dan) == []


def test_create_in_xml(school: School) -> None:
    """§3.3, §4.3."""
    given = (
        f"<body> <subject>a &amp; b</subject> <message>l1\nl2</message> <recipient_ids>{school.ben},{school.cleo}</recipient_ids> </body>"
    )
    headers = {"Content-Type": "application/xml", "Accept": "text/xml"}
    answer = school.request(school.ada, "POST", "/messages", data=given.encode(), headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "text/xml; charset=UTF-8")
    root = ET.fromstring(answer.content)
    assert [child.tag for child in root] == RESULT
    assert b"<mid />" in answer.content
    assert f"<author_id>{school.ada}</author_id><message_status /><message>l1\nl2</message></result>".encode() in answer.content
    (item,) = school.ask(school.cleo, "/messages/inbox")["message"]
    assert (item["subject"], item["message"], item["recipient_ids"]) == ("a & b", "l1\nl2", f"{school.ben},{school.cleo}")


# -- §1.4 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["", "  ", None])
def test_a_subject_is_required(sqlite_school: School, subject: object) -> None:
    """§1.4: 400 and exactly this text, quotes included."""
    assert refused(sqlite_school, body(sqlite_school, subject=subject)) == SUBJECT
    absent = body(sqlite_school)
    del absent["subject"]
    assert refused(sqlite_school, absent) == SUBJECT


@pytest.mark.parametrize(
    "recipients",
    [
        "",
        " ",
        "Le canard",
        "69824HB",
        None,
        [],
        ",",
        "1,",
        "0",
        "-1",
        "99999",
        "9" * 30,
        "9" * 5_000,
        0,
        2**40,
        ["x"],
        "\u0661",
        "1;2",
        "\0",
    ],
    ids=range(19),
)
def test_recipients_are_required(sqlite_school: School, recipients: object) -> None:
    """§1.4: 400 and exactly this text, quotes included."""
    assert refused(sqlite_school, body(sqlite_school, recipient_ids=recipients)) == RECIPIENTS


def test_one_bad_recipient_is_enough(sqlite_school: School) -> None:
    """§1.4: some or all."""
    school = sqlite_school
    for others in ("99999", "Le canard", str(school.ada)):
        assert refused(school, body(school, recipient_ids=f"{school.ben},{others}")) == RECIPIENTS


def test_the_subject_is_checked_first(sqlite_school: School) -> None:
    """§7.2, our choice."""
    assert refused(sqlite_school, {"subject": "", "recipient_ids": ""}) == SUBJECT
    assert refused(sqlite_school, {}) == SUBJECT
    answer = sqlite_school.request(sqlite_school.ada, "POST", "/messages")
    assert (answer.status_code, answer.text) == (400, SUBJECT)


def test_an_empty_message_is_none_the_less_one(school: School) -> None:
    """§1.4: 201, echoed as the empty text."""
    assert school.send(school.ada, school.ben, message="")["message"] == ""
    answer = school.request(school.ada, "POST", "/messages", json={"subject": "s", "recipient_ids": str(school.ben)})
    assert (answer.status_code, answer.json()["message"]) == (201, "")


def test_texts_of_errors_in_xml(sqlite_school: School) -> None:
    """§7.1, §7.2: our choice, the text as the content of result."""
    answer = sqlite_school.request(sqlite_school.ada, "POST", "/messages", json={}, headers={"Accept": "text/xml"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "text/xml; charset=UTF-8")
    assert answer.text == '<?xml version="1.0" encoding="utf-8" ?>\n<result>You must enter a message subject</result>'


def test_whom_one_may_not_write_to_is_invalid(configured_school: Callable[..., School]) -> None:
    """§7.1: the same 400; §4.5."""
    school = configured_school(contacts=ContactSettings(may_write_to={"student": ["staff"], "teacher": ["role:student"]}))
    answer = school.request(school.ben, "POST", "/messages", json={"subject": "s", "recipient_ids": str(school.cleo)})
    assert (answer.status_code, answer.text) == (400, RECIPIENTS)
    assert school.inbox(school.cleo) == []
    assert school.send(school.ben, school.ada)["author_id"] == school.ben


def test_nobody_writes_to_who_left(sqlite_school: School) -> None:
    school = sqlite_school
    assert refused(school, body(school, recipient_ids=str(school.gus))) == RECIPIENTS


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"subject": "x" * 201}, "subject: more than 200"),
        ({"message": "x" * 15_001}, "message: more than 15000"),
        ({"subject": "two\nlines"}, "subject"),
        ({"subject": "\x00"}, "subject"),
        ({"message": "\x00"}, "message: character U+0000"),
        ({"subject": 1}, "subject"),
        ({"subject": ["s"]}, "subject"),
        ({"message": {"b": "x"}}, "message"),
        ({"recipient_ids": {"id": 1}}, "recipient_ids"),
        ({"recipient_ids": [[1]]}, "recipient_ids"),
        ({"recipient_ids": [True]}, "recipient_ids"),
        ({"recipient_ids": list(range(1_000, 1_501))}, "500"),
        ({"id": [1]}, "id"),
        ({"attachments": [{"type": "link", "url": "javascript:alert(1)"}]}, "attachments: "),
        ({"attachments": [{"type": "resource", "resource": "1"}]}, "a link, an embed or a file"),
        ({"attachments": [{"url": f"https://{number}.example/"} for number in range(11)]}, "attachments: more than 10"),
        ({"file-attachment": {"id": ["1"]}}, "uploads: "),
    ],
    ids=range(17),
)
def test_texts_of_our_own(sqlite_school: School, changes: dict[str, object], text: str) -> None:
    """§7.2: limits, our choice."""
    found = refused(sqlite_school, body(sqlite_school, **changes))
    assert text in found
    assert found not in {SUBJECT, RECIPIENTS}


def test_the_largest_texts(sqlite_school: School) -> None:
    school = sqlite_school
    sent = school.send(school.ada, school.ben, subject="ż" * 200, message="ż" * 15_000)
    assert (len(sent["subject"]), len(sent["message"])) == (200, 15_000)


@pytest.mark.parametrize(
    ("content_type", "content", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[]", 400),
        ("application/json", b"\"{'subject': 'Sub', 'recipient_ids': '2'}\"", 400),  # schoolopy 0.3.1 (§6.2)
        ("application/json", b'{"subject": "\\ud800", "recipient_ids": "2"}', 400),
        ("text/xml", b"<body>", 400),
        ("text/xml", b"<!DOCTYPE b [<!ENTITY x 'y'>]><body><subject>&x;</subject></body>", 400),
        ("text/xml", b"<body><subject>s</subject><message>Hi <b>you</b></message><recipient_ids>2</recipient_ids></body>", 400),
        ("text/plain", b"subject=s", 415),
        ("application/x-www-form-urlencoded; charset=utf-8", b"", 415),
        ("application/json", b" " * 1_048_577, 413),
    ],
    ids=range(10),
)
def test_bodies_that_cannot_be_read(sqlite_school: School, content_type: str, content: bytes, status: int) -> None:
    """§7.1: malformed is 400; §3.1: forms are 415."""
    school = sqlite_school
    answer = school.request(school.ada, "POST", "/messages", data=content, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert isinstance(answer.json(), str)
    assert school.sent(school.ada) == []


def test_recipients_may_come_as_a_list_and_with_blanks(sqlite_school: School) -> None:
    """§4.2: the string comes back as sent; lists are our own addition."""
    school = sqlite_school
    ben, cleo = school.ben, school.cleo
    for given, echoed in (
        (f"{ben}, {cleo} ,{ben}", f"{ben}, {cleo} ,{ben}"),
        (f"0{ben}", f"0{ben}"),
        ([ben, str(cleo)], f"{ben},{cleo}"),
        ([str(ben)], str(ben)),
        (ben, str(ben)),
    ):
        answer = school.request(school.ada, "POST", "/messages", json=body(school, recipient_ids=given))
        assert (answer.status_code, answer.json()["recipient_ids"]) == (201, echoed)
    assert len(school.inbox(ben)) == 5
    assert len(school.inbox(cleo)) == 2
    xml = f"<r><subject>s</subject><recipient_ids>{ben}</recipient_ids><recipient_ids>{cleo}</recipient_ids></r>"
    answer = school.request(school.ada, "POST", "/messages", data=xml.encode(), headers={"Content-Type": "text/xml"})
    assert (answer.status_code, answer.json()["recipient_ids"]) == (201, f"{ben},{cleo}")


def test_html_comes_back_as_sent(sqlite_school: School) -> None:
    """§4.2: what is created is echoed; it is made safe when it is read."""
    html = '<p>Hi<br /><script>x</script></p>\r\n"quoted" /slash/'
    assert sqlite_school.send(sqlite_school.ada, sqlite_school.ben, message=html)["message"] == html


# -- replies -----------------------------------------------------------------------------------------------------------


def in_body(number: int) -> tuple[str, dict[str, object]]:
    return "/messages", {"id": number}


def in_body_as_text(number: int) -> tuple[str, dict[str, object]]:
    return "/messages", {"id": str(number)}


def without_folder(number: int) -> tuple[str, dict[str, object]]:
    return f"/messages/{number}", {}


def in_inbox(number: int) -> tuple[str, dict[str, object]]:
    return f"/messages/inbox/{number}", {}


def in_sent(number: int) -> tuple[str, dict[str, object]]:
    return f"/messages/sent/{number}", {}


FORMS = [in_body, in_body_as_text, without_folder, in_inbox, in_sent]


@pytest.mark.parametrize("form", FORMS)
def test_reply(school: School, form: Callable[[int], tuple[str, dict[str, Any]]]) -> None:
    """§1.2, §7.1: three forms and 201; §4.2, §4.3: the same id, all participants with the replier; it marks the thread read."""
    number = school.send(school.ada, school.ben)["id"]
    path, more = form(number)
    given = {"subject": "This is subject", "message": "Did you see my message", "recipient_ids": str(school.ada), **more}
    answer = school.request(school.ben, "POST", path, json=given)
    assert answer.status_code == 201
    result = answer.json()
    assert list(result) == RESULT
    assert result == {
        "id": number,
        "subject": "This is subject",
        "recipient_ids": joined(school.ada, school.ben),
        "last_updated": result["last_updated"],
        "mid": None,
        "author_id": school.ben,
        "message_status": None,
        "message": "Did you see my message",
    }
    assert school.inbox(school.ben) == [(number, "read")]
    assert school.inbox(school.ada) == [(number, "unread")]
    assert [item["message"] for item in school.ask(school.ada, f"/messages/inbox/{number}")["message"]] == ["Message", given["message"]]


@pytest.mark.parametrize("form", FORMS)
def test_reply_keeps_the_thread_unread(sqlite_school: School, form: Callable[[int], tuple[str, dict[str, Any]]]) -> None:
    """§1.1, §1.3."""
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    path, more = form(number)
    assert school.request(school.ben, "POST", f"{path}?keep_unread=TRUE", json=body(school, recipient_ids="", **more)).status_code == 201
    assert school.inbox(school.ben) == [(number, "unread")]


@pytest.mark.parametrize("recipients", ["", None, []])
def test_a_reply_to_nobody_in_particular_goes_to_all(school: School, recipients: object) -> None:
    number = school.send(school.ada, school.ben, school.cleo)["id"]
    answer = school.request(school.ben, "POST", f"/messages/{number}", json=body(school, recipient_ids=recipients))
    assert answer.json()["recipient_ids"] == joined(school.ada, school.ben, school.cleo)
    assert school.inbox(school.ada) == school.inbox(school.cleo) == [(number, "unread")]


def test_a_reply_is_checked_as_a_message_is(sqlite_school: School) -> None:
    """§1.4: body as create."""
    school = sqlite_school
    number = school.send(school.ada, school.ben)["id"]
    for path, more in (in_body(number), without_folder(number), in_inbox(number)):
        assert refused(school, body(school, subject="", **more), path) == SUBJECT
        assert refused(school, body(school, recipient_ids="Le canard", **more), path) == RECIPIENTS
        assert refused(school, body(school, recipient_ids="99999", **more), path) == RECIPIENTS
        assert "more than 200" in refused(school, body(school, subject="x" * 201, **more), path)


def test_a_reply_in_xml(school: School) -> None:
    """§4.3."""
    number = school.send(school.ada, school.ben)["id"]
    given = f"<body><id>{number}</id><subject>s</subject><message>m</message><recipient_ids>{school.ada}</recipient_ids></body>"
    headers = {"Content-Type": "text/xml", "Accept": "text/xml"}
    answer = school.request(school.ben, "POST", "/messages", data=given.encode(), headers=headers)
    assert answer.status_code == 201
    assert f"<result><id>{number}</id>".encode() in answer.content
    assert f"<recipient_ids>{joined(school.ada, school.ben)}</recipient_ids>".encode() in answer.content


@pytest.mark.parametrize("number", ["", None])
def test_an_empty_id_is_a_new_message(sqlite_school: School, number: object) -> None:
    school = sqlite_school
    first = school.send(school.ada, school.ben)["id"]
    answer = school.request(school.ada, "POST", "/messages", json=body(school, id=number))
    assert answer.status_code == 201
    assert answer.json()["id"] > first


# -- repeated calls ----------------------------------------------------------------------------------------------------


def test_a_repeated_call_sends_once(school: School) -> None:
    """Our own addition: Idempotency-Key."""
    key = {"Idempotency-Key": "k1"}
    first = school.request(school.ada, "POST", "/messages", json=body(school), headers=key)
    again = school.request(school.ada, "POST", "/messages", json=body(school), headers=key)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    number = first.json()["id"]
    reply = {"Idempotency-Key": "k2"}
    answers = [
        school.request(school.ben, "POST", f"/messages/{number}", json=body(school, recipient_ids=""), headers=reply) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert len(school.ask(school.ada, f"/messages/inbox/{number}")["message"]) == 2
    assert school.sent(school.ada) == [number]
    other = school.request(school.ada, "POST", "/messages", json=body(school, subject="other"), headers=key)
    assert other.status_code == 400
    assert "idempotency_key" in other.json()
    assert school.request(school.cleo, "POST", "/messages", json=body(school), headers=key).json()["author_id"] == school.cleo


def test_a_refused_call_keeps_no_key(sqlite_school: School) -> None:
    school = sqlite_school
    key = {"Idempotency-Key": "k"}
    assert school.request(school.ada, "POST", "/messages", json=body(school, recipient_ids="99999"), headers=key).status_code == 400
    assert school.request(school.ada, "POST", "/messages", json=body(school), headers=key).status_code == 201
    assert school.request(school.ada, "POST", "/messages", json=body(school), headers={"Idempotency-Key": "x" * 256}).status_code == 400


def test_slashes_and_letters_come_as_they_are(sqlite_school: School) -> None:
    """§3.2: any JSON parser reads / and its escape alike."""
    school = sqlite_school
    raw = json.dumps(body(school, message="a/b ż \U0001f600")).replace("/", "\\/").encode()
    answer = school.request(school.ada, "POST", "/messages", data=raw, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.json()["message"] == "a/b ż \U0001f600"
