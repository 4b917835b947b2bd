"""The reference pages that hold for all methods: calling and signing, data types, errors, scopes.

Their texts are the HTML files beside this module; what stands there as ``$name`` is put in from the declarations and the settings.
"""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from msgspec import Struct

from postroom.dialects.usos.apiref.reference import gather
from postroom.dialects.usos.common import OUTPUT
from postroom.dialects.usos.errors import FORBIDDEN_REASONS
from postroom.dialects.usos.scopes import SCOPES
from postroom.pages.reference.layout import UP, Entry, Site


class Definition(Struct, frozen=True, kw_only=True):
    """A page of this kind."""

    entry: Entry
    text: Template
    values: Callable[[Site], dict[str, str]]
    """What is put into the text, as HTML."""

    def content(self, site: Site) -> str:
        """Return what the page says."""
        return self.text.substitute(self.values(site))


def _rules(site: Site) -> dict[str, str]:
    emails = " or ".join(f'<a href="mailto:{escape(address)}">{escape(address)}</a>' for address in site.settings.usos.contact_emails)
    consent = f'; a program gets one by <a href="{UP}services/oauth/">services/oauth</a>'
    closed = " On this installation the methods of services/mailclient are for administrative consumers only."
    return {
        "url": escape(site.url),
        "window": f"{site.settings.oauth.timestamp_window:,}",
        "contacts": f" ({emails})" if emails else "",
        "consent": consent if any(module.name == "services/oauth" for module in site.modules) else "",
        "closed": closed if site.settings.usos.administrative_mail else "",
    }


def _datatypes(site: Site) -> dict[str, str]:
    arguments = ((name, [argument.type], escape(argument.description)) for name, argument in OUTPUT.items())
    return {"arguments": _rows(arguments), "timezone": escape(site.settings.usos.timezone)}


def _errors(_site: Site) -> dict[str, str]:
    reasons = ((reason, [f"HTTP {status}"], escape(message)) for reason, (status, message) in FORBIDDEN_REASONS.items())
    return {"reasons": _rows(reasons)}


def _scopes(site: Site) -> dict[str, str]:
    known = gather(site.modules, UP)

    def needed_by(key: str) -> str:
        links = [known.link(name) for name, method in known.methods.items() if key in method.access.scopes]
        return f"<p>Needed by {', '.join(links)}.</p>" if links else ""

    rows = ((key, [one.allows["en"]], escape(one.developers_description) + needed_by(key)) for key, one in SCOPES.items())
    return {"scopes": _rows(rows)}


def _rows(rows: Iterable[tuple[str, list[str], str]]) -> str:
    """Make rows out of a name, notes beside it, and a text in HTML below it."""
    return "".join(
        f"<div><dt><code>{escape(name)}</code>{''.join(f'<span>{escape(note)}</span>' for note in notes)}</dt><dd>{text}</dd></div>"
        for name, notes, text in rows
    )


def _definition(name: str, title: str, values: Callable[[Site], dict[str, str]]) -> Definition:
    text = Template(files(__package__).joinpath(f"{name}.html").read_text(encoding="utf-8"))
    return Definition(entry=Entry(path=f"definitions/{name}/", title=title), text=text, values=values)


DEFINITIONS: Final[Mapping[str, Definition]] = {
    one.entry.path: one
    for one in (
        _definition("rules", "Calling and signing", _rules),
        _definition("datatypes", "Formats and data types", _datatypes),
        _definition("errors", "Errors", _errors),
        _definition("scopes", "Scopes", _scopes),
    )
}
"""The pages by their paths."""
