"""services/mailclient: rows 1, 2, 5, 9 and 15 of the table in contract §1.4, over real HTTP; uploads that break leave nothing."""

import asyncio
import gc
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from oauthlib.oauth1 import Client

from postroom import errors
from postroom.messages import attachments as files
from postroom.messages.records import Attachment
from postroom.settings import AttachmentSettings
from postroom.storage import blobs
from postroom.storage.sqlite import SqliteDatabase
from tests.dialects.usos.conftest import Installation

ALL = "id|filename|size|description|url"


def stored(usos: Installation, attachment_id: str) -> Attachment:
    return usos.store.database.read_now(files.get, usos.jan, int(attachment_id))


def content(usos: Installation, attachment_id: str) -> bytes:
    file = stored(usos, attachment_id)

    async def read() -> bytes:
        return b"".join([chunk async for chunk in usos.store.blobs.read(file.blob_key, 0, file.size)])

    return asyncio.run(read())


def body_of(*parts: tuple[str, bytes], end: bytes = b"--B--\r\n") -> bytes:
    return b"".join(f"--B\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts) + end


def post_raw(usos: Installation, body: Any, query: str = "", content_type: str = "multipart/form-data; boundary=B") -> requests.Response:
    url = usos.url("put_attachment") + query
    client = Client(usos.client.key, usos.client.secret, usos.token.token, usos.token.secret)
    signed, headers, _ = client.sign(url, "POST")
    return usos.http.post(signed, data=body, headers={**headers, "Content-Type": content_type}, timeout=60)


# -- rows 1 and 2: attachment, attachments -------------------------------------------------------------------------------


def test_row_1_attachment_shows_every_field_and_two_by_default(usos: Installation) -> None:
    """§1.4 row 1, §4.2: default id|filename; size in bytes."""
    attachment_id = usos.attach(usos.draft(), "plan.pdf", b"12345", description="the plan")
    assert usos.ask("attachment", attachment_id=attachment_id) == {"id": attachment_id, "filename": "plan.pdf"}
    shown = usos.ask("attachment", attachment_id=attachment_id, fields=ALL)
    url = shown.pop("url")
    assert shown == {"id": attachment_id, "filename": "plan.pdf", "size": 5, "description": "the plan"}
    assert url == usos.store.settings.public_url + files.link_path(usos.store.vault, stored(usos, attachment_id))


@pytest.mark.parametrize("attachment_id", ["999", "x", "", "99999999999", "-1"])
def test_row_1_attachment_not_found(usos: Installation, attachment_id: str) -> None:
    body = usos.refused("attachment", attachment_id=attachment_id)
    assert (body["error"], body["param_name"]) == ("object_not_found", "attachment_id")


def test_row_2_attachments_maps_each_id_and_null_for_the_unknown(usos: Installation) -> None:
    message_id = usos.draft()
    one, two = usos.attach(message_id, "1.txt"), usos.attach(message_id, "2.txt")
    foreign = usos.put(usos.draft(usos.anna_token), token=usos.anna_token).json()["attachment_id"]
    answer = usos.ask("attachments", attachment_ids=f"{two}|x|{one}|{foreign}|999")
    assert answer == {
        two: {"id": two, "filename": "2.txt"},
        "x": None,
        one: {"id": one, "filename": "1.txt"},
        foreign: None,
        "999": None,
    }
    assert usos.ask("attachments", attachment_ids=one, fields="size|description") == {one: {"size": 3, "description": ""}}
    assert usos.refused("attachments")["param_name"] == "attachment_ids"


# -- row 9: put_attachment -----------------------------------------------------------------------------------------------


def test_row_9_put_attachment_keeps_the_bytes_and_guesses_the_type(usos: Installation) -> None:
    """§1.4 row 9: content_type is guessed if absent; the general octet-stream of clients counts as absent."""
    response = usos.put(usos.draft(), "plan.pdf", b"\x00\xff\r\n--" * 100)
    assert list(response.json()) == ["attachment_id"]
    attachment_id = response.json()["attachment_id"]
    assert content(usos, attachment_id) == b"\x00\xff\r\n--" * 100
    assert (stored(usos, attachment_id).content_type, stored(usos, attachment_id).description) == ("application/pdf", "")


def test_row_9_put_attachment_takes_name_type_and_description(usos: Installation) -> None:
    """filename and content_type win over what the upload says of itself."""
    attachment_id = usos.attach(usos.draft(), "x.bin", filename="żółw.txt", content_type="text/x-turtle", description="d" * 200)
    file = stored(usos, attachment_id)
    assert (file.filename, file.content_type, file.description) == ("żółw.txt", "text/x-turtle", "d" * 200)
    chosen = usos.attach(usos.draft(), "plan.pdf", content_type="application/octet-stream")
    assert stored(usos, chosen).content_type == "application/octet-stream"
    guessed = usos.attach(usos.draft(), "plan.pdf", content_type="no media type")
    assert stored(usos, guessed).content_type == "application/pdf"


def test_row_9_put_attachment_limits(usos: Installation) -> None:
    """filename ≤ 100, from the argument and from the upload alike; description ≤ 200."""
    message_id = usos.draft()
    assert usos.put(message_id, "ż" * 100).status_code == 200
    for expected, response in (
        ("filename", usos.put(message_id, "ż" * 101)),
        ("filename", usos.put(message_id, filename="a" * 101)),
        ("description", usos.put(message_id, description="d" * 201)),
        ("content_type", usos.put(message_id, content_type="a/" + "b" * 300)),
    ):
        assert (response.status_code, response.json()["error"], response.json()["param_name"]) == (400, "param_invalid", expected)
    assert len(usos.blobs()) == 1


@pytest.mark.parametrize("name", ["a\r\nb.txt", "a\x07.txt", "..", "/", "a\u202etxt.exe"])
def test_row_9_put_attachment_refuses_names_that_break_headers(sqlite_usos: Installation, name: str) -> None:
    body = sqlite_usos.put(sqlite_usos.draft(), filename=name).json()
    assert (body["error"], body["param_name"]) == ("param_invalid", "filename")
    assert sqlite_usos.blobs() == []


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('filename="zażółć.txt"', "zażółć.txt"),
        ("filename*=UTF-8''za%C5%BC%C3%B3%C5%82%C4%87.txt", "zażółć.txt"),
        (r'filename="C:\\fakepath\\a.txt"', "a.txt"),
        ('filename="../../etc/passwd"', "passwd"),
    ],
)
def test_row_9_put_attachment_file_names_of_uploads(sqlite_usos: Installation, disposition: str, filename: str) -> None:
    """§3.7: raw UTF-8 and RFC 2231; folders are cut off."""
    message_id = sqlite_usos.draft()
    response = post_raw(sqlite_usos, body_of((f'name="data"; {disposition}', b"x")), f"?message_id={message_id}")
    assert stored(sqlite_usos, response.json()["attachment_id"]).filename == filename


