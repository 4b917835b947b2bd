"""The page on which people choose about notifications: who may, what is kept, and attacks on it (docs/notifications.md)."""

import re

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect
from sqlalchemy import update

from postroom.directory import preferences
from postroom.directory.preferences import Preference
from postroom.settings import HttpSettings
from postroom.storage.tables import users
from tests.consent import PASSWORD, SECONDS, Page, Site, Visitor


def arrived(site: Site, language: str = "en", query: str = "") -> Visitor:
    visitor = site.visitor(**{"Accept-Language": language})
    visitor.at = f"{site.base}notifications{query}"
    visitor.page = Page(visitor.http.get(visitor.at, allow_redirects=False, timeout=SECONDS))
    return visitor


def logged_in(site: Site, **options: str) -> Visitor:
    visitor = arrived(site, **options)
    visitor.log_in(str(site.jan), PASSWORD)
    return visitor


def kept(site: Site, user: int) -> Preference:
    return site.store.database.read_now(preferences.get, user)


def checked(page: Page) -> list[str]:
    return [choice or box for choice, box in re.findall(r'value="(\w+)" checked|name="(\w+)" aria-describedby="means" checked', page.html)]


def test_a_person_logs_in_and_chooses(site: Site) -> None:
    visitor = arrived(site)
    assert (visitor.page.status, 'type="password"' in visitor.page.html, "notify" in visitor.page.html) == (200, True, False)
    page = visitor.log_in(str(site.jan), PASSWORD)
    assert "Logged in: Jan Robak (jan@uni.example). Address: jan@uni.example" in page.text
    assert checked(page) == ["off"]
    page = visitor.submit("save", notify="digest", content="on")
    assert (page.status, "Saved." in page.text, checked(page)) == (200, True, ["digest", "content"])
    assert kept(site, site.jan) == Preference(notify="digest", content=True)
    page = visitor.submit("save", notify="each")
    assert checked(page) == ["each"]
    assert kept(site, site.jan) == Preference(notify="each", content=False)
    assert kept(site, site.anna) == Preference(notify="off", content=False)


@pytest.mark.parametrize(
    ("language", "query", "words", "buttons"),
    [("pl", "", "Powiadomienia o prywatnych wiadomościach", "Zapisz"), ("pl", "?langpref=en", "Notifications of private messages", "Save")],
)
def test_it_speaks_the_language_asked_for(site: Site, language: str, query: str, words: str, buttons: str) -> None:
    page = logged_in(site, language=language, query=query).page
    assert (words in page.text, buttons in page.text) == (True, True)


@pytest.mark.parametrize("password", ["wrong one", ""])
def test_without_the_password_nothing_is_shown_or_changed(site: Site, password: str) -> None:
    visitor = arrived(site)
    page = visitor.log_in(str(site.jan), password)
    assert (page.status, "Jan Robak" in page.text, 'role="alert"' in page.html) == (403, False, True)
    page = visitor.submit("save", notify="each")
    assert (page.status, 'type="password"' in page.html) == (200, True)
    assert kept(site, site.jan).notify == "off"


@pytest.mark.parametrize("form", ["", "nonsense", "of another session", "of the other page"])
def test_a_form_from_elsewhere_changes_nothing(site: Site, form: str) -> None:
    """Cross-site request forgery: the token of the form is made from the session."""
    visitor = logged_in(site)
    if form == "of another session":
        form = logged_in(site).page.form
    elif form == "of the other page":
        consent = site.visitor()
        consent.http.cookies = visitor.http.cookies
        form = consent.open(site.asked()["oauth_token"]).form
    data = {"form": form, "step": "save", "notify": "each"}
    response = visitor.http.post(visitor.at, data=data, timeout=SECONDS)
    assert (response.status_code, kept(site, site.jan).notify) == (403, "off")


@pytest.mark.parametrize("fields", [{}, {"notify": "always"}, {"notify": "x" * 20_000}])
def test_what_no_button_sends_changes_nothing(site: Site, fields: dict[str, str]) -> None:
    visitor = logged_in(site)
    assert visitor.submit("save", **fields).status in {400, 403}
    assert kept(site, site.jan).notify == "off"


def test_whoever_has_left_chooses_nothing_any_more(site: Site) -> None:
    visitor = logged_in(site)
    site.store.database.write_now(lambda tx: tx.execute(update(users).where(users.c.id == site.jan).values(active=False)) and None)
    page = visitor.submit("save", notify="each")
    assert 'type="password"' in page.html
    assert kept(site, site.jan).notify == "off"


def test_somebody_else_can_log_in(site: Site) -> None:
    visitor = logged_in(site)
    assert 'type="password"' in visitor.submit("other_person").html
    assert "Anna" in visitor.log_in(str(site.anna), "another one").text


def test_it_says_when_there_is_no_address_and_escapes_names(site: Site) -> None:
    values = {"first_name": "<b>J</b>", "email": None, "alt_email": None}
    site.store.database.write_now(lambda tx: tx.execute(update(users).where(users.c.id == site.jan).values(**values)) and None)
    page = logged_in(site).page
    assert "We know no e-mail address of yours" in page.text
    assert "&lt;b&gt;J&lt;/b&gt;" in page.html
    assert "<b>" not in page.html


def test_it_asks_for_no_password_over_plain_http(site: Site) -> None:
    site.reconfigured(http=HttpSettings(public_url="http://post.example"))
    page = arrived(site).page
    assert (page.status, "not encrypted" in page.text) == (403, True)


def test_it_cannot_be_framed_and_runs_nothing(site: Site) -> None:
    headers = logged_in(site).page.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert headers["Cache-Control"] == "no-store"


def test_the_page_at_the_root_leads_there(site: Site) -> None:
    page = site.http.get(site.base, timeout=SECONDS)
    assert 'href="notifications"' in page.text


def test_by_keyboard_alone_and_without_scripts(tab: Tab, site: Site) -> None:
    """The first field has the focus, Tab reaches the group, arrows choose in it, the space bar ticks the box, Enter saves."""
    tab.goto(f"{site.base}notifications")
    expect(tab.get_by_label("User name or e-mail address")).to_be_focused()
    tab.keyboard.type("jan@uni.example")
    tab.keyboard.press("Tab")
    tab.keyboard.type(PASSWORD)
    tab.keyboard.press("Enter")
    tab.get_by_text("Logged in: Jan Robak").wait_for()
    for key in ("Tab", "ArrowDown", "ArrowDown", "Tab", "Space", "Enter"):
        tab.keyboard.press(key)
    tab.get_by_role("status").wait_for()
    assert kept(site, site.jan) == Preference(notify="digest", content=True)
    assert tab.get_by_role("group", name="Mails about new private messages").is_visible()
    assert tab.get_by_label("one a day at most").is_checked()
    assert tab.get_by_label("The mails may hold what was written").is_checked()
