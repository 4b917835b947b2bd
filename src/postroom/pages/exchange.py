"""One request for a page that first asks who somebody is, and its answer; what is common to such pages.

They work without scripts, ask for every change by POST with a token of the session, and cannot be put into a frame. ``langpref`` (pl or
en) chooses the language, else the browser does.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from html import escape
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from postroom import clock
from postroom.clock import SECOND
from postroom.directory import passwords
from postroom.directory.login import log_in
from postroom.directory.records import Person
from postroom.pages import sessions
from postroom.pages.consent_texts import NOT_PRIVATE, WORDS
from postroom.pages.headers import Language, preferred_language
from postroom.pages.html import document, notice
from postroom.pages.sessions import Session
from postroom.storage.store import Store

_MAX_FORM: Final = 16_384
"""Bytes of a form; nobody types that much."""

AskAgain = Callable[[str, int, str], Response]
"""Makes the page that asks for a password again, of what was wrong, the status, and the name that was typed."""


class Exchange(ABC):
    """One request and its answer."""

    def __init__(self, store: Store, request: Request) -> None:
        self.store = store
        self.request = request
        self.now = clock.now()
        self.language = _language(request)
        self.session = sessions.begun(self.now)

    @abstractmethod
    async def answer(self) -> Response:
        """Answer a request that nobody on the way can read."""

    async def respond(self) -> Response:
        """Answer the request, and send a session along where there was none."""
        settings = self.store.settings
        if not (settings.oauth.plaintext_over_http or sessions.is_private(self.request, settings)):
            return notice(NOT_PRIVATE[self.language], self.language, 403)
        known = sessions.read(self.request, settings, self.store.vault, self.now)
        self.session = known or self.session
        response = await self.answer()
        if known is None and "set-cookie" not in response.headers:
            self._put(response, self.session)
        return response

    async def log_in(self, fields: dict[str, str], ask_again: AskAgain) -> Response:
        """Check name and password, and a code if there is one; then the browser comes here again with a session of this person's."""
        name, code = fields.get("name", ""), fields.get("code", "").strip() or None
        address = self.request.client.host if self.request.client else ""
        outcome = await log_in(self.store, name, fields.get("password", ""), address, self.now, code)
        words = WORDS[self.language]
        if outcome.wait:
            seconds = -(-outcome.wait // SECOND)
            response = ask_again(words.too_often.format(seconds=seconds), 429, name)
            response.headers["Retry-After"] = str(seconds)
            return response
        if outcome.needs_code:
            return ask_again(words.needs_code, 403, name)
        if outcome.holder is None:
            return ask_again(words.wrong, 403, name)
        return self.here_again(sessions.begun(self.now, outcome.holder.user_id, passwords.stamp(self.store.vault, outcome.holder)))

    def here_again(self, session: Session) -> Response:
        """Send the browser to this same page with a session of its own, so that reloading it repeats nothing."""
        response = redirect(f"?{self.request.url.query}")
        self._put(response, session)
        return response

    async def fields(self) -> dict[str, str]:
        """Read the fields of the form; one that is too long, or no form at all, has none."""
        body = bytearray()
        async for chunk in self.request.stream():
            body += chunk
            if len(body) > _MAX_FORM:
                return {}
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

    def form_token(self, subject: str) -> str:
        """See ``sessions.form_token``."""
        return sessions.form_token(self.store.vault, self.session, subject)

    def is_own_form(self, subject: str, fields: dict[str, str]) -> bool:
        """Tell whether the form was on a page of this session."""
        return sessions.is_own_form(self.store.vault, self.session, subject, fields.get("form", ""))

    def _put(self, response: Response, session: Session) -> None:
        sessions.put(response, session, self.request, self.store.settings, self.store.vault)


def login_form(token: str, language: Language, *, problem: bool, name: str = "") -> str:
    """Return the form that asks for name and password, and for a code of whoever has a second factor.

    With a name that was typed before, only the rest is to be typed again.
    """
    words = WORDS[language]
    marked = ' aria-invalid="true" aria-describedby="problem"' if problem else ""
    here, there = (" autofocus", "") if not name else ("", " autofocus")
    return (
        f'<form method="post">{hidden(token)}'
        f'<label for="name">{escape(words.name)}</label>'
        f'<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required'
        f' value="{escape(name)}"{here}{marked}>'
        f'<label for="password">{escape(words.password)}</label>'
        f'<input id="password" name="password" type="password" autocomplete="current-password" required{there}{marked}>'
        f'<label for="code">{escape(words.code)}</label>'
        f'<input id="code" name="code" autocomplete="one-time-code" inputmode="numeric">'
        f"{button('log_in', words.log_in, first=True)}</form>"
    )


def form_page(  # noqa: PLR0917 - what a page is made of
    title: str, content: str, language: Language, problem: str, status: int, form_action: str = "'self'"
) -> HTMLResponse:
    """Answer with a page that holds a form; a problem stands above all else."""
    alert = f'<p role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    prefix = f"{WORDS[language].error}: " if problem else ""
    return document(title, alert + content, language, status, form_action=form_action, prefix=prefix)


def named(person: Person) -> str:
    """Return a person as the pages name who is logged in."""
    return f"{person.first_name} {person.last_name}".strip() + (f" ({person.email})" if person.email else "")


def hidden(token: str) -> str:
    """Return the field that holds the token of a form."""
    return f'<input type="hidden" name="form" value="{escape(token)}">'


def button(step: str, label: str, *, first: bool = False) -> str:
    """Return a button that submits its form with ``step``; ``first`` is what is most likely wanted."""
    return f'<button name="step" value="{step}"{" class=first" if first else ""}>{escape(label)}</button>'


def redirect(url: str) -> Response:
    """Send the browser elsewhere, by GET."""
    return RedirectResponse(url, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def _language(request: Request) -> Language:
    match request.query_params.get("langpref"):
        case "pl":
            return "pl"
        case "en":
            return "en"
        case _:
            return preferred_language(request.headers.get("accept-language"))
