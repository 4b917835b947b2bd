"""The page that logs people in and asks for their consent (contract §2.2), and attacks on it."""

import base64
import re

import pytest
from sqlalchemy import delete, select, update

from postroom import clock
from postroom.clock import HOUR
from postroom.directory import clients, passwords, totp
from postroom.pages import exchange
from postroom.settings import HttpSettings, OAuthSettings
from postroom.storage import tables
from postroom.storage.database import Tx
from tests.consent import CALLBACK, PASSWORD, SECONDS, Page, Site, Visitor

WRONG = "The user name, the address, the password or the code is wrong."


def arrived(site: Site, callback: str = CALLBACK, scopes: str = "mailclient", **parameters: str) -> Visitor:
    """Open the page in an English browser."""
    visitor = site.visitor(**{"Accept-Language": "en"})
    visitor.open(site.asked(callback, scopes)["oauth_token"], **parameters)
    return visitor


def logged_in(site: Site, **options: str) -> Visitor:
    visitor = arrived(site, **options)
    visitor.log_in(str(site.jan), PASSWORD)
    return visitor


def asks(page: Page) -> bool:
    return 'value="allow"' in page.html


def asks_for_password(page: Page) -> bool:
    return 'type="password"' in page.html


def test_a_person_logs_in_sees_who_asks_for_what_and_allows_it(site: Site) -> None:
    visitor = arrived(site, scopes="mailclient|offline_access")
    assert asks_for_password(visitor.page)
    assert "Plan <zajęć>" in visitor.page.text
    page = visitor.log_in(str(site.jan), PASSWORD)
    assert asks(page)
    for words in ("Plan <zajęć>", "read, write and send messages in your name", "while you are away", "Jan Robak (jan@uni.example)"):
        assert words in page.text
    assert 'href="https://app.example/?a=1&amp;b=2"' in page.html
    back = visitor.submit("allow")
    assert (back.status, back.target.split("?")[0], sorted(back.answer)) == (303, CALLBACK, ["oauth_token", "oauth_verifier"])


def test_a_refusal_is_told_to_the_program_and_ends_the_request(site: Site) -> None:
    """§2.2: callback gets oauth_token and error=access_denied."""
    asked = site.asked()
    visitor = site.visitor()
    visitor.open(asked["oauth_token"])
    visitor.log_in(str(site.jan), PASSWORD)
    form = visitor.page.form
    assert visitor.submit("refuse").answer == {"oauth_token": asked["oauth_token"], "error": "access_denied"}
    assert site.exchange(asked, "").status_code in {400, 401}
    repeated = visitor.http.post(visitor.at, data={"form": form, "step": "allow"}, allow_redirects=False, timeout=SECONDS)
    assert repeated.status_code == 404


def test_a_program_without_a_callback_has_a_pin_typed_in(site: Site) -> None:
    """§2.2: or a PIN on the page for oob."""
    asked = site.asked("oob")
    visitor = site.visitor()
    visitor.open(asked["oauth_token"])
    visitor.log_in(str(site.jan), PASSWORD)
    page = visitor.submit("allow")
    found = re.search(r"<output>(\d{8})</output>", page.html)
    assert found is not None
    assert (page.status, page.target) == (200, "")
    assert site.exchange(asked, found[1]).status_code == 200


def test_a_refusal_without_a_callback_is_said_on_the_page(site: Site) -> None:
    visitor = logged_in(site, callback="oob")
    page = visitor.submit("refuse")
    assert (page.status, "no consent" in page.text) == (200, True)


def test_the_scheme_of_an_application_is_gone_back_to(site: Site) -> None:
    visitor = logged_in(site, callback="org.example.plan:/back")
    assert "form-action 'self' org.example.plan:;" in visitor.page.headers["Content-Security-Policy"]
    assert visitor.submit("allow").target.startswith("org.example.plan:/back?oauth_token=")


