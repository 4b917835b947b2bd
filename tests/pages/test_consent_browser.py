"""The page of consent in a real browser: Debian's Chromium, driven by Playwright."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from postroom import clock
from postroom.directory import clients
from postroom.directory.contacts import Contact
from tests.consent import PASSWORD, Site


class Program:
    """The server of a program that people come back to."""

    def __init__(self) -> None:
        self.queries: list[dict[str, str]] = []
        self.referrers: list[str | None] = []
        program = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                program.queries.append(dict(parse_qsl(urlsplit(self.path).query)))
                program.referrers.append(self.headers.get("Referer"))
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(b"<title>Back</title>")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.callback = f"http://127.0.0.1:{self._server.server_port}/back"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def program(site: Site) -> Iterator[Program]:
    program = Program()
    site.program = site.store.database.write_now(
        clients.add_client,
        site.store.vault,
        "Timetable",
        administrative=False,
        now=clock.now(),
        contact=Contact(callbacks=(program.callback,)),
    )
    yield program
    program.close()


def open_page(tab: Page, site: Site, callback: str, **parameters: str) -> dict[str, str]:
    asked = site.asked(callback, "mailclient|offline_access")
    query = "".join(f"&{name}={value}" for name, value in parameters.items())
    tab.goto(f"{site.base}services/oauth/authorize?oauth_token={asked['oauth_token']}{query}")
    return asked


def test_by_keyboard_alone_from_the_login_to_the_program(tab: Page, site: Site, program: Program) -> None:
    """Without scripts and without a mouse: the first field has the focus, Enter sends, Tab reaches each button."""
    asked = open_page(tab, site, program.callback)
    expect(tab.get_by_label("User name or e-mail address")).to_be_focused()
    tab.keyboard.type("jan@uni.example")
    tab.keyboard.press("Tab")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Enter")
    tab.get_by_text("Logged in: Jan Robak").wait_for()
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"{program.callback}**")
    verifier = program.queries[0]["oauth_verifier"]
    assert program.queries[0]["oauth_token"] == asked["oauth_token"]
    assert program.referrers[0] is None
    assert site.exchange(asked, verifier).status_code == 200


def test_every_field_and_button_has_a_name(tab: Page, site: Site, program: Program) -> None:
    """Labels, as a screen reader finds them; errors are announced."""
    open_page(tab, site, program.callback)
    tab.get_by_label("User name or e-mail address").fill("jan@uni.example")
    tab.get_by_label("Password").fill("wrong one")
    tab.get_by_role("button", name="Log in").click()
    assert "is wrong" in tab.get_by_role("alert").inner_text()
    assert tab.title() == "Error: Log in"
    assert tab.get_by_label("Password").input_value() == ""
    tab.get_by_label("User name or e-mail address").fill("jan@uni.example")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
    assert tab.get_by_role("heading", level=1).inner_text() == "Timetable asks for your consent"
    assert tab.get_by_role("listitem").count() == 2
    for name in ("Allow", "Refuse", "Log in as somebody else"):
        assert tab.get_by_role("button", name=name).is_visible()


def test_a_refusal_goes_back_to_the_program(tab: Page, site: Site, program: Program) -> None:
    """The Content-Security-Policy must let the form lead to the callback."""
    open_page(tab, site, program.callback)
    log_in(tab)
    tab.get_by_role("button", name="Refuse").click()
    tab.wait_for_url(f"{program.callback}**")
    assert program.queries[0]["error"] == "access_denied"


def test_the_second_time_a_program_on_the_same_machine_asks_again(tab: Page, site: Site, program: Program) -> None:
    """RFC 8252 §8.6: whoever waits there may be another program. Nobody has to log in again."""
    first = open_page(tab, site, program.callback)
    log_in(tab)
    tab.get_by_role("button", name="Allow").click()
    tab.wait_for_url(f"{program.callback}**")
    assert site.exchange(first, program.queries[0]["oauth_verifier"]).status_code == 200
    open_page(tab, site, program.callback)
    assert tab.get_by_role("button", name="Allow").is_visible()
    open_page(tab, site, program.callback, interactivity="confirm_user")
    tab.get_by_role("button", name="Log in as somebody else").click()
    assert tab.get_by_label("Password").is_visible()


def test_the_pin_is_shown(tab: Page, site: Site, program: Program) -> None:
    asked = open_page(tab, site, "oob")
    log_in(tab)
    tab.get_by_role("button", name="Allow").click()
    pin = tab.get_by_role("status").inner_text()
    assert (len(pin), pin.isdigit()) == (8, True)
    assert site.exchange(asked, pin).status_code == 200
    assert program.queries == []


def test_no_page_can_frame_it(chromium: Browser, site: Site, program: Program, tmp_path: Path) -> None:
    asked = site.asked(program.callback)
    (tmp_path / "frame.html").write_text(f'<iframe src="{site.base}services/oauth/authorize?oauth_token={asked["oauth_token"]}"></iframe>')
    tab = chromium.new_page()
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto((tmp_path / "frame.html").as_uri())
    tab.wait_for_timeout(500)
    assert all("password" not in frame.content() for frame in tab.frames)
    assert any("frame" in text.lower() for text in complaints)
    tab.close()


def log_in(tab: Page) -> None:
    tab.get_by_label("User name or e-mail address").fill("jan@uni.example")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()