def test_row_9_put_attachment_fields_stand_anywhere(sqlite_usos: Installation) -> None:
    """message_id and filename in the query, in fields before the file, or after it."""
    message_id = sqlite_usos.draft()
    data = ('name="data"; filename="raw.bin"', b"content")
    number, name = ('name="message_id"', message_id.encode()), ('name="filename"', b"given.txt")
    for query, parts in (
        (f"?message_id={message_id}&filename=given.txt", [data]),
        ("", [number, name, data]),
        ("", [data, name, number]),
        (f"?message_id={message_id}", [name, data, number]),
    ):
        response = post_raw(sqlite_usos, body_of(*parts), query)
        assert response.status_code == 200, response.text
        assert stored(sqlite_usos, response.json()["attachment_id"]).filename == "given.txt"
        assert content(sqlite_usos, response.json()["attachment_id"]) == b"content"


def test_row_9_put_attachment_needs_message_file_and_a_name(sqlite_usos: Installation) -> None:
    message_id = sqlite_usos.draft()
    data = ('name="data"; filename="a"', b"x")
    for missing, response in (
        ("message_id", post_raw(sqlite_usos, body_of(data))),
        ("data", post_raw(sqlite_usos, body_of(('name="other"; filename="a"', b"x")), f"?message_id={message_id}")),
        ("data", sqlite_usos.send("put_attachment", message_id=message_id, data="x")),
        ("filename", post_raw(sqlite_usos, body_of(('name="data"', b"x")), f"?message_id={message_id}")),
    ):
        assert (response.json()["error"], response.json()["param_name"]) == ("param_missing", missing)
    assert sqlite_usos.blobs() == []


