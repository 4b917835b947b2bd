"""Files, links and embedded pages of private messages: wire/schoology.md §4.4, and attacks on them."""

import asyncio
import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from requests_oauthlib import OAuth1
from sqlalchemy import select, update
from starlette.routing import Mount

from postroom import clock
from postroom.application import application
from postroom.clock import DAY
from postroom.delivery import housekeeping
from postroom.dialects.schoology import attachments as view
from postroom.dialects.schoology import uploads as routes
from postroom.errors import Unavailable
from postroom.messages import uploads
from postroom.settings import SchoologySettings
from postroom.storage import tables
from postroom.storage.blobs import PARTS
from tests.dialects.schoology.messages.conftest import School
from tests.support import counted

RARE = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=120)
CONTENT = b"%PDF plan"
MD5 = hashlib.md5(CONTENT).hexdigest()
PAGE = {"type": "link", "url": "https://uni.example/a?b=1&c=2", "title": "Plan <A>"}
FRAME = {"type": "embed", "embed": "https://video.example/1?a=%22x", "title": 'The "film"'}


def announce(school: School, who: int, filename: str = "plan.pdf", size: Any = 9, md5: str | None = MD5) -> requests.Response:
    body = {"filename": filename, "filesize": size, **({} if md5 is None else {"md5_checksum": md5})}
    return school.request(who, "POST", "/upload", json=body)


def announced(school: School, who: int, **values: Any) -> int:
    response = announce(school, who, **values)
    assert response.status_code == 201, response.text
    return response.json()["id"]


def put(school: School, who: int, number: int, content: Any = CONTENT, kind: str = "application/pdf") -> requests.Response:
    return school.request(who, "PUT", f"/upload/{number}", data=content, headers={"Content-Type": kind})


def uploaded(school: School, who: int, **values: Any) -> int:
    number = announced(school, who, **values)
    assert put(school, who, number).status_code == 200
    return number


def send(school: School, who: int, to: int, **parts: Any) -> requests.Response:
    body = {"subject": "Plan", "message": "See there.", "recipient_ids": str(to), **parts}
    return school.request(who, "POST", "/messages", json=body)


def shown(school: School, who: int, thread: int, folder: str = "inbox") -> Any:
    [message] = school.ask(who, f"/messages/{folder}/{thread}?with_attachments=TRUE")["message"]
    return message["attachments"]


def kept_files(school: School) -> list[Path]:
    return [path for path in (school.store.settings.data_dir / "blobs").glob("*/*") if path.is_file()]


# -- uploads ------------------------------------------------------------------------------------------------------------


def test_a_file_is_announced_and_put_where_the_answer_says(school: School) -> None:
    """POST /v1/upload → 201; PUT the bytes to upload_location with the real Content-Type → 200 + file object."""
    response = announce(school, school.ada, "../Plan żółty.PDF")
    answer = response.json()
    assert (response.status_code, list(answer)) == (
        201,
        ["upload_location", "id", "filename", "filesize", "md5_checksum", "timestamp"],
    )
    assert answer["upload_location"] == f"{school.url}/upload/{answer['id']}"
    assert (answer["filename"], answer["filesize"], answer["md5_checksum"]) == ("Plan żółty.PDF", len(CONTENT), MD5)
    response = put(school, school.ada, answer["id"])
    file = response.json()
    assert (response.status_code, file["id"], file["fid"]) == (200, answer["id"], answer["id"])
    assert (file["filename"], file["filesize"], file["filemime"], file["extension"]) == ("Plan żółty.PDF", 9, "application/pdf", "pdf")
    assert (file["md5_checksum"], file["timestamp"], file["download_path"]) == (MD5, answer["timestamp"], "")


def test_the_location_is_not_made_of_the_host_header(sqlite_school: School) -> None:
    """§5.2: a server that builds it from Host would send a client with an odd Host to another server, with its key."""
    school = sqlite_school
    body = {"filename": "a", "filesize": 1}
    response = school.request(school.ada, "POST", "/upload", json=body, headers={"Host": "api.schoology.com"})
    assert response.status_code == 201, response.text
    assert response.json()["upload_location"].startswith(f"{school.url}/upload/")


