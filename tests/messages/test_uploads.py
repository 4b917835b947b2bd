"""Files sent before their message: contract section 4.4 (announced, received, taken over); size, checksum and person must match."""

import threading
from typing import Any

import pytest
from sqlalchemy import select

from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages import attachments, uploads
from postroom.messages.uploads import LIFETIME, MAX_UPLOADS, NewUpload, Received, Upload
from postroom.storage.tables import attachments as files
from tests.messages.conftest import NOW, Office
from tests.support import counted

MD5 = "0123456789abcdef" * 2
LIMIT = 1_000
END = NOW + 1_000_000


def announce(office: Office, filename: str = "plan.pdf", size: int = 5, md5: str | None = None, user: int | None = None) -> Upload:
    new = NewUpload(filename=filename, size=size, md5=md5)
    return office.run(uploads.announce, user or office.author, new, LIMIT, NOW)


def receive(office: Office, upload_id: int, key: str = "key", user: int | None = None, now: int = NOW, **values: Any) -> Upload:
    received = Received(**{"blob_key": key, "size": 5, "md5": MD5, **values})
    return office.run(uploads.receive, user or office.author, upload_id, received, now)


def complete(office: Office, filename: str = "plan.pdf", key: str = "key", user: int | None = None) -> int:
    upload = announce(office, filename, user=user)
    receive(office, upload.id, key, user)
    return upload.id


def take(office: Office, ids: list[int], message_id: int, user: int | None = None, now: int = NOW) -> None:
    office.run(uploads.take_over, user or office.author, ids, message_id, now=now, end=END)


def test_a_file_is_announced_received_and_taken_over(office: Office) -> None:
    message_id = office.draft()
    upload = announce(office, "../../plan żółty.pdf", md5=MD5.upper())
    assert (upload.filename, upload.size, upload.md5, upload.blob_key, upload.expires_at) == (
        "plan żółty.pdf",
        5,
        MD5,
        None,
        NOW + LIFETIME,
    )
    assert office.run(uploads.get_open, office.author, upload.id, NOW) == upload
    received = receive(office, upload.id, content_type="application/PDF; x=1")
    assert (received.content_type, received.blob_key) == ("application/pdf", "key")
    take(office, [upload.id], message_id)
    [attachment] = office.run(attachments.of_messages, [message_id])[message_id]
    assert (attachment.filename, attachment.content_type, attachment.size, attachment.md5) == ("plan żółty.pdf", "application/pdf", 5, MD5)
    assert (attachment.blob_key, attachment.disposition, attachment.expires_at) == ("key", "link", END)
    with pytest.raises(NotFound):
        office.run(uploads.get_open, office.author, upload.id, NOW)


def test_files_keep_the_order_that_the_message_names_them_in(office: Office) -> None:
    message_id = office.draft()
    ids = [complete(office, f"{number}.txt", f"key{number}") for number in range(3)]
    take(office, [ids[2], ids[0], ids[1]], message_id)
    assert [file.filename for file in office.run(attachments.of_messages, [message_id])[message_id]] == ["2.txt", "0.txt", "1.txt"]


@pytest.mark.parametrize(
    ("values", "parameter"),
    [
        ({"filename": ".."}, "filename"),
        ({"filename": "a\r\nb.txt"}, "filename"),
        ({"filename": "invoice\u202efdp.exe"}, "filename"),
        ({"size": -1}, "filesize"),
        ({"md5": "abc"}, "md5_checksum"),
        ({"md5": "g" * 32}, "md5_checksum"),
    ],
)
def test_what_cannot_be_announced(office: Office, values: dict[str, Any], parameter: str) -> None:
    with pytest.raises(Invalid) as caught:
        announce(office, **values)
    assert caught.value.parameter == parameter


def test_limits_of_size_and_name(office: Office) -> None:
    for values, parameter in (({"size": LIMIT + 1}, "filesize"), ({"filename": "x" * 101}, "filename")):
        with pytest.raises(TooLarge) as caught:
            announce(office, **values)
        assert caught.value.parameter == parameter
    assert announce(office, size=LIMIT).size == LIMIT
    assert announce(office, size=0).size == 0


