"""A whole application behind real HTTP, a program that asks for consent, and a person's browser without scripts."""

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec
import pytest
import requests
from requests_oauthlib import OAuth1
from starlette.routing import Mount

from postroom import clock
from postroom.application import application
from postroom.directory import clients, passwords
from postroom.directory.contacts import Contact
from postroom.directory.records import Client
from postroom.storage.store import Store
from tests.dialects.conftest import Server
from tests.dialects.usos.conftest import Installation
from tests.support import EASY_HASHER

PASSWORD = "correct horse ż"
CALLBACK = "https://app.example/back"
SECONDS = 20


class Site(Installation):
    """An installation with its pages; Jan and Anna have passwords, and ``program`` has a callback."""

    def __init__(self, store: Store, server: Server) -> None:
        super().__init__(store, server)
        server.serve(Mount("", application(store)))
        write = store.database.write_now
        self.program: Client = write(
            clients.add_client,
            store.vault,
            "Plan <zajęć>",
            administrative=False,
            now=clock.now(),
            contact=Contact(url="https://app.example/?a=1&b=2", callbacks=(CALLBACK, "org.example.plan:/back")),
        )
        self.set_password(self.jan, PASSWORD)
        self.set_password(self.anna, "another one")

    def set_password(self, user_id: int, password: str) -> None:
        self.store.database.write_now(passwords.keep, user_id, passwords.digest(password), clock.now())

    def reconfigured(self, **sections: msgspec.Struct) -> None:
        """Serve the same store with other settings."""
        settings = msgspec.structs.replace(self.store.settings, **sections)
        self.store = msgspec.structs.replace(self.store, settings=settings)
        self.server.serve(Mount("", application(self.store)))

    def asked(self, callback: str = CALLBACK, scopes: str = "mailclient", client: Client | None = None) -> dict[str, str]:
        """Call request_token, which must succeed; return the decoded answer."""
        client = client or self.program
        auth = OAuth1(client.key, client.secret, callback_uri=callback)
        response = self.http.post(self.url("oauth/request_token"), data={"scopes": scopes}, auth=auth, timeout=SECONDS)
        assert response.status_code == 200, response.text
        return dict(parse_qsl(response.text))

    def exchange(self, asked: dict[str, str], verifier: str, client: Client | None = None) -> requests.Response:
        """Call access_token."""
        client = client or self.program
        auth = OAuth1(client.key, client.secret, asked["oauth_token"], asked["oauth_token_secret"], verifier=verifier)
        return self.http.post(self.url("oauth/access_token"), auth=auth, timeout=SECONDS)

    def with_token(self, method: str, token: dict[str, str], **parameters: str) -> requests.Response:
        """Call a method with an access token of the program."""
        auth = OAuth1(self.program.key, self.program.secret, token["oauth_token"], token["oauth_token_secret"])
        return self.http.post(self.url(method), data=parameters or {"nothing": ""}, auth=auth, timeout=SECONDS)

    def verifier(self, asked: dict[str, str], visitor: "Visitor | None" = None) -> str:
        """Let Jan consent; return the verifier that the callback gets."""
        visitor = visitor or self.visitor()
        visitor.open(asked["oauth_token"], interactivity="confirm_user")
        visitor.log_in(str(self.jan), PASSWORD)
        return visitor.submit("allow").answer["oauth_verifier"]

    def whole_way(self, scopes: str = "mailclient", visitor: "Visitor | None" = None) -> dict[str, str]:
        """Go the whole way; return the decoded answer of access_token."""
        asked = self.asked(scopes=scopes)
        return dict(parse_qsl(self.exchange(asked, self.verifier(asked, visitor)).text))

    def visitor(self, **headers: str) -> "Visitor":
        return Visitor(self.base, headers)


class Page:
    """What the browser got."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.html = response.text
        self.text = " ".join(html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", response.text)).split())
        self.target = response.headers.get("Location", "")
        self.answer: dict[str, str] = dict(parse_qsl(urlsplit(self.target).query))

    @property
    def form(self) -> str:
        found = re.search(r'name="form" value="([^"]+)"', self.html)
        assert found is not None, self.text
        return html.unescape(found[1])


class Visitor:
    """A browser: it keeps cookies, follows redirects on the page itself, and stops at those that lead elsewhere."""

    def __init__(self, base: str, headers: dict[str, str]) -> None:
        self.url = f"{base}services/oauth/authorize"
        self.http = requests.Session()
        self.http.headers.update(headers)
        self.at = ""
        self.page: Page

    def open(self, token: str, **parameters: str) -> Page:
        request = requests.Request("GET", self.url, params={"oauth_token": token, **parameters}).prepare()
        self.at = str(request.url)
        return self._got(self.http.get(self.at, allow_redirects=False, timeout=SECONDS))

    def submit(self, step: str, **fields: Any) -> Page:
        """Press a button of the form that is shown."""
        data = {"form": self.page.form, **fields, "step": step}
        return self._got(self.http.post(self.at, data=data, allow_redirects=False, timeout=SECONDS))

    def log_in(self, name: str, password: str) -> Page:
        return self.submit("log_in", name=name, password=password)

    def _got(self, response: requests.Response) -> Page:
        if urljoin(self.at, response.headers.get("Location", "/")) == self.at:
            response = self.http.get(self.at, allow_redirects=False, timeout=SECONDS)
        self.page = Page(response)
        return self.page


@contextmanager
def running_site(store: Store, server: Server) -> Iterator[Site]:
    """Run a site on an opened store. Its passwords are hashed with little work: how much it is has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", EASY_HASHER)
        site = Site(store, server)
        try:
            yield site
        finally:
            site.close()
