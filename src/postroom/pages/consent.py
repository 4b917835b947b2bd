"""The page on which a person logs in and allows a program something, or refuses: OAuth 1.0a, RFC 5849 §2.2.

Parameters: ``oauth_token``; ``interactivity``: minimal (the default: whoever has allowed this program all of this before is not asked
again, where the callback is an https address, and so surely the program's own: RFC 8252 §8.6) or confirm_user (always asked);
``langpref``: pl or en, else what the browser prefers. Afterwards the browser goes to the callback with ``oauth_token`` and
``oauth_verifier``, or ``error=access_denied``; without a callback the page shows a PIN, and that never without a question, since
whoever sent the person here may want to be told it.

It works without scripts, asks for every change by POST with a token of the session, and cannot be put into a frame.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from postroom import clock
from postroom.clock import SECOND
from postroom.directory import callbacks, grants, passwords, people
from postroom.directory.grants import Question
from postroom.directory.login import log_in
from postroom.directory.records import Person
from postroom.errors import NotFound
from postroom.pages import consent_forms, sessions
from postroom.pages.consent_forms import Form
from postroom.pages.consent_texts import NOT_PRIVATE, OVER, REFUSED, WORDS
from postroom.pages.headers import Language, preferred_language
from postroom.pages.html import notice
from postroom.pages.sessions import Session
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.store import Store

ScopeWords = Mapping[str, Mapping[str, str]]
"""Scope → language → what a person allows with it."""

_MAX_FORM: Final = 16_384
"""Bytes of a form; nobody types that much."""


def routes(store: Store, path: str, scopes: ScopeWords) -> list[Route]:
    """Return the route of the page at ``path``."""

    async def respond(request: Request) -> Response:
        return await _Exchange(store, scopes, request).respond()

    return [Route(path, respond, methods=["GET", "POST"])]


class _Visit(Struct, frozen=True, kw_only=True):
    """What the store knows of a request."""

    asked: Question | None
    person: Person | None
    """Who is logged in."""
    granted: bool
    """This person has allowed this program all of this before."""


class _Exchange:
    """One request and its answer."""

    def __init__(self, store: Store, scopes: ScopeWords, request: Request) -> None:
        self._store = store
        self._settings = store.settings
        self._scopes = scopes
        self._request = request
        self._now = clock.now()
        self._language = _language(request)

    async def respond(self) -> Response:
        """Answer the request, and send a session along where there was none."""
        private = self._settings.oauth.plaintext_over_http or sessions.is_private(self._request, self._settings)
        if not private:
            return notice(NOT_PRIVATE[self._language], self._language, 403)
        known = sessions.read(self._request, self._settings, self._store.vault, self._now)
        session = known or sessions.begun(self._now)
        token = self._request.query_params.get("oauth_token", "")
        visit = await self._store.database.read(_visit, self._store.vault, token, session, self._now)
        try:
            response = await self._answer(session, visit)
        except NotFound:  # somebody else, or the same person in another window, has answered meanwhile
            response = notice(OVER[self._language], self._language, 404)
        if known is None and "set-cookie" not in response.headers:
            self._put(response, session)
        return response

    async def _answer(self, session: Session, visit: _Visit) -> Response:
        if visit.asked is None:
            return notice(OVER[self._language], self._language, 404)
        if self._request.method == "POST":
            return await self._posted(session, visit.asked, visit.person)
        known = visit.asked.callback.startswith("https://")
        silent = known and self._request.query_params.get("interactivity", "minimal") == "minimal"
        if self._request.method == "GET" and silent and visit.granted and visit.person is not None:
            return await self._allow(visit.asked, visit.person)
        return self._shown(session, visit.asked, visit.person)

    async def _posted(self, session: Session, asked: Question, person: Person | None) -> Response:
        fields = await self._fields()
        if not sessions.is_own_form(self._store.vault, session, asked.token, fields.get("form", "")):
            return self._shown(session, asked, person, WORDS[self._language].stale, 403)
        match fields.get("step"):
            case "log_in":
                return await self._log_in(session, asked, fields.get("name", ""), fields.get("password", ""))
            case "other_person":
                return self._here_again(sessions.begun(self._now))
            case "allow" if person is not None:
                return await self._allow(asked, person)
            case "refuse" if person is not None:
                return await self._refuse(asked)
            case _:
                return self._shown(session, asked, person)

    async def _log_in(self, session: Session, asked: Question, name: str, password: str) -> Response:
        address = self._request.client.host if self._request.client else ""
        outcome = await log_in(self._store, name, password, address, self._now)
        words = WORDS[self._language]
        if outcome.wait:
            seconds = -(-outcome.wait // SECOND)
            response = self._shown(session, asked, None, words.too_often.format(seconds=seconds), 429, name)
            response.headers["Retry-After"] = str(seconds)
            return response
        if outcome.holder is None:
            return self._shown(session, asked, None, words.wrong, 403, name)
        return self._here_again(sessions.begun(self._now, outcome.holder.user_id, passwords.stamp(self._store.vault, outcome.holder)))

    async def _allow(self, asked: Question, person: Person) -> Response:
        verifier = await self._store.database.write(grants.allow, self._store.vault, asked, person.id, self._now)
        if asked.out_of_band:
            return consent_forms.pin(asked, verifier, self._language)
        return _sent_back(asked, {"oauth_token": asked.token, "oauth_verifier": verifier})

    async def _refuse(self, asked: Question) -> Response:
        await self._store.database.write(grants.refuse, asked, self._now)
        if asked.out_of_band:
            return notice(REFUSED[self._language], self._language)
        return _sent_back(asked, {"oauth_token": asked.token, "error": "access_denied"})

    def _shown(  # noqa: PLR0917 - what a page is made of
        self, session: Session, asked: Question, person: Person | None, problem: str = "", status: int = 200, name: str = ""
    ) -> Response:
        token = sessions.form_token(self._store.vault, session, asked.token)
        form = Form(asked=asked, token=token, language=self._language, problem=problem, status=status)
        if person is None:
            return form.login(name)
        return form.question(person, [self._in_words(scope) for scope in sorted(asked.scopes)])

    def _in_words(self, scope: str) -> str:
        return self._scopes[scope][self._language] if scope in self._scopes else scope

    def _here_again(self, session: Session) -> Response:
        """Send the browser to this same page with a session of its own, so that reloading it repeats nothing."""
        response = _redirect(f"?{self._request.url.query}")
        self._put(response, session)
        return response

    def _put(self, response: Response, session: Session) -> None:
        sessions.put(response, session, self._request, self._settings, self._store.vault)

    async def _fields(self) -> dict[str, str]:
        """Read the fields of the form; one that is too long, or no form at all, has none."""
        body = bytearray()
        async for chunk in self._request.stream():
            body += chunk
            if len(body) > _MAX_FORM:
                return {}
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _visit(tx: Tx, vault: Vault, token: str, session: Session, now: int) -> _Visit:
    asked = grants.question(tx, token, now)
    holder = None if session.user_id is None else passwords.by_id(tx, session.user_id)
    if asked is None or holder is None or passwords.stamp(vault, holder) != session.stamp:
        return _Visit(asked=asked, person=None, granted=False)
    return _Visit(asked=asked, person=people.get(tx, holder.user_id), granted=grants.has_allowed(tx, asked, holder.user_id))


def _language(request: Request) -> Language:
    match request.query_params.get("langpref"):
        case "pl":
            return "pl"
        case "en":
            return "en"
        case _:
            return preferred_language(request.headers.get("accept-language"))


def _sent_back(asked: Question, answer: dict[str, str]) -> Response:
    return _redirect(callbacks.with_answer(asked.callback, answer))


def _redirect(url: str) -> Response:
    return RedirectResponse(url, 303, {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})
