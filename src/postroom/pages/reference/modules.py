"""The first reference page, which lists everything, and the page of each module, made out of the declarations of its methods."""

from collections.abc import Iterable
from html import escape
from typing import Any

from postroom.dialects.endpoint import Access, Argument, Endpoint
from postroom.dialects.usos.apiref import reference
from postroom.dialects.usos.apiref.reference import Reference
from postroom.dialects.usos.common import REPEATABLE
from postroom.dialects.usos.modules import Module
from postroom.pages.reference.layout import UP, Site


def overview(site: Site) -> str:
    """Return the content of the first page."""
    now = f"{site.url}services/apisrv/now"
    organisation = escape(site.settings.mail.organisation)
    modules = "".join(_summary(module) for module in site.modules)
    definitions = "".join(f'<li><a href="{entry.path}">{escape(entry.title)}</a></li>' for entry in site.definitions)
    return (
        "<h1>Postroom API</h1>"
        f'<p class="lead">The mail server of {organisation}: every method, what it takes and what it answers.</p>'
        "<p>Programs written for USOS API call these methods as they are. Whoever begins anew finds here how to "
        '<a href="definitions/rules/">call and sign</a>, and tries first whether the server is there:</p>'
        f'<pre tabindex="0" role="region" aria-label="Example">curl {escape(now)}</pre>'
        '<p>The same reference for programs: <a href="services/apiref/">services/apiref</a>.</p>'
        "<p>Two other interfaces describe themselves in OpenAPI 3.1: that of programs written for Schoology "
        '(<a href="../../v1/openapi.json">v1/openapi.json</a>: private messages), and that of Postroom itself '
        '(<a href="../../postroom/v1/openapi.json">postroom/v1/openapi.json</a>: the suppression list).</p>'
        f"{modules}<section><h2>Definitions</h2><ul>{definitions}</ul></section>"
    )


def module_page(module: Module, site: Site) -> str:
    """Return the content of the page of a module."""
    known = reference.gather(site.modules, UP)
    methods = "".join(_method(endpoint, site, known) for endpoint in module.endpoints)
    index = _index(module, "")
    return (
        f'<h1>{escape(module.title)}</h1><p class="lead"><code>{escape(module.name)}</code></p>'
        f"<p>{escape(module.summary)}</p>{reference.paragraphs(module.description)}{index}{methods}"
    )


def _summary(module: Module) -> str:
    path = f"{escape(module.name)}/"
    return (
        f'<section><h2><a href="{path}">{escape(module.title)}</a></h2><p class="lead">{escape(module.summary)}</p>'
        f"{_index(module, path)}</section>"
    )


def _index(module: Module, path: str) -> str:
    rows = "".join(
        f'<div><dt><a href="{path}#{_short(one)}"><code>{_short(one)}</code></a></dt><dd>{escape(one.summary)}</dd></div>'
        for one in module.endpoints
    )
    return f'<dl class="rows index">{rows}</dl>'


def _method(endpoint: Endpoint[Any, Any], site: Site, known: Reference) -> str:
    name = _short(endpoint)
    errors = reference.errors(endpoint.errors)
    return (
        f'<section id="{name}"><h2><code>{name}</code><a class="here" href="#{name}" aria-label="Link to {name}">#</a></h2>'
        f'{reference.description(endpoint)}<code class="url">{escape(site.url + endpoint.name)}</code>'
        f"{_access(endpoint.access, site)}{_arguments(endpoint, known)}"
        f'<h3>Returns</h3><div class="fields">{reference.returns(endpoint, known)}</div>'
        + (f'<h3>Errors</h3><div class="fields">{errors}</div>' if errors else "")
        + "</section>"
    )


def _access(access: Access, site: Site) -> str:
    administrative = access.is_administrative(configured=site.settings.usos.administrative_mail)
    items = [
        (f"Consumer: {access.consumer}", access.consumer == "required"),
        (f"Token: {access.token}", access.token == "required"),  # noqa: S105 - a need, no token
        *[(f"Scope: {scope}", True) for scope in access.scopes if not administrative],
        *[("Administrative consumers only", True) for _ in range(administrative)],
        *[("SSL: required", True) for _ in range(access.secure)],
    ]
    return '<ul class="access" aria-label="Who may call">' + "".join(map(_badge, items)) + "</ul>"


def _badge(item: tuple[str, bool]) -> str:
    text, must = item
    return f"<li{' class=must' if must else ''}>{escape(text)}</li>"


def _arguments(endpoint: Endpoint[Any, Any], known: Reference) -> str:
    listed = {**endpoint.arguments, **(REPEATABLE if endpoint.sends else {})}
    rows = "".join(_argument(name, argument, endpoint, known) for name, argument in listed.items())
    common = f'<a href="{UP}definitions/datatypes/#formats"><code>format</code> and <code>callback</code></a>'
    signed = "" if endpoint.access.consumer == "ignored" else f', and the <a href="{UP}definitions/rules/#signing">OAuth parameters</a>'
    own = f'<dl class="rows">{rows}</dl>' if rows else ""
    return f'<h3>Arguments</h3>{own}<p class="note">As in every method: {common}{signed}.</p>'


def _argument(name: str, argument: Argument, endpoint: Endpoint[Any, Any], known: Reference) -> str:
    notes = "".join(_notes(argument))
    text = reference.argument_description(name, argument, endpoint, known)
    return f"<div><dt><code>{escape(name)}</code>{notes}</dt><dd>{text}</dd></div>"


def _notes(argument: Argument) -> Iterable[str]:
    yield f"<span>{escape(argument.type)}</span>"
    if argument.required:
        yield '<span class="must">required</span>'
    elif argument.default is None:
        yield "<span>optional</span>"
    else:
        yield f"<span>default: {f'<code>{escape(argument.default)}</code>' if argument.default else 'empty'}</span>"


def _short(endpoint: Endpoint[Any, Any]) -> str:
    return escape(endpoint.name.rpartition("/")[2])
