"""Attachment downloads (pages/links.py): streamed, in ranges, safe, expiring, revocable, not to be guessed."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from postroom import clock
from postroom.storage.store import Store
from tests.pages.conftest import Shelf
from tests.support import counted

CONTENT = bytes(range(256)) * 4


def test_a_link_gives_the_file_and_nothing_that_could_run(shelf: Shelf) -> None:
    answer = shelf.get(shelf.path(shelf.put(CONTENT, "Zażółć.pdf")))
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"] == "attachment; filename=\"Zazolc.pdf\"; filename*=UTF-8''Za%C5%BC%C3%B3%C5%82%C4%87.pdf"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["accept-ranges"] == "bytes"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/xhtml+xml"])
def test_a_page_is_not_served_as_a_page(shelf: Shelf, content_type: str) -> None:
    """Somebody's upload must not run in the name of this host."""
    answer = shelf.get(shelf.path(shelf.put(b"<script>alert(1)</script>", "a.html", content_type)))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")


def test_an_empty_file_is_a_file(shelf: Shelf) -> None:
    answer = shelf.get(shelf.path(shelf.put(b"")))
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


def test_head_is_get_without_the_bytes(shelf: Shelf) -> None:
    path = shelf.path(shelf.put(CONTENT))
    head, get = shelf.get(path, "HEAD"), shelf.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_refused(shelf: Shelf, method: str) -> None:
    assert shelf.get(shelf.path(shelf.put(b"x")), method).status_code == 405


def test_the_name_in_the_link_is_only_for_the_browser(shelf: Shelf) -> None:
    attachment = shelf.put(CONTENT)
    start = shelf.path(attachment).rsplit("/", 1)[0]
    for name in ("other.txt", "a/b/c", "", "%00%ff"):
        assert shelf.get(f"{start}/{name}").status_code == 200


# -- ranges ----------------------------------------------------------------------------------------------------------


def test_one_range(shelf: Shelf) -> None:
    path = shelf.path(shelf.put(CONTENT))
    answer = shelf.get(path, Range="bytes=100-199")
    assert (answer.status_code, answer.content) == (206, CONTENT[100:200])
    assert answer.headers["content-range"] == "bytes 100-199/1024"
    assert answer.headers["content-length"] == "100"
    assert shelf.get(path, Range="bytes=-24").content == CONTENT[1000:]


def test_a_download_can_be_taken_up_again(shelf: Shelf) -> None:
    path = shelf.path(shelf.put(CONTENT))
    etag = shelf.get(path).headers["etag"]
    rest = shelf.get(path, Range="bytes=500-", If_Range=etag)
    assert (rest.status_code, rest.content) == (206, CONTENT[500:])


