"""Links of a message: contract section 4.4 (links, embeds); design section 1.5 (nothing foreign is trusted)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from postroom.errors import Invalid, TooLarge
from postroom.messages import links
from postroom.messages.links import Link
from postroom.storage.tables import messages
from tests.messages.conftest import Office
from tests.support import counted


def keep(office: Office, message_id: int, options: str) -> None:
    office.run(lambda tx: tx.execute(update(messages).where(messages.c.id == message_id).values(options=options)) and None)


def test_links_come_back_as_they_were_given(office: Office) -> None:
    given_links = [Link(url="https://uni.example/a?b=ż&c", title="Plan „A”"), Link(url="http://video.example/1", embed=True)]
    links.check(given_links)
    with_links, without = office.draft(), office.draft()
    keep(office, with_links, links.encoded(given_links))
    with counted(office.store) as statements:
        assert office.run(links.of_messages, [with_links, without, 2**40]) == {with_links: given_links, without: [], 2**40: []}
    assert len(statements) == 1


def test_options_of_other_dialects_are_passed_over(office: Office) -> None:
    message_id = office.draft()
    keep(office, message_id, '{"anything":{"links":1}}')
    assert office.run(links.of_messages, [message_id]) == {message_id: []}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "JavaScript:alert(1)//https://a.example",
        "data:text/html,x",
        "ftp://a.example/",
        "//a.example/",
        "https:///a",
        "https://",
        "https://a.example:port/",
        "https://[::1/",
        "https://a.example/ b",
        'https://a.example/"onload="x',
        "https://a.example/<b>",
        "https://a.example/\r\nX: y",
        "https://a.example/\0",
        "https://a.example\\@b.example/",
    ],
)
def test_what_is_no_page_is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        links.check([Link(url=url)])
    assert caught.value.parameter == "links"


@pytest.mark.parametrize("url", ["https://a.example", "http://a.example:8080/ż?a=b#c", "HTTPS://A.example/%20", "http://[::1]/"])
def test_pages_pass(url: str) -> None:
    links.check([Link(url=url)])


@pytest.mark.parametrize("link", [{"url": "https://a.example/" + "a" * 2_000}, {"url": "https://a.example/", "title": "x" * 201}])
def test_links_have_limits(link: dict[str, Any]) -> None:
    with pytest.raises(TooLarge):
        links.check([Link(**link)])


def test_ten_attachments_of_all_kinds_and_no_more() -> None:
    link = Link(url="https://a.example/")
    links.check([link] * 6, files=4)
    with pytest.raises(TooLarge) as caught:
        links.check([link] * 6, files=5)
    assert (caught.value.parameter, caught.value.limit) == ("attachments", 10)


@given(st.text(max_size=60), st.text(max_size=20))
def test_whatever_comes_it_is_refused_or_safe(url: str, title: str) -> None:
    link = Link(url=url, title=title)
    try:
        links.check([link])
    except (Invalid, TooLarge):
        return
    assert url.lower().startswith(("http://", "https://"))
    assert not set(url) & set('"<> \r\n')