@pytest.mark.parametrize(
    ("values", "parameter"), [({"size": 4}, "filesize"), ({"size": 6}, "filesize"), ({"md5": "f" * 32}, "md5_checksum")]
)
def test_what_comes_must_agree_with_what_was_announced(office: Office, values: dict[str, Any], parameter: str) -> None:
    upload = announce(office, md5=MD5)
    with pytest.raises(Invalid) as caught:
        receive(office, upload.id, **values)
    assert caught.value.parameter == parameter
    assert office.run(uploads.get_open, office.author, upload.id, NOW) == upload


def test_a_missing_checksum_is_the_one_that_was_found(office: Office) -> None:
    assert receive(office, announce(office).id).md5 == MD5


def test_an_upload_locks_after_success(office: Office) -> None:
    """The location locks after success."""
    number = complete(office)
    for attempt in (lambda: receive(office, number, "other"), lambda: office.run(uploads.get_open, office.author, number, NOW)):
        with pytest.raises(WrongState, match="upload_complete"):
            attempt()


def test_nobody_receives_or_takes_over_the_file_of_another(office: Office) -> None:
    upload, finished = announce(office), complete(office)
    message_id = office.draft()
    for attempt in (lambda: receive(office, upload.id, user=office.other), lambda: receive(office, finished, user=office.other)):
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(Invalid) as caught:
        take(office, [finished], message_id, office.other)
    assert caught.value.parameter == "uploads"
    take(office, [finished], message_id)


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 99])
def test_numbers_that_no_upload_has(office: Office, number: int) -> None:
    with pytest.raises(NotFound):
        receive(office, number)
    with pytest.raises(Invalid):
        take(office, [number], office.draft())


def test_a_file_is_taken_over_once_and_whole_or_not_at_all(office: Office) -> None:
    message_id = office.draft()
    unfinished, first, second = announce(office).id, complete(office, key="a"), complete(office, key="b")
    for ids in ([first, unfinished], [first, first], [first, 10_000]):
        with pytest.raises(Invalid, match="uploads"):
            take(office, ids, message_id)
    take(office, [first], message_id)
    with pytest.raises(Invalid, match="uploads"):
        take(office, [second, first], message_id)
    assert [row.blob_key for row in office.rows(files)] == ["a"]
    with pytest.raises(TooLarge):
        take(office, [second] * 11, message_id)


def test_an_upload_is_forgotten_after_a_day(office: Office) -> None:
    late = NOW + LIFETIME
    number, unfinished = complete(office), announce(office).id
    with pytest.raises(Invalid):
        take(office, [number], office.draft(), now=late)
    with pytest.raises(NotFound):
        receive(office, unfinished, now=late)
    assert office.run(uploads.remove_expired, late - 1, 10) == []
    assert office.run(uploads.remove_expired, late, 1) == ["key"]
    assert office.run(uploads.remove_expired, late, 10) == [None]


def test_a_person_has_a_hundred_uploads_at_most(office: Office) -> None:
    for _ in range(MAX_UPLOADS):
        announce(office)
    with pytest.raises(Invalid, match="uploads"):
        announce(office)
    announce(office, user=office.other)
    office.run(uploads.announce, office.author, NewUpload(filename="a", size=1), LIMIT, NOW + LIFETIME)


def test_blobs_of_uploads_are_in_use_until_they_are_forgotten(office: Office) -> None:
    number = complete(office, key="kept")
    assert office.run(attachments.blobs_in_use, ["kept", "lost"]) == {"kept"}
    take(office, [number], office.draft())
    assert office.run(attachments.blobs_in_use, ["kept"]) == {"kept"}


def test_the_number_of_statements_does_not_grow_with_the_files(office: Office) -> None:
    message_id = office.draft()
    ids = [complete(office, key=f"k{number}") for number in range(10)]
    with counted(office.store) as none:
        take(office, [], message_id)
    with counted(office.store) as ten:
        take(office, ids, message_id)
    with counted(office.store) as announced:
        announce(office)
    assert (len(none), len(ten), len(announced)) == (0, 2, 3)


def test_of_two_messages_at_once_one_gets_the_file(office: Office) -> None:
    number = complete(office)
    drafts, outcomes = [office.draft(), office.draft()], []
    start = threading.Barrier(2)

    def send(message_id: int) -> None:
        start.wait()
        try:
            take(office, [number], message_id)
            outcomes.append("taken")
        except Invalid:
            outcomes.append("refused")

    threads = [threading.Thread(target=send, args=(message_id,)) for message_id in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "taken"]
    assert len(office.run(lambda tx: tx.execute(select(files.c.id)).all())) == 1