def test_an_upload_in_xml(sqlite_school: School) -> None:
    school = sqlite_school
    body = f"<upload><filename>a.txt</filename><filesize>9</filesize><md5_checksum>{MD5}</md5_checksum></upload>"
    response = school.request(school.ada, "POST", "/upload", data=body, headers={"Content-Type": "text/xml", "Accept": "text/xml"})
    assert response.status_code == 201, response.text
    number = ET.fromstring(response.content).findtext("id")
    assert put(school, school.ada, int(number or 0), kind="text/plain").status_code == 200


@pytest.mark.parametrize("size", [9, "9"])
@pytest.mark.parametrize("md5", [MD5, MD5.upper(), None])
def test_size_in_digits_and_a_checksum_are_taken_either_way(sqlite_school: School, size: Any, md5: str | None) -> None:
    number = announced(sqlite_school, sqlite_school.ada, size=size, md5=md5)
    assert put(sqlite_school, sqlite_school.ada, number).json()["md5_checksum"] == MD5


@pytest.mark.parametrize(
    "wrong",
    [
        {"filename": ""},
        {"filename": ".."},
        {"filename": "x" * 101},
        {"filename": "a\r\nSet-Cookie: x"},
        {"filename": "a\u202efdp.exe"},
        {"size": -1},
        {"size": 2**40},
        {"size": 2**70},
        {"size": "many"},
        {"size": None},
        {"size": 1.5},
        {"md5": "short"},
        {"md5": "z" * 32},
    ],
)
def test_what_cannot_be_announced_is_400_with_words(sqlite_school: School, wrong: dict[str, Any]) -> None:
    response = announce(sqlite_school, sqlite_school.ada, **wrong)
    assert (response.status_code, isinstance(response.json(), str)) == (400, True)
    assert sqlite_school.store.database.read_now(lambda tx: tx.execute(select(tables.uploads)).all()) == []


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"!", b"other one", b"x" * 1_000_000])
def test_bytes_that_do_not_agree_are_400_and_not_kept(school: School, content: bytes) -> None:
    """Size, md5 and user must match."""
    number = announced(school, school.ada)
    response = put(school, school.ada, number, content)
    assert (response.status_code, isinstance(response.json(), str)) == (400, True)
    assert kept_files(school) == []
    assert put(school, school.ada, number).status_code == 200


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"!"])
def test_bytes_without_a_length_are_checked_as_well(sqlite_school: School, content: bytes) -> None:
    """Transfer-Encoding: chunked tells no length beforehand."""
    number = announced(sqlite_school, sqlite_school.ada)
    assert put(sqlite_school, sqlite_school.ada, number, iter([content])).status_code == 400
    assert put(sqlite_school, sqlite_school.ada, number, iter([CONTENT[:4], CONTENT[4:]])).status_code == 200
    assert len(kept_files(sqlite_school)) == 1


def begin_to_put(school: School, number: int, beginning: str) -> bytes:
    """Send the beginning of a chunked body, nothing more, and return the beginning of the answer."""
    key = school.ada_key
    signed = requests.Request("PUT", f"{school.base}/upload/{number}", auth=OAuth1(key.key, key.secret)).prepare()
    place = urlsplit(school.base)
    head = f"PUT /v1/upload/{number} HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: {signed.headers['Authorization'].decode()}\r\n"
    with socket.create_connection((place.hostname, place.port), 10) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n{len(beginning):x}\r\n{beginning}\r\n".encode())
        return connection.recv(100)


def test_what_is_too_long_is_refused_before_it_has_all_come(sqlite_school: School) -> None:
    number = announced(sqlite_school, sqlite_school.ada)
    assert begin_to_put(sqlite_school, number, "x" * 100).startswith(b"HTTP/1.1 400 ")
    assert kept_files(sqlite_school) == []


