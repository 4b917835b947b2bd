"""The page on which a person logs in and allows a program something, or refuses: OAuth 1.0, RFC 5849 §2.2.

Parameters: ``oauth_token``; ``interactivity``: minimal (the default: whoever has allowed this program all of this before is not asked
again, where the callback is an https address, and so surely the program's own: RFC 8252 §8.6) or confirm_user (always asked);
``langpref``: as every page (``exchange``). Afterwards the browser goes to the callback with ``oauth_token`` and
``oauth_verifier``, or ``error=access_denied``; without a callback the page shows a PIN, and that never without a question, since
whoever sent the person here may want to be told it.

Where the program has asked as before revision A (``grants``), the page takes the callback from ``oauth_callback`` or ``return_url``, a
registered one; without any it says that all is done. No verifier goes back, so whoever has led the person here may be somebody else than
the one who began: therefore such a page never goes without a question either.
"""

from collections.abc import Iterable, Mapping
from functools import partial

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postroom.directory import callbacks, grants
from postroom.directory.grants import Question
from postroom.directory.records import Person
from postroom.errors import Invalid, NotFound, TooLarge
from postroom.pages import consent_forms, sessions
from postroom.pages.consent_forms import Form
from postroom.pages.consent_texts import DONE, NOT_REGISTERED, OVER, REFUSED, WORDS
from postroom.pages.exchange import Exchange, redirect
from postroom.pages.html import notice
from postroom.pages.sessions import Session
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.store import Store

ScopeWords = Mapping[str, Mapping[str, str]]
"""Scope → language → what a person allows with it."""


def routes(store: Store, paths: Iterable[str], scopes: ScopeWords) -> list[Route]:
    """Return the routes of the page at ``paths``: one page, whatever dialect the program speaks."""

    async def respond(request: Request) -> Response:
        return await _Consent(store, scopes, request).respond()

    return [Route(path, respond, methods=["GET", "POST"]) for path in paths]


class _Visit(Struct, frozen=True, kw_only=True):
    """What the store knows of a request."""

    asked: Question | None
    person: Person | None
    """Who is logged in."""
    granted: bool
    """This person has allowed this program all of this before."""


class _Consent(Exchange):
    """One request and its answer."""

    def __init__(self, store: Store, scopes: ScopeWords, request: Request) -> None:
        super().__init__(store, request)
        self._scopes = scopes

    async def answer(self) -> Response:
        """See ``Exchange.answer``."""
        token = self.request.query_params.get("oauth_token", "")
        try:
            visit = await self.store.database.read(_visit, self.store.vault, token, self._callback(), self.session, self.now)
        except (Invalid, TooLarge):
            return notice(NOT_REGISTERED[self.language], self.language, 400)
        if visit.asked is None:
            return self._over()
        try:
            return await self._answer(visit.asked, visit.person, granted=visit.granted)
        except NotFound:  # somebody else, or the same person in another window, has answered meanwhile
            return self._over()

    async def _answer(self, asked: Question, person: Person | None, *, granted: bool) -> Response:
        if self.request.method == "POST":
            return await self._posted(asked, person)
        known = asked.verified and asked.callback.startswith("https://")
        silent = known and self.request.query_params.get("interactivity", "minimal") == "minimal"
        if self.request.method == "GET" and silent and granted and person is not None:
            return await self._allow(asked, person)
        return self._shown(asked, person)

    async def _posted(self, asked: Question, person: Person | None) -> Response:
        fields = await self.fields()
        if not self.is_own_form(asked.token, fields):
            return self._shown(asked, person, WORDS[self.language].stale, 403)
        match fields.get("step"):
            case "log_in":
                return await self.log_in(fields, partial(self._shown, asked, None))
            case "other_person":
                return self.here_again(sessions.begun(self.now))
            case "allow" if person is not None:
                return await self._allow(asked, person)
            case "refuse" if person is not None:
                return await self._refuse(asked)
            case _:
                return self._shown(asked, person)

    async def _allow(self, asked: Question, person: Person) -> Response:
        verifier = await self.store.database.write(grants.allow, self.store.vault, asked, person.id, self.now)
        if verifier is None:
            return notice(DONE[self.language], self.language) if asked.stays else _sent_back(asked, {"oauth_token": asked.token})
        if asked.out_of_band:
            return consent_forms.pin(asked, verifier, self.language)
        return _sent_back(asked, {"oauth_token": asked.token, "oauth_verifier": verifier})

    async def _refuse(self, asked: Question) -> Response:
        await self.store.database.write(grants.refuse, asked, self.now)
        if asked.stays:
            return notice(REFUSED[self.language], self.language)
        return _sent_back(asked, {"oauth_token": asked.token, "error": "access_denied"})

    def _shown(self, asked: Question, person: Person | None, problem: str = "", status: int = 200, name: str = "") -> Response:
        form = Form(asked=asked, token=self.form_token(asked.token), language=self.language, problem=problem, status=status)
        if person is None:
            return form.login(name)
        return form.question(person, [self._in_words(scope) for scope in sorted(asked.scopes)])

    def _over(self) -> Response:
        return notice(OVER[self.language], self.language, 404)

    def _in_words(self, scope: str) -> str:
        return self._scopes[scope][self.language] if scope in self._scopes else scope

    def _callback(self) -> str:
        """Return the callback that the person brings along, if any."""
        given = self.request.query_params
        named = given.get("oauth_callback") or given.get("return_url") or ""
        return "" if named == callbacks.OUT_OF_BAND else named


def _visit(tx: Tx, vault: Vault, token: str, callback: str, session: Session, now: int) -> _Visit:  # noqa: PLR0917 - as units are called
    asked = grants.question(tx, token, now)
    if asked is not None and callback and not asked.verified:
        asked = grants.with_callback(tx, asked, callback)
    person = None if asked is None else sessions.person_of(tx, vault, session)
    granted = asked is not None and person is not None and grants.has_allowed(tx, asked, person.id)
    return _Visit(asked=asked, person=person, granted=granted)


def _sent_back(asked: Question, answer: dict[str, str]) -> Response:
    return redirect(callbacks.with_answer(asked.callback, answer))
