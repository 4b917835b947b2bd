"""The HTML of the pages that log a person in and ask for consent; every foreign text is escaped here."""

from collections.abc import Sequence
from html import escape

from msgspec import Struct
from starlette.responses import HTMLResponse

from postroom.directory import callbacks
from postroom.directory.grants import Question
from postroom.directory.records import Person
from postroom.pages.consent_texts import PIN, WORDS
from postroom.pages.exchange import button, form_page, hidden, login_form, named
from postroom.pages.headers import Language
from postroom.pages.html import document


class Form(Struct, frozen=True, kw_only=True):
    """One form of the two, for one question."""

    asked: Question
    token: str
    """See ``sessions.form_token``."""
    language: Language
    problem: str
    """What was wrong with the last try; empty: nothing."""
    status: int

    def login(self, name: str = "") -> HTMLResponse:
        """Ask for name and password; ``name`` is what was typed the last time, so that only the password is to be typed again."""
        words = WORDS[self.language]
        intro = f"<p>{escape(words.log_in_for.format(client=self.asked.client_name))}</p>"
        return self._page(words.log_in, intro + login_form(self.token, self.language, problem=bool(self.problem), name=name), "'self'")

    def question(self, person: Person, allowed: Sequence[str]) -> HTMLResponse:
        """Ask whether ``person`` allows the program all that ``allowed`` says, line by line."""
        words, asked = WORDS[self.language], self.asked
        wants = (words.wants if allowed else words.wants_nothing).format(client=asked.client_name)
        lines = f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in allowed)}</ul>" if allowed else ""
        page = f'<a href="{escape(asked.client_url)}" rel="noreferrer">{escape(asked.client_url)}</a>' if asked.client_url else ""
        link = f"<p>{escape(words.its_page)} {page}</p>" if page else ""
        buttons = button("allow", words.allow, first=True) + button("refuse", words.refuse) + button("other_person", words.other_person)
        content = (
            f"<p>{escape(wants)}</p>{lines}{link}<p>{escape(words.logged_in_as.format(person=named(person)))}</p>"
            f'<form method="post">{hidden(self.token)}{buttons}</form>'
        )
        # Chromium applies form-action to the redirect that follows the form, too
        target = "'self'" if asked.stays else f"'self' {callbacks.source(asked.callback)}"
        return self._page(words.asks.format(client=asked.client_name), content, target)

    def _page(self, title: str, content: str, form_action: str) -> HTMLResponse:
        return form_page(title, content, self.language, self.problem, self.status, form_action)


def pin(asked: Question, verifier: str, language: Language) -> HTMLResponse:
    """Show what a person is to type into a program that cannot be called back."""
    text = PIN[language]
    paragraphs = "".join(f"<p>{escape(paragraph.format(client=asked.client_name))}</p>" for paragraph in text.paragraphs)
    return document(text.title, f"{paragraphs}<p><output>{escape(verifier)}</output></p>", language)