@pytest.mark.parametrize("validator", ['"another"', 'W/"weak"', "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_if_range_of_another_file_gives_the_whole_one(shelf: Shelf, validator: str) -> None:
    """RFC 9110 section 13.1.5: else the client would glue two files together."""
    answer = shelf.get(shelf.path(shelf.put(CONTENT)), Range="bytes=500-", If_Range=validator)
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("wanted", ["bytes=1024-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_outside_of_the_file_is_416(shelf: Shelf, wanted: str) -> None:
    answer = shelf.get(shelf.path(shelf.put(CONTENT)), Range=wanted)
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == "bytes */1024"


@pytest.mark.parametrize("wanted", ["bytes=0-1,5-6", "bytes=9-1", "lines=1-2", "nonsense"])
def test_several_ranges_and_nonsense_give_the_whole_file(shelf: Shelf, wanted: str) -> None:
    answer = shelf.get(shelf.path(shelf.put(CONTENT)), Range=wanted)
    assert (answer.status_code, answer.content) == (200, CONTENT)


def test_head_knows_no_ranges(shelf: Shelf) -> None:
    """RFC 9110 section 14.2: a range of any method but GET is ignored."""
    assert shelf.get(shelf.path(shelf.put(CONTENT)), "HEAD", Range="bytes=0-9").status_code == 200


def test_a_browser_that_has_the_file_is_told_so(shelf: Shelf) -> None:
    path = shelf.path(shelf.put(CONTENT))
    etag = shelf.get(path).headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = shelf.get(path, If_None_Match=known)
        assert (answer.status_code, answer.content) == (304, b"")
    assert shelf.get(path, If_None_Match='"x"').status_code == 200


# -- who gets nothing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["999999", "0", "-1", "2147483648", "9" * 5000, "x", "1e3", "%D9%A3", "%00"])
def test_unknown_numbers_are_404(shelf: Shelf, number: str) -> None:
    signature = shelf.path(shelf.put(CONTENT)).split("/")[3]
    assert shelf.get(f"/links/{number}/{signature}/x").status_code == 404


def test_a_guessed_signature_is_404_and_tells_nothing(shelf: Shelf) -> None:
    """404 and 410 are told apart only for a valid signature: whoever guesses cannot learn which numbers exist."""
    there, gone = shelf.put(CONTENT), shelf.put(CONTENT)
    shelf.change(gone, expires_at=clock.now() - 1)
    guesses = [shelf.get(f"/links/{number}/{'A' * 32}/plan.pdf") for number in (there.id, gone.id, 99_999)]
    assert {answer.status_code for answer in guesses} == {404}
    assert len({answer.text for answer in guesses}) == 1


def test_the_signature_of_one_file_does_not_open_another(shelf: Shelf) -> None:
    one, two = shelf.put(b"one"), shelf.put(b"two")
    signature = shelf.path(one).split("/")[3]
    assert shelf.get(f"/links/{two.id}/{signature}/x").status_code == 404


@pytest.mark.parametrize("change", [{"expires_at": 1}, {"revoked_at": 1}])
def test_an_expired_or_revoked_link_is_410(shelf: Shelf, change: dict[str, int]) -> None:
    attachment = shelf.put(CONTENT)
    shelf.change(attachment, **change)
    answer = shelf.get(shelf.path(attachment), Accept_Language="en")
    assert answer.status_code == 410
    assert "no longer available" in answer.text


def test_a_file_that_is_gone_from_the_disk_is_410(shelf: Shelf) -> None:
    """Deleted between the look at the row and the look at the file."""
    attachment = shelf.put(CONTENT)
    asyncio.run(shelf.store.blobs.delete(attachment.blob_key))
    assert shelf.get(shelf.path(attachment)).status_code == 410


@pytest.mark.parametrize(("language", "words"), [("pl", "Nie ma takiego załącznika"), ("en", "There is no such attachment")])
def test_the_pages_are_accessible_and_say_what_to_do(shelf: Shelf, language: str, words: str) -> None:
    answer = shelf.get("/links/1/x/y", Accept_Language=language)
    assert f'<html lang="{language}">' in answer.text
    assert f"<title>{words}</title>" in answer.text
    assert f"<h1>{words}</h1>" in answer.text
    assert answer.headers["content-language"] == language
    assert answer.headers["vary"] == "Accept-Language"
    assert "script" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(path=st.text(max_size=60), value=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30))
def test_nothing_that_can_be_sent_is_an_error_of_ours(shelf: Shelf, path: str, value: str) -> None:
    """The server never answers 500 to anything a client can send."""

    async def ask() -> int:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        names = (b"range", b"if-range", b"if-none-match", b"accept-language", b"host")
        headers = [(name, value.encode("latin-1")) for name in names]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": f"/links/{path}",
            "raw_path": b"/",
            "query_string": value.encode("latin-1"),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await shelf.app(scope, receive, send)
        return int(sent[0]["status"])

    assert asyncio.run(ask()) < 500


def test_a_download_costs_one_statement(shelf: Shelf) -> None:
    path = shelf.path(shelf.put(CONTENT))
    with counted(shelf.store) as statements:
        assert shelf.get(path).status_code == 200
    assert len(statements) == 1


def test_links_work_on_both_databases(store: Store) -> None:
    shelf = Shelf(store)
    attachment = shelf.put(CONTENT)
    assert shelf.get(shelf.path(attachment), Range="bytes=0-9").content == CONTENT[:10]
    assert shelf.get(f"/links/{2**63}/x/y").status_code == 404
