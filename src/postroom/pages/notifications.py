"""The page ``/notifications``, on which a person who has logged in chooses about mails that tell of private messages."""

from collections.abc import Mapping
from html import escape
from typing import Final

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from postroom.directory import preferences
from postroom.directory.preferences import CHOICES, Notify, Preference
from postroom.directory.records import Person
from postroom.errors import Invalid
from postroom.messages.notifications import PAGE
from postroom.pages import sessions
from postroom.pages.consent_texts import WORDS
from postroom.pages.exchange import Exchange, button, form_page, hidden, login_form, named
from postroom.pages.headers import Language
from postroom.storage.store import Store

_SUBJECT: Final = "notifications"
"""What the token of the form is about."""


class _Words(Struct, frozen=True, kw_only=True):
    title: str
    log_in: str
    choose: str
    choices: dict[Notify, str]
    content: str
    content_means: str
    to: str
    nowhere: str
    save: str
    saved: str


_WORDS: Final[Mapping[Language, _Words]] = {
    "pl": _Words(
        title="Powiadomienia o prywatnych wiadomościach",
        log_in="Zaloguj się, aby wybrać, czy i kiedy mamy pisać do Ciebie o nowych prywatnych wiadomościach.",
        choose="Listy o nowych prywatnych wiadomościach",
        choices={
            "off": "żadne",
            "each": "o każdej wiadomości, od razu",
            "digest": "najwyżej jeden dziennie, o nieprzeczytanych",
        },
        content="Listy mogą zawierać treść wiadomości",
        content_means="Bez tego podają tylko nadawcę i temat.",
        to="Adres: {email}",
        nowhere="Nie znamy Twojego adresu e-mail, więc nie dostaniesz żadnych listów.",
        save="Zapisz",
        saved="Zapisano.",
    ),
    "en": _Words(
        title="Notifications of private messages",
        log_in="Log in to choose whether, and when, we are to write to you of new private messages.",
        choose="Mails about new private messages",
        choices={
            "off": "none",
            "each": "about each message, at once",
            "digest": "one a day at most, about unread ones",
        },
        content="The mails may hold what was written",
        content_means="Without this they name only the sender and the subject.",
        to="Address: {email}",
        nowhere="We know no e-mail address of yours, so you will get no mails.",
        save="Save",
        saved="Saved.",
    ),
}


def routes(store: Store) -> list[Route]:
    """Return the route of the page."""

    async def respond(request: Request) -> Response:
        return await _Choice(store, request).respond()

    return [Route(PAGE, respond, methods=["GET", "POST"])]


class _Choice(Exchange):
    """One request and its answer."""

    async def answer(self) -> Response:
        """See ``Exchange.answer``."""
        person = await self.store.database.read(sessions.person_of, self.store.vault, self.session)
        if self.request.method != "POST":
            return await self._shown(person)
        fields = await self.fields()
        if not self.is_own_form(_SUBJECT, fields):
            return await self._shown(person, WORDS[self.language].stale, 403)
        match fields.get("step"):
            case "log_in":
                return await self.log_in(fields, self._login)
            case "other_person":
                return self.here_again(sessions.begun(self.now))
            case "save" if person is not None:
                return await self._save(person, fields)
            case _:
                return await self._shown(person)

    async def _save(self, person: Person, fields: dict[str, str]) -> Response:
        try:
            chosen = Preference(notify=preferences.checked(fields.get("notify", "")), content="content" in fields)
        except Invalid:  # no button of ours sends that
            return await self._shown(person, WORDS[self.language].stale, 400)
        await self.store.database.write(preferences.choose, person.id, chosen, self.now)
        return self._form(person, chosen, saved=True)

    async def _shown(self, person: Person | None, problem: str = "", status: int = 200) -> Response:
        if person is None:
            return self._login(problem, status)
        chosen = await self.store.database.read(preferences.get, person.id)
        return self._form(person, chosen, problem, status)

    def _login(self, problem: str = "", status: int = 200, name: str = "") -> Response:
        intro = f"<p>{escape(_WORDS[self.language].log_in)}</p>"
        form = login_form(self.form_token(_SUBJECT), self.language, problem=bool(problem), name=name)
        return form_page(WORDS[self.language].log_in, intro + form, self.language, problem, status)

    def _form(self, person: Person, chosen: Preference, problem: str = "", status: int = 200, *, saved: bool = False) -> Response:
        words, common = _WORDS[self.language], WORDS[self.language]
        email = person.email or person.alt_email
        where = words.to.format(email=email) if email else words.nowhere
        choices = "".join(_choice(choice, words.choices[choice], checked=choice == chosen.notify) for choice in CHOICES)
        checked = " checked" if chosen.content else ""
        told = f'<p role="status">{escape(words.saved)}</p>' if saved else ""
        buttons = button("save", words.save, first=True) + button("other_person", common.other_person)
        content = (
            f"{told}<p>{escape(common.logged_in_as.format(person=named(person)))}</p><p>{escape(where)}</p>"
            f'<form method="post">{hidden(self.form_token(_SUBJECT))}'
            f"<fieldset><legend>{escape(words.choose)}</legend>{choices}</fieldset>"
            f'<label class="choice"><input type="checkbox" name="content" aria-describedby="means"{checked}>{escape(words.content)}</label>'
            f'<p id="means">{escape(words.content_means)}</p>{buttons}</form>'
        )
        return form_page(words.title, content, self.language, problem, status)


def _choice(choice: Notify, words: str, *, checked: bool) -> str:
    marked = " checked" if checked else ""
    return f'<label class="choice"><input type="radio" name="notify" value="{choice}"{marked}>{escape(words)}</label>'
