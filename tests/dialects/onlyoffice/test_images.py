"""Images in messages: own ones at the address of downloads, foreign ones where they are wanted (wire/onlyoffice.md §1a.6 step 7, §1b)."""

import time
from typing import Any

import pytest

from postroom.dialects.onlyoffice import images
from postroom.messages.letter_records import LetterFile
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import EWA, JAN
from tests.dialects.onlyoffice.test_downloads import PATH, fetch

BASE = "https://post.example"


def upload(api: Api, name: str = "a.png") -> tuple[int, int]:
    """A draft of Jan's, and a file of it."""
    draft = api.result("PUT", "/mail/drafts/save", json={"from": JAN})["id"]
    added = api.result("POST", "/mail/messages/attachment/add", params={"id_message": draft, "name": name}, data=b"\x89PNG")
    return int(draft), int(added["fileId"])


def address(api: Api, file: int) -> str:
    return f"{api.store.settings.public_url}{PATH}?attachid={file}"


def body_of(message: Any) -> str:
    return str(message["htmlBody"])


def test_an_image_of_a_draft_is_a_part_of_the_mail_and_is_shown_to_whoever_got_it(api: Api) -> None:
    """§1a.6 step 7: what the text shows by our address of a file is sent as ``cid:``; each reader sees the file of the message."""
    draft, file = upload(api)
    content = {"id": draft, "from": JAN, "to": [EWA], "attachments": [{"fileId": file}]}
    saved = api.result("PUT", "/mail/drafts/save", json={**content, "body": f'<img src="{address(api, file)}">'})
    assert f'src="{address(api, file)}"' in body_of(saved)
    again = api.result("PUT", "/mail/drafts/save", json={**content, "body": body_of(saved)})
    assert (body_of(again), [one["fileId"] for one in again["attachments"]]) == (body_of(saved), [file])
    number = api.result("PUT", "/mail/messages/send", json={**content, "body": body_of(again)})
    assert number == draft
    hers = api.token_of(api.ewa)
    (came,) = api.result("GET", "/mail/messages", token=hers)
    shown = api.result("GET", f"/mail/messages/{came['id']}", token=hers)
    assert (f'src="{address(api, file)}"' in body_of(shown), shown["contentIsBlocked"]) == (True, False)
    assert shown["attachments"][0]["contentId"] == f"image-{file}@{api.store.settings.mail.domain}"
    assert fetch(api, f"{PATH}?attachid={file}", hers).content == b"\x89PNG"


def test_only_sources_of_images_are_sources() -> None:
    """What looks like one stands in another attribute, or in a text that a tag is given."""
    html = '<p title="<img src=">x</p><img alt=" src=" title="src=&quot;a&quot;"><img alt="a > b" src="http://x.example/a.png"><b src="c">'
    shown, blocked = images.shown(html, [], BASE, with_foreign=False)
    assert shown == html.replace(' src="http', ' tl_disabled_src="http')
    assert blocked


@pytest.mark.parametrize("hostile", ["<img src='", "<img ", '<img "', "<img a='<img \"", "src=", "src= "])
def test_no_text_takes_long_to_look_through(hostile: str) -> None:
    """A letter of megabytes is read and written in a moment: whoever has it open holds up nobody."""
    began = time.process_time()
    for html in (hostile * 30_000, hostile + " " * 200_000, f'<p title="{hostile.replace(chr(34), "")}' + "<img " * 40_000 + '">'):
        images.shown(html, [], BASE, with_foreign=False)
        images.kept(html, [], BASE, "uni.example")
    assert time.process_time() - began < 2


def test_an_image_of_another_message_goes_along(sqlite_api: Api) -> None:
    """As when a mail is forwarded: the letter gets a file of its own, although the call names none; nobody's file is left out."""
    _, file = upload(sqlite_api)
    body = f'<img src="{address(sqlite_api, file)}"><img src="{PATH.lower()}?attachid=999&amp;x=1">'
    number = sqlite_api.result("PUT", "/mail/messages/send", json={"from": JAN, "to": [EWA], "body": body})
    shown = sqlite_api.result("GET", f"/mail/messages/{number}")
    (own,) = shown["attachments"]
    assert own["fileId"] != file
    assert f'src="{address(sqlite_api, own["fileId"])}"' in body_of(shown)
    assert "999" not in body_of(shown)
    assert shown["folder"] == 0, "the mail can be made"


@pytest.mark.parametrize(
    "source", ["https://x.example/a.png", "//x.example/a.png", " http://x.example/a.png", "/a.png", "HTTPS://x.example/a.png?a=1&b=2"]
)
def test_images_from_elsewhere_are_not_fetched(sqlite_api: Api, source: str) -> None:
    """However their address is written; unless the reader wants them."""
    given = {"from": JAN, "to": [EWA], "body": f'<p>Hi</p><img alt="x" src="{source}">'}
    sqlite_api.result("PUT", "/mail/messages/send", json=given)
    hers = sqlite_api.token_of(sqlite_api.ewa)
    (came,) = sqlite_api.result("GET", "/mail/messages", token=hers)
    shown, wanted = (
        sqlite_api.result("GET", f"/mail/messages/{came['id']}", token=hers, params={"loadImages": wanted}) for wanted in ("false", "true")
    )
    assert (" src=" in body_of(shown), "tl_disabled_src=" in body_of(shown), shown["contentIsBlocked"]) == (False, True, True)
    assert (" src=" in body_of(wanted), "tl_disabled_src=" in body_of(wanted), wanted["contentIsBlocked"]) == (True, False, False)


@pytest.mark.parametrize("body", ['<img src="cid:nobody@x">', '<a href="cid:logo@x">a</a>', '<img src="data:image/png;base64,AAAA">'])
def test_what_leads_nowhere_is_not_shown(sqlite_api: Api, body: str) -> None:
    number = sqlite_api.result("PUT", "/mail/drafts/save", json={"from": JAN, "body": body})["id"]
    assert ":" not in body_of(sqlite_api.result("GET", f"/mail/messages/{number}"))


def test_addresses_of_files_are_found_however_they_are_written() -> None:
    written = f"""<img src='{BASE}{PATH}?attachid=7'><IMG SRC={PATH}?attachid=8&a=b><img src="https://else.example{PATH}?attachid=9">"""
    body, files = images.kept(written, [LetterFile(attachment_id=7, filename="a.png")], BASE, "x.example")
    other = f'<img src="https://else.example{PATH}?attachid=9">'
    assert body == f"<img src='cid:image-7@x.example'><IMG SRC=cid:image-8@x.example>{other}"
    assert files == (
        LetterFile(attachment_id=7, filename="a.png", content_id="image-7@x.example"),
        LetterFile(attachment_id=8, content_id="image-8@x.example", required=False),
    )