def test_whoever_has_a_second_factor_gives_a_code_too(site: Site) -> None:
    secret = base64.b32decode(site.store.database.write_now(totp.enrol, site.store.vault, site.jan))
    visitor = arrived(site)
    page = visitor.log_in(str(site.jan), PASSWORD)
    assert (page.status, "The code from your app is needed, too." in page.text) == (403, True)
    code = totp.code_at(secret, clock.now() // 30_000)
    page = visitor.submit("log_in", name=str(site.jan), password="wrong", code=code)
    assert (page.status, WRONG in page.text) == (403, True)
    assert asks(visitor.submit("log_in", name=str(site.jan), password=PASSWORD, code=f" {code} "))


@pytest.mark.parametrize("name", ["jan@uni.example", " JAN@Uni.Example ", "number"])
def test_people_log_in_by_address_or_number(site: Site, name: str) -> None:
    visitor = arrived(site)
    assert asks(visitor.log_in(str(site.jan) if name == "number" else name, PASSWORD))


@pytest.mark.parametrize(
    ("parameters", "header", "words", "language"),
    [
        ({}, "en-GB,en;q=0.9", "Log in", "en"),
        ({}, "pl", "Zaloguj się", "pl"),
        ({"langpref": "pl"}, "en", "Zaloguj się", "pl"),
        ({"langpref": "en"}, "pl", "Log in", "en"),
        ({"langpref": "de"}, "pl", "Zaloguj się", "pl"),
    ],
)
def test_it_speaks_the_language_asked_for(site: Site, parameters: dict[str, str], header: str, words: str, language: str) -> None:
    """§2.2: langpref."""
    visitor = site.visitor(**{"Accept-Language": header})
    page = visitor.open(site.asked()["oauth_token"], **parameters)
    assert words in page.text
    assert (page.headers["Content-Language"], f'<html lang="{language}">' in page.html) == (language, True)
    page = visitor.log_in(str(site.jan), PASSWORD)
    assert ("Zezwól" in page.text) == (language == "pl")


# -- interactivity (§2.2) -----------------------------------------------------------------------------------------------


def test_who_has_allowed_all_of_it_before_is_not_asked_again(site: Site) -> None:
    visitor = site.visitor()
    site.whole_way("mailclient|studies", visitor)
    again = site.asked(scopes="studies")
    back = visitor.open(again["oauth_token"], interactivity="minimal")
    assert back.answer["oauth_token"] == again["oauth_token"]
    assert site.exchange(again, back.answer["oauth_verifier"]).status_code == 200


@pytest.mark.parametrize("case", ["more", "confirm_user", "out_of_band", "revoked", "another_person", "head"])
def test_everybody_else_is_asked(site: Site, case: str) -> None:
    visitor = site.visitor()
    token = site.whole_way(visitor=visitor)
    if case == "revoked":
        site.with_token("oauth/revoke_token", token)
    if case == "another_person":
        visitor.open(site.asked()["oauth_token"], interactivity="confirm_user")
        visitor.submit("other_person")
        visitor.log_in(str(site.anna), "another one")
    asked = site.asked("oob" if case == "out_of_band" else CALLBACK, scopes="mailclient|studies" if case == "more" else "mailclient")
    if case == "head":
        visitor.http.head(visitor.url, params={"oauth_token": asked["oauth_token"]}, timeout=SECONDS)
        assert site.exchange(asked, "x").json()["message"].endswith("not authorised it yet.")
    else:
        page = visitor.open(asked["oauth_token"], interactivity="confirm_user" if case == "confirm_user" else "minimal")
        assert asks(page)


def test_where_another_program_may_wait_everybody_is_asked(site: Site) -> None:
    """RFC 8252 §8.6: anybody may claim the scheme of an application."""
    visitor = site.visitor()
    site.whole_way(visitor=visitor)
    assert asks(visitor.open(site.asked("org.example.plan:/back")["oauth_token"]))


def test_whoever_is_logged_in_can_give_way_to_somebody_else(site: Site) -> None:
    """§2.2: confirm_user."""
    visitor = logged_in(site, interactivity="confirm_user")
    assert asks_for_password(visitor.submit("other_person"))
    assert "Anna Żak" in visitor.log_in("anna@uni.example", "another one").text


# -- attacks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["login", "question"])
def test_it_can_neither_be_framed_nor_scripted_nor_kept(site: Site, where: str) -> None:
    """Clickjacking; what the page loads; where its forms lead; what the program's server hears of it."""
    visitor = arrived(site) if where == "login" else logged_in(site)
    headers = visitor.page.headers
    policy = headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert policy.count("form-action") == 1
    assert f"form-action 'self'{' https://app.example' if where == 'question' else ''};" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "<script" not in visitor.page.html
    assert "zajęć>" not in visitor.page.html.replace("zajęć&gt;", "")


def test_the_cookie_is_sealed_and_kept_from_scripts(site: Site) -> None:
    cookie = arrived(site).page.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/;" in cookie
    assert "Domain" not in cookie
    assert str(site.jan) not in cookie.partition("=")[0]
    assert "Secure" not in cookie  # plain HTTP, on this machine


def test_over_https_the_cookie_is_of_this_host_only(site: Site) -> None:
    token = site.asked()["oauth_token"]
    site.reconfigured(http=HttpSettings(public_url="https://post.example"))
    cookie = site.visitor().open(token).headers["Set-Cookie"]
    assert cookie.startswith("__Host-postroom=")
    assert "Secure" in cookie


@pytest.mark.parametrize("allowed", [False, True])
def test_no_password_is_asked_for_over_plain_http(site: Site, allowed: bool) -> None:  # noqa: FBT001 - parametrised
    token = site.asked()["oauth_token"]
    site.reconfigured(http=HttpSettings(public_url="http://post.example"), oauth=OAuthSettings(plaintext_over_http=allowed))
    page = site.visitor().open(token)
    assert (page.status, asks_for_password(page)) == ((200, True) if allowed else (403, False))


def test_a_form_that_came_from_elsewhere_changes_nothing(site: Site) -> None:
    """Cross-site request forgery: a form without, or with the wrong token."""
    asked = site.asked()
    visitor = site.visitor(**{"Accept-Language": "en"})
    visitor.open(asked["oauth_token"])
    visitor.log_in(str(site.jan), PASSWORD)
    for form in ({}, {"form": "x" * 32}, {"form": "ż"}):
        response = visitor.http.post(visitor.at, data={**form, "step": "allow"}, allow_redirects=False, timeout=SECONDS)
        assert response.status_code == 403
        assert "came from elsewhere" in response.text
    assert site.exchange(asked, "x").json()["message"].endswith("not authorised it yet.")


def test_the_form_of_another_session_is_refused(site: Site) -> None:
    """Another person's session: the form that Anna was shown does not consent for Jan, nor log anybody in."""
    token = site.asked()["oauth_token"]
    anna, jan = site.visitor(), site.visitor()
    for visitor, number, password in ((anna, site.anna, "another one"), (jan, site.jan, PASSWORD)):
        visitor.open(token)
        visitor.log_in(str(number), password)
    foreign = anna.page.form
    response = jan.http.post(jan.at, data={"form": foreign, "step": "allow"}, allow_redirects=False, timeout=SECONDS)
    assert response.status_code == 403


def test_the_form_of_another_request_is_refused(site: Site) -> None:
    visitor = logged_in(site)
    form = visitor.page.form
    visitor.open(site.asked(scopes="mailclient|studies")["oauth_token"])
    response = visitor.http.post(visitor.at, data={"form": form, "step": "allow"}, allow_redirects=False, timeout=SECONDS)
    assert response.status_code == 403


def test_logging_in_begins_another_session(site: Site) -> None:
    """Session fixation: the cookie from before is worth nothing afterwards, and its form neither."""
    visitor = arrived(site)
    before, form = visitor.http.cookies["postroom"], visitor.page.form
    visitor.log_in(str(site.jan), PASSWORD)
    assert visitor.http.cookies["postroom"] != before
    other = site.visitor()
    other.http.cookies.set("postroom", before)
    assert asks_for_password(other.open(site.asked()["oauth_token"]))
    response = visitor.http.post(visitor.at, data={"form": form, "step": "allow"}, allow_redirects=False, timeout=SECONDS)
    assert response.status_code == 403


@pytest.mark.parametrize("cookie", ["", "x", "eyJpZCI6IjEifQ==", "A" * 200, "%%%"])
def test_a_made_up_cookie_is_no_session(site: Site, cookie: str) -> None:
    response = site.http.get(
        f"{site.base}services/oauth/authorize",
        params={"oauth_token": site.asked()["oauth_token"]},
        headers={"Cookie": f"postroom={cookie}"},
        timeout=SECONDS,
    )
    assert (response.status_code, 'type="password"' in response.text) == (200, True)


def test_a_session_ends_with_the_password_and_with_its_person(site: Site) -> None:
    visitor = logged_in(site)
    token = site.asked()["oauth_token"]
    assert asks(visitor.open(token))
    site.set_password(site.jan, PASSWORD)  # the same words, another hash
    assert asks_for_password(visitor.open(token))
    assert asks(visitor.log_in(str(site.jan), PASSWORD))
    site.store.database.write_now(lambda tx: tx.execute(update(tables.users).values(active=False)) and None)
    assert asks_for_password(visitor.open(token))
    assert visitor.log_in(str(site.jan), PASSWORD).status == 403


def test_a_session_ends_after_an_hour(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = logged_in(site)
    token = site.asked()["oauth_token"]
    site.store.database.write_now(
        lambda tx: tx.execute(update(tables.request_tokens).values(expires_at=tables.request_tokens.c.expires_at + HOUR)) and None
    )
    later = exchange.clock.now() + HOUR + 1
    monkeypatch.setattr(exchange.clock, "now", lambda: later)
    assert asks_for_password(visitor.open(token))


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example/", "javascript:alert(1)"])
def test_nothing_in_the_address_leads_elsewhere(site: Site, target: str) -> None:
    """No open redirect: only the registered callback of the request token is gone to."""
    visitor = arrived(site, oauth_callback=target, next=target)
    visitor.log_in(str(site.jan), PASSWORD)
    assert visitor.submit("allow").target.startswith(f"{CALLBACK}?")


def test_an_unknown_person_and_a_wrong_password_look_alike(site: Site) -> None:
    pages = [arrived(site).log_in(name, "wrong one") for name in (str(site.jan), "nobody", str(site.ewa), "2147483648", "a\nb", "")]
    assert {page.status for page in pages} == {403}
    assert len({page.text for page in pages}) == 1
    assert WRONG in pages[0].text
    assert 'role="alert"' in pages[0].html
    assert "<title>Error: Log in</title>" in pages[0].html


def test_after_a_wrong_password_only_the_password_is_typed_again(site: Site) -> None:
    """The name stays, safely: whatever was typed is text."""
    page = arrived(site).log_in('x"><script>', "wrong one")
    assert 'value="x&quot;&gt;&lt;script&gt;"' in page.html
    assert re.search(r'type="password"[^>]* autofocus', page.html)


@pytest.mark.parametrize("name", ["jan", "nobody"])
def test_guessing_is_slowed_down_for_everybody(site: Site, name: str) -> None:
    """Brute force; whether the person exists cannot be told from the brake either."""
    kept = tables.login_failures.c

    def fail_again(tx: Tx) -> None:
        tx.execute(update(tables.login_failures).where(kept.subject.not_like("address%")).values(failures=kept.failures + 9))

    name = str(site.jan) if name == "jan" else name
    assert arrived(site).log_in(name, "wrong one").status == 403
    site.store.database.write_now(fail_again)
    page = arrived(site).log_in(name, PASSWORD)
    assert page.status == 429
    assert 1 < int(page.headers["Retry-After"]) <= 32
    assert "Too many wrong tries" in page.text
    assert asks(arrived(site).log_in("anna@uni.example", "another one"))


def test_a_right_password_forgets_the_wrong_ones(site: Site) -> None:
    for _ in range(2):
        for _ in range(4):
            arrived(site).log_in(str(site.jan), "wrong one")
        assert asks(arrived(site).log_in(str(site.jan), PASSWORD))


def test_a_question_is_answered_once(site: Site) -> None:
    """A replayed POST, and the same question in two windows."""
    token = site.asked()["oauth_token"]
    first, second = site.visitor(), site.visitor()
    for visitor in (first, second):
        visitor.open(token)
        visitor.log_in(str(site.jan), PASSWORD)
    form = first.page.form
    assert first.submit("allow").status == 303
    assert second.submit("allow").status == 404
    replayed = first.http.post(first.at, data={"form": form, "step": "allow"}, allow_redirects=False, timeout=SECONDS)
    assert (replayed.status_code, "Location" in replayed.headers) == (404, False)
    assert first.open(token).status == 404


@pytest.mark.parametrize("token", ["", "unknown", "a\0b", "ż" * 3000, "expired", "disabled"])
def test_what_is_unknown_or_over_is_said_in_a_page(site: Site, token: str) -> None:
    def expire(tx: Tx) -> None:
        tx.execute(update(tables.request_tokens).values(expires_at=1))

    if token in {"expired", "disabled"}:
        kind, token = token, site.asked()["oauth_token"]
        if kind == "expired":
            site.store.database.write_now(expire)
        else:
            site.store.database.write_now(clients.disable_client, site.program.key)
    page = site.visitor(**{"Accept-Language": "en"}).open(token)
    assert (page.status, "unknown or over" in page.text) == (404, True)


@pytest.mark.parametrize("body", [b"", b"\xff=%", b"step=allow&form=x" + b"x" * 20_000, b"step=flying"])
def test_a_form_that_is_none_changes_nothing(site: Site, body: bytes) -> None:
    visitor = logged_in(site)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visitor.http.post(visitor.at, data=body, headers=headers, allow_redirects=False, timeout=SECONDS).status_code == 403


def test_an_unknown_step_asks_again(site: Site) -> None:
    assert asks(logged_in(site).submit("fly"))
    assert asks_for_password(arrived(site).submit("allow"))


def test_a_hash_of_other_parameters_is_made_anew_at_login(site: Site) -> None:
    def kept(tx: Tx) -> str:
        return str(tx.execute(select(tables.users.c.password_hash).where(tables.users.c.id == site.jan)).scalar_one())

    weak = passwords.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    site.store.database.write_now(lambda tx: tx.execute(update(tables.users).values(password_hash=weak)) and None)
    assert asks(arrived(site).log_in(str(site.jan), PASSWORD))
    assert not passwords.outdated(site.store.database.read_now(kept))


def test_a_program_that_is_gone_takes_its_requests_along(site: Site) -> None:
    visitor = logged_in(site)
    site.store.database.write_now(lambda tx: tx.execute(delete(tables.request_tokens)) and None)
    assert visitor.submit("allow").status == 404
