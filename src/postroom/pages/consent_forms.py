"""The HTML of the pages that log a person in and ask for consent; every foreign text is escaped here."""

from collections.abc import Sequence
from html import escape

from msgspec import Struct
from starlette.responses import HTMLResponse

from postroom.directory import callbacks
from postroom.directory.grants import Question
from postroom.directory.records import Person
from postroom.pages.consent_texts import PIN, WORDS
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
        marked = ' aria-invalid="true" aria-describedby="problem"' if self.problem else ""
        here, there = (" autofocus", "") if not name else ("", " autofocus")
        content = (
            f"<p>{escape(words.log_in_for.format(client=self.asked.client_name))}</p>"
            f'<form method="post">{self._hidden()}'
            f'<label for="name">{escape(words.name)}</label>'
            f'<input id="name" name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required'
            f' value="{escape(name)}"{here}{marked}>'
            f'<label for="password">{escape(words.password)}</label>'
            f'<input id="password" name="password" type="password" autocomplete="current-password" required{there}{marked}>'
            f"{_button('log_in', words.log_in, first=True)}</form>"
        )
        return self._page(words.log_in, content, "'self'")

    def question(self, person: Person, allowed: Sequence[str]) -> HTMLResponse:
        """Ask whether ``person`` allows the program all that ``allowed`` says, line by line."""
        words, asked = WORDS[self.language], self.asked
        wants = (words.wants if allowed else words.wants_nothing).format(client=asked.client_name)
        lines = f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in allowed)}</ul>" if allowed else ""
        page = f'<a href="{escape(asked.client_url)}" rel="noreferrer">{escape(asked.client_url)}</a>' if asked.client_url else ""
        link = f"<p>{escape(words.its_page)} {page}</p>" if page else ""
        name = f"{person.first_name} {person.last_name}".strip() + (f" ({person.email})" if person.email else "")
        buttons = _button("allow", words.allow, first=True) + _button("refuse", words.refuse) + _button("other_person", words.other_person)
        content = (
            f"<p>{escape(wants)}</p>{lines}{link}<p>{escape(words.logged_in_as.format(person=name))}</p>"
            f'<form method="post">{self._hidden()}{buttons}</form>'
        )
        # Chromium applies form-action to the redirect that follows the form, too
        target = "'self'" if asked.stays else f"'self' {callbacks.source(asked.callback)}"
        return self._page(words.asks.format(client=asked.client_name), content, target)

    def _hidden(self) -> str:
        return f'<input type="hidden" name="form" value="{escape(self.token)}">'

    def _page(self, title: str, content: str, form_action: str) -> HTMLResponse:
        """Put a problem above all else."""
        alert = f'<p role="alert" id="problem">{escape(self.problem)}</p>' if self.problem else ""
        prefix = f"{WORDS[self.language].error}: " if self.problem else ""
        return document(title, alert + content, self.language, self.status, form_action=form_action, prefix=prefix)


def pin(asked: Question, verifier: str, language: Language) -> HTMLResponse:
    """Show what a person is to type into a program that cannot be called back."""
    text = PIN[language]
    paragraphs = "".join(f"<p>{escape(paragraph.format(client=asked.client_name))}</p>" for paragraph in text.paragraphs)
    return document(text.title, f"{paragraphs}<p><output>{escape(verifier)}</output></p>", language)


def _button(step: str, label: str, *, first: bool = False) -> str:
    return f'<button name="step" value="{step}"{" class=first" if first else ""}>{escape(label)}</button>'