def test_row_9_put_attachment_takes_one_file(sqlite_usos: Installation) -> None:
    data = ('name="data"; filename="a"', b"x")
    response = post_raw(sqlite_usos, body_of(data, data), f"?message_id={sqlite_usos.draft()}")
    assert (response.json()["error"], response.json()["param_name"]) == ("param_invalid", "data")
    assert sqlite_usos.blobs() == []


def test_row_9_put_attachment_ten_and_no_more(usos: Installation) -> None:
    """object_invalid, reason attachment_limit_exceeded: an eleventh is refused, before the file is stored and after."""
    message_id = usos.draft()
    for number in range(10):
        usos.attach(message_id, f"{number}.txt")
    late = body_of(('name="data"; filename="a"', b"x"), ('name="message_id"', message_id.encode()))
    for response in (usos.put(message_id), post_raw(usos, late)):
        assert (response.status_code, response.json()["error"], response.json()["reason"]) == (
            400,
            "object_invalid",
            "attachment_limit_exceeded",
        )
    assert len(usos.blobs()) == 10


def test_row_9_put_attachment_drafts_only(usos: Installation) -> None:
    """object_invalid, reason draft_required; object_not_found, param_name message_id; nothing stays in the blob store."""
    message_id = usos.ready()
    usos.ask("send_message", message_id=message_id)
    assert usos.put(message_id).json()["reason"] == "draft_required"
    for unknown in ("999", "x", "99999999999", usos.draft(usos.anna_token)):
        body = usos.put(unknown).json()
        assert (body["error"], body["param_name"]) == ("object_not_found", "message_id")
    assert usos.blobs() == []


def test_row_9_put_attachment_is_bounded_by_the_setting_only(configured: Callable[..., Installation]) -> None:
    """§1.4 row 9: beyond attachments.max_bytes (never below 100 MB in a real installation) param_invalid, and nothing stays."""
    usos = configured(attachments=AttachmentSettings(max_bytes=1_000_000))
    message_id = usos.draft()
    assert usos.put(message_id, data=b"x" * 1_000_000).status_code == 200
    response = usos.put(message_id, data=b"x" * 1_000_001)
    assert (response.status_code, response.json()["error"], response.json()["param_name"]) == (400, "param_invalid", "data")
    assert len(usos.blobs()) == 1
    assert AttachmentSettings().max_bytes >= 100 * 1024 * 1024


def test_row_9_put_attachment_empty_file(sqlite_usos: Installation) -> None:
    attachment_id = sqlite_usos.attach(sqlite_usos.draft(), "empty.txt", b"")
    assert sqlite_usos.ask("attachment", attachment_id=attachment_id, fields="size") == {"size": 0}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "multipart/form-data; boundary=B"),
        (b"nonsense", "multipart/form-data; boundary=B"),
        (body_of(('name="data"; filename="a"', b"x"), end=b""), "multipart/form-data; boundary=B"),
        (body_of(('name="data"; filename="a"', b"x")), "multipart/form-data"),
        (body_of(('name="data"; filename="a"', b"x"), ("x=y", b"z")), "multipart/form-data; boundary=B"),
        (body_of(('name="data"; filename="a"', b"x"), ('name="description"', b"\xff")), "multipart/form-data; boundary=B"),
    ],
)
def test_a_broken_multipart_body_is_a_clear_error_and_leaves_nothing(sqlite_usos: Installation, body: bytes, content_type: str) -> None:
    response = post_raw(sqlite_usos, body, f"?message_id={sqlite_usos.draft()}", content_type)
    assert response.status_code == 400
    assert response.json()["message"]
    assert sqlite_usos.blobs() == []


