"""The reference pages for people: as complete as the declarations, usable by keyboard and reader, with nothing foreign in them."""

import asyncio
import base64
import hashlib
import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
import msgspec
import pytest

from postroom.application import application
from postroom.dialects.usos.application import MODULES
from postroom.dialects.usos.errors import FORBIDDEN_REASONS
from postroom.dialects.usos.scopes import SCOPES
from postroom.settings import HttpSettings, MailSettings, UsosSettings
from postroom.storage.store import Store

FIRST = "/developers/api/"
DEFINITIONS = [f"{FIRST}definitions/{name}/" for name in ("rules", "datatypes", "errors", "scopes")]
PAGES = [FIRST, *(f"{FIRST}{module.name}/" for module in MODULES), *DEFINITIONS]
VOID = {"meta", "link", "br", "hr", "img", "input"}

Get = Callable[..., httpx2.Response]


class Page(HTMLParser):
    """What stands in a page: elements with their attributes, in order; their text; nothing left open."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.text.setdefault(self._open[-1], []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.elements if "id" in attributes]


def getter(store: Store) -> Get:
    app = application(store)

    def get(path: str, method: str = "GET", **headers: str) -> httpx2.Response:
        async def ask() -> httpx2.Response:
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://post.example") as client:
                return await client.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})

        return asyncio.run(ask())

    return get


@pytest.fixture
def get(sqlite_store: Store) -> Get:
    return getter(sqlite_store)


@pytest.fixture
def configured(sqlite_store: Store) -> Callable[..., Get]:
    def configure(**sections: msgspec.Struct) -> Get:
        return getter(msgspec.structs.replace(sqlite_store, settings=msgspec.structs.replace(sqlite_store.settings, **sections)))

    return configure


def shown(get: Get, path: str) -> Page:
    answer = get(path)
    assert answer.status_code == 200, path
    return Page(answer.text)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_the_page_of_a_module_says_all_of_its_declarations(get: Get, module: Any) -> None:
    html = get(f"{FIRST}{module.name}/").text
    ids = Page(html).ids
    for method in module.endpoints:
        short = method.name.rpartition("/")[2]
        assert ids.count(short) == 1
        section = re.search(rf'<section id="{short}">.*?</section>', html, re.DOTALL)
        assert section
        for argument in method.arguments:
            assert f"<code>{argument}</code>" in section[0]
        for word in (word for case in method.errors for word in (case.error, *case.param_names, *case.reasons)):
            assert word in section[0]
        for scope in method.access.scopes:
            assert scope in section[0]
        assert f"/{method.name}</code>" in section[0]


def test_the_definitions_list_every_reason_and_scope(get: Get) -> None:
    errors, scopes = get(f"{FIRST}definitions/errors/").text, get(f"{FIRST}definitions/scopes/").text
    for word in (*FORBIDDEN_REASONS, "param_missing", "field_invalid", "object_not_found", "object_forbidden"):
        assert f"<code>{word}</code>" in errors
    for scope in SCOPES:
        assert f"<code>{scope}</code>" in scopes
    assert 'href="../../services/mailclient/#message"' in scopes


def test_every_link_leads_to_a_page_and_a_place_in_it(get: Get) -> None:
    pages = {path: shown(get, path) for path in PAGES}
    reached = set()
    for path, page in pages.items():
        for anchor in page.all("a"):
            target = urlsplit(urljoin(path, anchor["href"] or ""))
            assert (target.scheme, target.netloc) == ("", "")
            assert target.path in pages, (path, anchor)
            assert not target.fragment or target.fragment in pages[target.path].ids, (path, anchor)
            reached.add(target.path)
    assert reached == set(PAGES)


@pytest.mark.parametrize("path", PAGES)
def test_pages_can_be_used_by_keyboard_and_reader(get: Get, path: str) -> None:
    """WCAG 2.2: language, title, landmarks, a skip link, headings without a gap, unique ids, scrollable parts that can be reached."""
    page = shown(get, path)
    assert page.all("html") == [{"lang": "en"}]
    assert "".join(page.text["title"]).endswith("Postroom API")
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    assert [nav.get("aria-label") for nav in page.all("nav")] == ["Reference"]
    assert page.all("a")[0]["href"] == f"#{page.all('main')[0]['id']}"
    assert len(page.ids) == len(set(page.ids))
    assert [anchor for anchor in page.all("a") if anchor.get("aria-current")] != []
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    content = levels[levels.index(1) :]
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(content))
    assert all(one.get("tabindex") == "0" and one.get("role") == "region" and one.get("aria-label") for one in page.all("pre"))


@pytest.mark.parametrize("path", PAGES)
def test_pages_run_nothing_and_load_nothing(get: Get, path: str) -> None:
    answer = get(path)
    page = Page(answer.text)
    for tag in ("script", "img", "link", "iframe", "form", "base"):
        assert page.all(tag) == []
    assert not [attributes for _, attributes in page.elements if any(name == "style" or name.startswith("on") for name in attributes)]
    (style,) = page.text["style"]
    policy = answer.headers["Content-Security-Policy"]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'" in policy
    for rule in ("default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"):
        assert rule in policy
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Referrer-Policy"]) == ("nosniff", "no-referrer")
    assert "url(" not in style
    assert "@import" not in style


def test_names_from_the_settings_are_text_and_not_markup(configured: Callable[..., Get]) -> None:
    get = configured(
        mail=MailSettings(organisation="<script>alert(1)</script> & Co"), usos=UsosSettings(contact_emails=["a&b@uni.example"])
    )
    for path in PAGES:
        answer = get(path).text
        assert "<script" not in answer
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in answer
    assert '<a href="mailto:a&amp;b@uni.example">a&amp;b@uni.example</a>' in get(f"{FIRST}definitions/rules/").text


def test_pages_say_how_this_installation_is_set(configured: Callable[..., Get]) -> None:
    """Its address, and whether its mail is for administrative consumers only."""
    get = configured(http=HttpSettings(public_url="https://post.uni.example/mail/"), usos=UsosSettings(administrative_mail=True))
    section = get(f"{FIRST}services/mailclient/").text
    assert "https://post.uni.example/mail/services/mailclient/message</code>" in section
    assert "Administrative consumers only" in section
    assert "Scope: mailclient" not in section
    assert "Administrative consumers only" not in get(f"{FIRST}services/apisrv/").text
    assert "for administrative consumers only" in get(f"{FIRST}definitions/rules/").text


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/developers", FIRST),
        ("/developers/", FIRST),
        ("/developers/api", FIRST),
        (f"{FIRST}services/apiref", f"{FIRST}services/apiref/"),
        (f"{FIRST}definitions/errors", f"{FIRST}definitions/errors/"),
    ],
)
def test_shorter_addresses_lead_to_the_page(get: Get, path: str, target: str) -> None:
    answer = get(path)
    assert answer.status_code == 308
    assert urlsplit(urljoin(f"http://post.example{path}", answer.headers["Location"])).path == target


@pytest.mark.parametrize("path", ["services/", "services/nothing/", "services/mailclient/message/", "definitions/", "//evil.example/", "x"])
def test_other_addresses_are_not_found(get: Get, path: str) -> None:
    assert get(FIRST + path).status_code == 404


def test_pages_are_read_only(get: Get) -> None:
    assert get(FIRST, "HEAD").status_code == 200
    assert get(FIRST, "POST").status_code == 405


def test_the_page_at_the_root_leads_here(get: Get) -> None:
    for language in ("pl", "en"):
        page = Page(get("/", accept_language=language).text)
        assert FIRST in [urljoin("/", anchor["href"] or "") for anchor in page.all("a")]
