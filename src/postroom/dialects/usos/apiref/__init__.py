"""services/apiref: the interface describes itself, out of the declarations that serve it (wire/usos.md §1.6).

``reference`` makes the texts, which the pages for people show, too; ``objects`` the shapes.
"""

from typing import Annotated, Final

from msgspec import Struct

from postroom.dialects.endpoint import Access, ErrorCase, endpoint
from postroom.dialects.usos import errors
from postroom.dialects.usos.apiref.objects import METHOD, MODULE_INFO, MethodView, ModuleView
from postroom.dialects.usos.apiref.reference import PAGES, Reference, gather
from postroom.dialects.usos.arguments import selector, text
from postroom.dialects.usos.auth import administers
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.modules import Module
from postroom.dialects.usos.scopes import SCOPES
from postroom.dialects.usos.selectors import Selection, parse

_MODULE: Final = "services/apiref/"
_LONGEST: Final = 200
"""Characters of the name of a method or module."""
_ANYBODY: Final = Access(consumer="ignored", token="ignored")  # noqa: S106 - a need, no token
_WHOLE_MODULE: Final = parse(MODULE_INFO.default, MODULE_INFO)


class Nothing(Struct, frozen=True):
    """No arguments."""


class Described(Struct, frozen=True):
    """Arguments of ``method``."""

    name: Annotated[str, text("Name of a method, such as services/apiref/method.", _LONGEST, required=True)]
    fields: Annotated[Selection, selector(METHOD, default=METHOD.default)]


class Listed(Struct, frozen=True):
    """Arguments of ``module``."""

    name: Annotated[str, text("Name of a module, such as services/apiref; services is the whole interface.", _LONGEST, required=True)]


@endpoint(
    _MODULE + "method",
    Described,
    access=Access(consumer="optional", token="ignored"),  # noqa: S106 - a need, no token
    returns="A dictionary of the selected fields and their values.",
    result=METHOD,
    errors=(ErrorCase(error="object_not_found", param_names=("name",), description="there is no such method"),),
)
async def method(call: Call, given: Described) -> dict[str, object]:
    """Get information on one method."""
    await call.claim()
    known = _known(call)
    found = known.methods.get(given.name)
    if found is None:
        raise errors.object_not_found("name", _MODULE + "method")
    settings, client = call.store.settings.usos, call.caller.client
    view = MethodView(
        endpoint=found,
        reference=known,
        administrative=found.access.is_administrative(configured=settings.administrative_mail),
        admin_access=None if client is None else administers(settings, client, found),
    )
    return given.fields.render(view)


@endpoint(
    _MODULE + "method_index",
    Nothing,
    access=_ANYBODY,
    returns="A list of dictionaries {name, brief_description}, by name.",
)
async def method_index(call: Call, _given: Nothing) -> list[dict[str, object]]:
    """Get a list of all methods."""
    return [{"name": name, "brief_description": one.summary} for name, one in sorted(_known(call).methods.items())]


@endpoint(
    _MODULE + "module",
    Listed,
    access=_ANYBODY,
    returns="A dictionary of all fields.",
    result=MODULE_INFO,
    errors=(ErrorCase(error="object_not_found", param_names=("name",), description="there is no such module"),),
)
async def module(call: Call, given: Listed) -> dict[str, object]:
    """Get information on one module."""
    if given.name == _ROOT.name:
        return _WHOLE_MODULE.render(ModuleView(module=_ROOT, submodules=[one.name for one in call.modules]))
    found = _known(call).modules.get(given.name)
    if found is None:
        raise errors.object_not_found("name", _MODULE + "module")
    return _WHOLE_MODULE.render(ModuleView(module=found, submodules=[]))


@endpoint(_MODULE + "scopes", Nothing, access=_ANYBODY, returns="A list of dictionaries {key, developers_description}.")
async def scopes(_call: Call, _given: Nothing) -> list[dict[str, object]]:
    """Get a list of all scopes that an access token may have."""
    return [{"key": scope.key, "developers_description": scope.developers_description} for scope in SCOPES.values()]


def _known(call: Call) -> Reference:
    return gather(call.modules, f"{call.store.settings.public_url}/{PAGES}")


_ROOT: Final = Module(
    name="services", title="All modules", summary="Everything that this installation serves.", description="", endpoints=()
)

MODULE: Final = Module(
    name="services/apiref",
    title="Reference",
    summary="Which methods there are, what they take and what they answer.",
    description="""\
What stands on the reference pages, for programs: consoles that let a person try methods, generators of client libraries. Both are
made out of the declarations that serve the methods, so they say the same, and what they say is true of this installation.""",
    endpoints=(method, method_index, module, scopes),
)
"""The module; its methods in the order of its page."""