def test_fields_of_an_upload_are_bounded(sqlite_usos: Installation) -> None:
    body = body_of(('name="data"; filename="a"', b"x" * 2_000_000), ('name="other"', b"y" * 2_000_000))
    response = post_raw(sqlite_usos, body, f"?message_id={sqlite_usos.draft()}")
    assert response.status_code == 413
    assert sqlite_usos.blobs() == []


def test_an_urlencoded_body_is_bounded(sqlite_usos: Installation) -> None:
    assert sqlite_usos.send("create_message", content="x" * 2_000_000).status_code == 413


def test_a_disconnected_upload_leaves_no_blob(sqlite_usos: Installation) -> None:
    client = Client(sqlite_usos.client.key, sqlite_usos.client.secret, sqlite_usos.token.token, sqlite_usos.token.secret)
    url, headers, _ = client.sign(sqlite_usos.url("put_attachment") + f"?message_id={sqlite_usos.draft()}", "POST")
    host = sqlite_usos.base.split("/")[2]
    head = (
        f"POST {url.removeprefix('http://' + host)} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {headers['Authorization']}\r\n"
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 9000000\r\n\r\n"
    )
    with socket.create_connection(tuple(host.split(":")), timeout=20) as connection:
        connection.sendall(head.encode() + body_of(('name="data"; filename="a"', b"x" * 600_000), end=b""))
        wait_until(lambda: len(sqlite_usos.blobs()) == 1)
    wait_until(lambda: sqlite_usos.blobs() == [])
    assert sqlite_usos.ask("user", fields="id|status")


