"""What reference pages say of methods and modules, made out of their declarations: pieces of HTML, and where to find what.

The returns section has the form that the USOS API fiddler and its like read, to let a person choose fields: a paragraph that ends
in "fields:", and after it a list with the parts "Primary:" and "Secondary:", the name of each field in bold; a paragraph "This field
references …", with a link to the method that describes the sub-fields (wire/usos.md §1.6). All texts are escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from msgspec import Struct

from postroom.dialects.endpoint import Argument, Endpoint, ErrorCase, Field, ObjectType
from postroom.dialects.usos.modules import Module

PAGES: Final = "developers/api/"
"""Path of the reference pages below the address of the installation."""

_RESERVED: Final = "administrative consumers only"


class Reference(Struct, frozen=True, kw_only=True):
    """The methods and modules of an installation, and where their pages are."""

    base: str
    """What links to pages begin with, such as ``https://post.uni.example/developers/api/``."""
    modules: Mapping[str, Module]
    methods: Mapping[str, Endpoint[Any, Any]]
    documented: Mapping[ObjectType[Any], str]
    """Kinds of objects → the method whose returns section lists their fields."""

    def url(self, method: str) -> str:
        """Return the address of the description of a method."""
        module, _, name = method.rpartition("/")
        return f"{self.base}{module}/#{name}"

    def link(self, method: str) -> str:
        """Return a link to the description of a method, as HTML."""
        return f'<a href="{escape(self.url(method))}">{escape(method)}</a>'

    def describer(self, endpoint: Endpoint[Any, Any]) -> str | None:
        """Return the other method that describes the objects which a method answers with; ``None`` where it does so itself."""
        owner = None if endpoint.result is None else self.documented.get(endpoint.result)
        return None if owner == endpoint.name else owner


def gather(modules: Sequence[Module], base: str) -> Reference:
    """Gather the methods of the modules; ``base`` is what links to pages begin with."""
    methods = {endpoint.name: endpoint for module in modules for endpoint in module.endpoints}
    results = [(endpoint.result, name) for name, endpoint in methods.items() if endpoint.result is not None]
    return Reference(
        base=base,
        modules={module.name: module for module in modules},
        methods=methods,
        documented={result: name for result, name in results if result.method == name},
    )


def paragraphs(text: str) -> str:
    """Return plain text, in which empty lines separate paragraphs, as HTML."""
    return "".join(f"<p>{escape(' '.join(part.split()))}</p>" for part in text.split("\n\n") if part.strip())


def description(endpoint: Endpoint[Any, Any]) -> str:
    """Return what a method does, as HTML."""
    return paragraphs(f"{endpoint.summary}\n\n{endpoint.description}")


def argument_description(name: str, argument: Argument, endpoint: Endpoint[Any, Any], known: Reference) -> str:
    """Return what an argument of a method means, as HTML; for a selector with a link to the fields, where another method has them."""
    text = escape(argument.description)
    if argument.limit is not None:
        text += f" At most {argument.limit:,} characters."
    owner = known.describer(endpoint) if name == "fields" else None
    return text if owner is None else f"{text} They are those of {known.link(owner)}."


def returns(endpoint: Endpoint[Any, Any], known: Reference) -> str:
    """Return what a method answers, as HTML."""
    owner = known.describer(endpoint)
    if owner is not None:
        return f"<p>{escape(endpoint.returns)}</p><p>The fields are those of {known.link(owner)}.</p>"
    if endpoint.result is None:
        return paragraphs(endpoint.returns)
    return f"{paragraphs(endpoint.returns)}<p>Available fields:</p><ul>{_groups(endpoint.result.fields.values(), known)}</ul>"


def errors(cases: Iterable[ErrorCase]) -> str:
    """Return the errors that a method is known to answer with, as HTML; the empty string if there are none beside the common ones."""
    items = "".join(f"<li><p>{_error(case)}</p></li>" for case in cases)
    return f"<ul>{items}</ul>" if items else ""


def field_description(field: Field[Any], known: Reference) -> str:
    """Return what a field holds, as HTML."""
    return _meaning(field) + "".join(_below(field, known, ()))


def _groups(fields: Iterable[Field[Any]], known: Reference) -> str:
    every = list(fields)
    groups = {"Primary:": [field for field in every if field.primary], "Secondary:": [field for field in every if not field.primary]}
    return "".join(f"<li><p>{title}</p><ul>{_items(group, known, ())}</ul></li>" for title, group in groups.items() if group)


def _items(fields: Iterable[Field[Any]], known: Reference, above: tuple[ObjectType[Any], ...]) -> str:
    return "".join(
        f"<li><p><b>{escape(field.name)}</b> - {_meaning(field)}</p>{''.join(_below(field, known, above))}</li>" for field in fields
    )


def _meaning(field: Field[Any]) -> str:
    return escape(field.description) + (f" ({_RESERVED})" if field.administrative else "")


def _below(field: Field[Any], known: Reference, above: tuple[ObjectType[Any], ...]) -> Iterable[str]:
    """Tell of the sub-fields: by a link to the method that lists them, else by listing those of a dictionary that no method does."""
    target = field.target
    if target is None:
        return
    if (owner := known.documented.get(target)) is not None:
        yield f"<p>This field references {known.link(owner)}{' (only primary are allowed)' if field.only_primary else ''}.</p>"
    elif target not in above:
        yield f"<p>Its sub-fields:</p><ul>{_items(target.fields.values(), known, (*above, target))}</ul>"


def _error(case: ErrorCase) -> str:
    named = [("param_name", case.param_names), ("reason", case.reasons)]
    words = "; ".join(f"{key}: {', '.join(f'<i>{escape(word)}</i>' for word in found)}" for key, found in named if found)
    return f"<b>{escape(case.error)}</b>{f' ({words})' if words else ''} - {escape(case.description)}"