def test_who_falls_silent_is_not_waited_for_without_end(sqlite_school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_SILENCE", 0.2)
    number = announced(sqlite_school, sqlite_school.ada)
    assert begin_to_put(sqlite_school, number, "x").startswith(b"HTTP/1.1 400 ")
    assert kept_files(sqlite_school) == []


def test_an_empty_file_can_be_sent(sqlite_school: School) -> None:
    number = announced(sqlite_school, sqlite_school.ada, size=0, md5=None)
    assert put(sqlite_school, sqlite_school.ada, number, b"").json()["filesize"] == 0


def test_a_large_file_comes_in_blocks(sqlite_school: School) -> None:
    content = bytes(range(256)) * 4_000
    number = announced(sqlite_school, sqlite_school.ada, size=len(content), md5=hashlib.md5(content).hexdigest())
    assert put(sqlite_school, sqlite_school.ada, number, content).status_code == 200
    [path] = kept_files(sqlite_school)
    assert path.read_bytes() == content


def test_the_location_locks_after_success(school: School) -> None:
    """Our choice: 403."""
    number = uploaded(school, school.ada)
    response = put(school, school.ada, number)
    assert (response.status_code, response.json()) == (403, "")
    assert len(kept_files(school)) == 1


def test_nobody_puts_the_file_of_another(school: School) -> None:
    number = announced(school, school.ada)
    for foreign in (number, 999, 2**31, 10**30):
        response = put(school, school.ben, foreign)
        assert (response.status_code, response.content) == (404, b"")
    assert kept_files(school) == []
    assert put(school, school.ada, number).status_code == 200


def test_who_acts_for_nobody_uploads_nothing(sqlite_school: School) -> None:
    response = sqlite_school.request(sqlite_school.machine, "POST", "/upload", json={"filename": "a", "filesize": 1})
    assert (response.status_code, response.json()) == (403, "")


def test_204_for_those_who_want_it(configured_school: Any) -> None:
    """§4.4: a PHP client throws unless the PUT answers 204."""
    school = configured_school(schoology=SchoologySettings(upload_without_answer=True))
    number = announced(school, school.ada)
    response = put(school, school.ada, number)
    assert (response.status_code, response.content) == (204, b"")


def test_a_store_that_fails_leaves_no_file(sqlite_school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    number = announced(sqlite_school, sqlite_school.ada)

    def fail(*_: Any) -> None:
        raise Unavailable("test")

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "receive", fail)
        assert put(sqlite_school, sqlite_school.ada, number).status_code == 503
    assert kept_files(sqlite_school) == []
    assert put(sqlite_school, sqlite_school.ada, number).status_code == 200


def test_a_crash_between_file_and_row_leaves_what_housekeeping_finds(sqlite_school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """Design 1.3: the process dies when the file is durable and its row is not: after a day the sweep deletes it, and no file of a row."""
    school = sqlite_school
    uploaded(school, school.ada)
    [good] = kept_files(school)
    number = announced(school, school.ada)

    def fail(*_: Any) -> None:
        raise Unavailable("test")

    async def die(*_: Any) -> None:
        pass

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "receive", fail)
        patch.setattr(routes, "delete_if_unused", die)
        put(school, school.ada, number)
    assert len(kept_files(school)) == 2
    for path in kept_files(school):
        os.utime(path, (1, 1))

    async def sweep() -> int:
        return sum([await housekeeping.sweep(school.store, part, clock.now()) for part in range(PARTS)])

    assert asyncio.run(sweep()) == 1
    assert kept_files(school) == [good]


@RARE
@given(
    st.dictionaries(st.sampled_from(["filename", "filesize", "md5_checksum", "other"]), PLAIN), st.sampled_from(["/upload", "/upload/1"])
)
def test_whatever_is_announced_it_is_taken_or_refused(sqlite_school: School, body: dict[str, Any], path: str) -> None:
    content = json.dumps(body).encode()
    response = sqlite_school.request(sqlite_school.ada, "POST", path, data=content, headers={"Content-Type": "application/json"})
    assert response.status_code in {201, 400, 405}, response.text


# -- what a message is sent with ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["file-attachment", "attachments"])
def test_a_message_takes_files_over(school: School, form: str) -> None:
    """Both forms of writing; the shape of reading, with all keys of the file object."""
    number = uploaded(school, school.ada)
    parts = {"file-attachment": {"id": [str(number)]}} if form == "file-attachment" else {"attachments": [{"fid": str(number)}]}
    response = send(school, school.ada, school.ben, **parts)
    assert response.status_code == 201, response.text
    thread = response.json()["id"]
    for who, folder in ((school.ben, "inbox"), (school.ada, "sent")):
        found = shown(school, who, thread, folder)
        assert list(found) == ["files"]
        [file] = found["files"]["file"]
        assert {key: type(value) for key, value in file.items()} == {
            **dict.fromkeys(("id", "fid", "filesize", "timestamp", "converted_status", "converted_type"), int),
            **dict.fromkeys(("type", "title", "filename", "md5_checksum", "filemime", "download_path", "extension"), str),
            **dict.fromkeys(("dimensions", "thumbnail", "thumbnail_dimensions"), str),
            **{
                f"converted_{name}": type(None)
                for name in ("filename", "download_path", "extension", "filesize", "md5_checksum", "filemime")
            },
        }
        assert (file["filename"], file["filesize"], file["md5_checksum"], file["filemime"]) == ("plan.pdf", 9, MD5, "application/pdf")
        assert (file["converted_status"], file["converted_type"]) == (1, 4)
        assert file["download_path"] == f"{school.url}/attachment/{file['id']}/source"


def test_links_and_embedded_pages(school: School) -> None:
    thread = send(school, school.ada, school.ben, attachments=[PAGE, FRAME]).json()["id"]
    found = shown(school, school.ben, thread)
    assert list(found) == ["links", "embeds"]
    [link], [embed] = found["links"]["link"], found["embeds"]["embed"]
    assert (link["id"], link["type"], link["title"], link["url"]) == (1, "link", "Plan <A>", PAGE["url"])
    assert embed["id"] == 2
    assert embed["embed_code"].startswith('<iframe src="https://video.example/1?a=%22x" title="The &quot;film&quot;" sandbox=')


def test_in_lists_too_and_only_when_asked_for(school: School) -> None:
    """?with_attachments=TRUE (docs), 1 (clients)."""
    send(school, school.ada, school.ben, attachments=[PAGE])
    send(school, school.ada, school.ben)
    for flag in ("TRUE", "true", "1"):
        listed = school.ask(school.ben, f"/messages/inbox?with_attachments={flag}")["message"]
        assert [list(item["attachments"]) for item in listed] == [[], ["links"]]
    for query in ("", "?with_attachments=FALSE", "?with_attachments=0"):
        assert not any("attachments" in item for item in school.ask(school.ada, f"/messages/sent{query}")["message"])


def test_attachments_in_xml(sqlite_school: School) -> None:
    """§3.2: a list is the element repeated."""
    school = sqlite_school
    thread = send(school, school.ada, school.ben, attachments=[PAGE, {**PAGE, "title": "Two"}]).json()["id"]
    response = school.request(school.ben, "GET", f"/messages/inbox/{thread}?with_attachments=1", headers={"Accept": "text/xml"})
    found = ET.fromstring(response.content).findall("message/attachments/links/link/title")
    assert [title.text for title in found] == ["Plan <A>", "Two"]


def test_an_answer_has_files_of_its_own(sqlite_school: School) -> None:
    school = sqlite_school
    thread = send(school, school.ada, school.ben, **{"file-attachment": {"id": uploaded(school, school.ada)}}).json()["id"]
    body = {"subject": "Re", "message": "Here.", "file-attachment": {"id": [uploaded(school, school.ben, filename="answer.txt")]}}
    assert school.request(school.ben, "POST", f"/messages/{thread}", json=body).status_code == 201
    messages = school.ask(school.ada, f"/messages/inbox/{thread}?with_attachments=TRUE")["message"]
    assert [item["attachments"]["files"]["file"][0]["filename"] for item in messages] == ["plan.pdf", "answer.txt"]


@pytest.mark.parametrize("case", ["foreign", "unfinished", "unknown", "used", "twice", "too many", "no page", "with links too many"])
def test_what_a_message_cannot_be_sent_with_is_400_and_nothing_is_sent(school: School, case: str) -> None:
    mine = uploaded(school, school.ada)
    parts: dict[str, Any] = {}
    match case:
        case "foreign":
            parts = {"file-attachment": {"id": [mine, uploaded(school, school.ben)]}}
        case "unfinished":
            parts = {"file-attachment": {"id": [mine, announced(school, school.ada)]}}
        case "unknown":
            parts = {"file-attachment": {"id": [mine, 10**12]}}
        case "used":
            send(school, school.ada, school.cleo, **{"file-attachment": {"id": mine}})
            parts = {"file-attachment": {"id": mine}}
        case "twice":
            parts = {"file-attachment": {"id": [mine]}, "attachments": [{"fid": mine}]}
        case "too many":
            parts = {"attachments": [PAGE] * 11}
        case "no page":
            parts = {"attachments": [{"type": "link", "url": "javascript:alert(1)", "title": ""}]}
        case _:
            parts = {"file-attachment": {"id": [mine]}, "attachments": [PAGE] * 10}
    response = send(school, school.ada, school.ben, **parts)
    assert (response.status_code, isinstance(response.json(), str)) == (400, True)
    assert school.inbox(school.ben) == []
    if case != "used":
        assert send(school, school.ada, school.ben, **{"file-attachment": {"id": [mine]}}).status_code == 201


# -- downloads --------------------------------------------------------------------------------------------------------------


def source(school: School, who: int, thread: int) -> str:
    path: str = shown(school, who, thread)["files"]["file"][0]["download_path"]
    return path.removeprefix(school.url)


def test_the_file_is_where_download_path_leads(school: School) -> None:
    """download_path answers a redirect (303) to storage; no signature of the client is asked for there."""
    school.server.serve(Mount("", application(school.store)))
    thread = send(school, school.ada, school.ben, **{"file-attachment": {"id": uploaded(school, school.ada)}}).json()["id"]
    path = source(school, school.ben, thread)
    for who in (school.ben, school.ada):
        response = school.request(who, "GET", path)
        target = urlsplit(response.headers["Location"])
        assert (response.status_code, f"{target.scheme}://{target.netloc}") == (303, school.store.settings.public_url)
        fetched = school.http.get(f"{school.server.base.rstrip('/')}{target.path}", timeout=20)
        assert (fetched.status_code, fetched.content, fetched.headers["Content-Type"]) == (200, CONTENT, "application/pdf")
        assert fetched.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("case", ["outsider", "unknown", "huge", "deleted", "revoked", "expired", "nobody"])
def test_nobody_else_is_led_to_it(school: School, case: str) -> None:
    thread = send(school, school.ada, school.ben, **{"file-attachment": {"id": uploaded(school, school.ada)}}).json()["id"]
    path, who, status = source(school, school.ben, thread), school.ben, 404
    match case:
        case "outsider":
            who = school.cleo
        case "unknown":
            path = "/attachment/999/source"
        case "huge":
            path = f"/attachment/{10**30}/source"
        case "deleted":
            assert school.request(school.ben, "DELETE", f"/messages/inbox/{thread}").status_code == 204
        case "revoked" | "expired":
            values = {"revoked_at": 1} if case == "revoked" else {"expires_at": 1}
            school.store.database.write_now(lambda tx: tx.execute(update(tables.attachments).values(values)) and None)
        case _:
            response = school.request(school.machine, "GET", path)
            assert response.status_code == 403
            return
    response = school.request(who, "GET", path)
    assert (response.status_code, response.content, "Location" in response.headers) == (status, b"", False)


def test_files_can_be_fetched_as_long_as_the_settings_say(configured_school: Any) -> None:
    school = configured_school(schoology=SchoologySettings(attachment_days=7))
    send(school, school.ada, school.ben, **{"file-attachment": {"id": uploaded(school, school.ada)}})
    row = school.store.database.read_now(lambda tx: tx.execute(select(tables.attachments)).one())
    assert row.expires_at - row.created_at == 7 * DAY


def test_a_withdrawn_file_is_not_shown(sqlite_school: School) -> None:
    school = sqlite_school
    thread = send(school, school.ada, school.ben, **{"file-attachment": {"id": uploaded(school, school.ada)}}).json()["id"]
    school.store.database.write_now(lambda tx: tx.execute(update(tables.attachments).values(revoked_at=1)) and None)
    assert shown(school, school.ben, thread) == {}


# -- cost ---------------------------------------------------------------------------------------------------------------------


def test_attachments_of_a_page_take_two_queries_whatever_its_length(school: School) -> None:
    lengths = []
    for count in (1, 4):
        for _ in range(count):
            send(school, school.ada, school.ben, attachments=[PAGE], **{"file-attachment": {"id": uploaded(school, school.ada)}})
        with counted(school.store) as plain:
            school.ask(school.ben, "/messages/inbox")
        with counted(school.store) as full:
            school.ask(school.ben, "/messages/inbox?with_attachments=1")
        lengths.append(len(full) - len(plain))
    assert lengths == [2, 2]


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        ("video/mp4", 1),
        ("audio/ogg", 2),
        ("image/png", 3),
        ("text/plain", 4),
        ("application/pdf", 4),
        ("application/vnd.oasis.opendocument.text", 4),
        ("application/zip", 5),
    ],
)
def test_the_type_of_a_file(kind: str, number: int) -> None:
    """§4.6: 1 video, 2 audio, 3 image, 4 document, 5 unknown."""
    assert view.file_item(1, "x", 1, None, kind, 1).converted_type == number