def test_the_signature_is_judged_before_the_body_is_read(sqlite_usos: Installation) -> None:
    """A stranger cannot make the server store anything, nor wait for what never comes."""
    host = sqlite_usos.base.split("/")[2]
    head = (
        f"POST /services/mailclient/put_attachment HTTP/1.1\r\nHost: {host}\r\n"
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 9000000\r\n\r\n"
    )
    with socket.create_connection(tuple(host.split(":")), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")
    assert sqlite_usos.blobs() == []


def test_a_full_disk_is_503_and_nothing_is_acknowledged(sqlite_usos: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """§3.6, and: a full disk (503, nothing acknowledged)."""
    message_id = sqlite_usos.draft()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blobs, "_publish", full)
    response = sqlite_usos.put(message_id)
    assert (response.status_code, list(response.json())) == (503, ["message"])
    assert response.headers["Retry-After"]
    monkeypatch.undo()
    assert sqlite_usos.blobs() == []
    assert sqlite_usos.ask("message", message_id=message_id, fields="attachments") == {"attachments": []}


def test_a_store_that_refuses_the_row_keeps_no_blob(sqlite_usos: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    message_id = sqlite_usos.draft()

    def refuse(*_: Any) -> int:
        raise errors.Unavailable("disk full")

    monkeypatch.setattr(files, "add", refuse)
    assert sqlite_usos.put(message_id).status_code == 503
    assert sqlite_usos.blobs() == []


def test_a_row_whose_commit_was_not_heard_of_keeps_its_file(sqlite_usos: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Design 1.1, the other way round: 503 promises nothing, and an attachment that is there all the same must lead to its file."""
    message_id = sqlite_usos.draft()
    write = SqliteDatabase.write

    async def unheard(self: Any, unit: Any, *args: Any, **kwargs: Any) -> Any:
        result = await write(self, unit, *args, **kwargs)
        if not isinstance(result, bool):  # the claim of the nonce; the other unit adds the attachment
            raise errors.Unavailable("the connection was lost after the commit")
        return result

    monkeypatch.setattr(SqliteDatabase, "write", unheard)
    assert sqlite_usos.put(message_id).status_code == 503
    monkeypatch.undo()
    kept = sqlite_usos.ask("message", message_id=message_id, fields="attachments[url]")["attachments"]
    assert len(kept) == len(sqlite_usos.blobs()) == 1


def test_a_large_file_never_stands_in_memory(sqlite_usos: Installation) -> None:
    """Streamed: 200 MB grow the process, server and client together, by a small part of that."""
    message_id = sqlite_usos.draft()
    size, block = 200 * 1024 * 1024, b"x" * 1024 * 1024
    head = b'--B\r\nContent-Disposition: form-data; name="data"; filename="large.bin"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(size // len(block)):
            yield block
        yield b"\r\n--B--\r\n"

    gc.collect()
    before = psutil.Process(os.getpid()).memory_info().rss
    response = post_raw(sqlite_usos, body(), f"?message_id={message_id}")
    grown = psutil.Process(os.getpid()).memory_info().rss - before
    assert response.status_code == 200, response.text
    assert sqlite_usos.ask("attachment", attachment_id=response.json()["attachment_id"], fields="size") == {"size": size}
    assert grown < 60 * 1024 * 1024
    assert sqlite_usos.ask("delete_messages", message_ids=message_id) == {"matched": [message_id]}


# -- row 15: update_attachment -------------------------------------------------------------------------------------------


def test_row_15_update_attachment_changes_the_description(usos: Installation) -> None:
    """§1.4 row 15: description required, ≤ 200, may be emptied; {}; drafts only; object_not_found, param_name attachment_id."""
    message_id = usos.ready()
    attachment_id = usos.attach(message_id, description="before")
    assert usos.refused("update_attachment", attachment_id=attachment_id)["param_name"] == "description"
    assert usos.ask("update_attachment", attachment_id=attachment_id, description="ż" * 200) == {}
    assert usos.ask("attachment", attachment_id=attachment_id, fields="description") == {"description": "ż" * 200}
    body = usos.refused("update_attachment", attachment_id=attachment_id, description="ż" * 201)
    assert (body["error"], body["param_name"]) == ("param_invalid", "description")
    assert usos.ask("update_attachment", attachment_id=attachment_id, description="") == {}
    assert usos.refused("update_attachment", attachment_id="999", description="x")["param_name"] == "attachment_id"
    usos.ask("send_message", message_id=message_id)
    assert usos.refused("update_attachment", attachment_id=attachment_id, description="x")["reason"] == "draft_required"


# -- row 5: delete_attachments -------------------------------------------------------------------------------------------


def test_row_5_delete_attachments_of_drafts_only(usos: Installation) -> None:
    """§1.4 row 5: {"matched": attachment IDs really deleted}; files go with them, those of sent messages stay."""
    sent, draft = usos.ready(), usos.draft()
    kept, one, two = usos.attach(sent), usos.attach(draft, "1"), usos.attach(draft, "2")
    foreign = usos.put(usos.draft(usos.anna_token), token=usos.anna_token).json()["attachment_id"]
    usos.ask("send_message", message_id=sent)
    assert usos.ask("delete_attachments", attachment_ids=f"{two}|{kept}|999|{one}|{foreign}|x") == {"matched": [two, one]}
    assert usos.ask("attachments", attachment_ids=f"{one}|{kept}", fields="id") == {one: None, kept: {"id": kept}}
    assert len(usos.blobs()) == 2
    assert usos.ask("delete_attachments", attachment_ids="") == {"matched": []}
    assert usos.refused("delete_attachments")["param_name"] == "attachment_ids"


def wait_until(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_blob_folder_is_where_the_tests_look(sqlite_usos: Installation) -> None:
    sqlite_usos.attach(sqlite_usos.draft())
    assert len(sqlite_usos.blobs()) == 1
    assert Path(sqlite_usos.store.settings.data_dir).is_dir()
