"""The objects of services/apiref: methods, their arguments and fields, and modules, as clients know them (wire/usos.md §1.6)."""

from typing import Any, Final

from msgspec import Struct

from postroom.dialects.endpoint import Argument, Endpoint, Field, ObjectType, by_name
from postroom.dialects.usos.apiref import reference
from postroom.dialects.usos.apiref.reference import Reference
from postroom.dialects.usos.common import arguments_with_common
from postroom.dialects.usos.modules import Module

_METHOD: Final = "services/apiref/method"


class MethodView(Struct, frozen=True, kw_only=True):
    """A method, as it stands to whoever asks."""

    endpoint: Endpoint[Any, Any]
    reference: Reference
    administrative: bool
    """Only administrative consumers may call it here."""
    admin_access: bool | None
    """The caller may administer it; ``None``: the caller did not sign."""


class ArgumentView(Struct, frozen=True, kw_only=True):
    """An argument of a method."""

    name: str
    argument: Argument
    method: MethodView


class FieldView(Struct, frozen=True, kw_only=True):
    """A field of what a method answers with."""

    field: Field[Any]
    method: MethodView


class ModuleView(Struct, frozen=True, kw_only=True):
    """A module, or the whole interface as one."""

    module: Module
    submodules: list[str]


def _argument_views(view: MethodView) -> list[ArgumentView]:
    return [ArgumentView(name=name, argument=argument, method=view) for name, argument in arguments_with_common(view.endpoint).items()]


def _field_views(view: MethodView) -> list[FieldView]:
    result = view.endpoint.result
    return [] if result is None else [FieldView(field=field, method=view) for field in result.fields.values()]


AUTH_OPTIONS: Final = ObjectType[MethodView](
    method=_METHOD,
    fields=by_name(
        Field[MethodView](name="consumer", description="required, optional or ignored", value=lambda view: view.endpoint.access.consumer),
        Field[MethodView](name="token", description="required, optional or ignored", value=lambda view: view.endpoint.access.token),
        Field[MethodView](
            name="administrative_only", description="whether only administrative consumers may call", value=lambda view: view.administrative
        ),
        Field[MethodView](
            name="ssl_required", description="whether the connection must be encrypted", value=lambda view: view.endpoint.access.secure
        ),
        Field[MethodView](
            name="scopes",
            description="list of the scopes that the token of an ordinary consumer must have",
            value=lambda view: list(view.endpoint.access.scopes),
        ),
    ),
    default="consumer|token|administrative_only|ssl_required|scopes",
)

ARGUMENT: Final = ObjectType[ArgumentView](
    method=_METHOD,
    fields=by_name(
        Field[ArgumentView](name="name", description="name", value=lambda view: view.name),
        Field[ArgumentView](name="is_required", description="whether it must be given", value=lambda view: view.argument.required),
        Field[ArgumentView](name="is_deprecated", description="always false", value=lambda _: False),
        Field[ArgumentView](name="type", description="kind of the value, in words", value=lambda view: view.argument.type),
        Field[ArgumentView](
            name="default_value", description="what an absent argument counts as, or null", value=lambda view: view.argument.default
        ),
        Field[ArgumentView](
            name="description",
            description="what it means, as HTML",
            value=lambda view: reference.argument_description(view.name, view.argument, view.method.endpoint, view.method.reference),
        ),
    ),
    default="name|is_required|is_deprecated|type|default_value|description",
)

RESULT_FIELD: Final = ObjectType[FieldView](
    method=_METHOD,
    fields=by_name(
        Field[FieldView](name="name", description="name", value=lambda view: view.field.name),
        Field[FieldView](
            name="description",
            description="what it holds, as HTML",
            value=lambda view: reference.field_description(view.field, view.method.reference),
        ),
        Field[FieldView](name="is_primary", description="whether the field is primary", value=lambda view: view.field.primary),
        Field[FieldView](name="is_secondary", description="whether the field is secondary", value=lambda view: not view.field.primary),
    ),
    default="name|description|is_primary|is_secondary",
)

DEPRECATED: Final = ObjectType[MethodView](
    method=_METHOD,
    fields=by_name(
        Field[MethodView](name="deprecated_by", description="the method to be used instead", value=lambda _: None),
        Field[MethodView](name="present_until", description="until when it stays", value=lambda _: None),
    ),
    default="deprecated_by|present_until",
)

METHOD: Final = ObjectType[MethodView](
    method=_METHOD,
    fields=by_name(
        Field[MethodView](name="name", description="name, which is its path", value=lambda view: view.endpoint.name),
        Field[MethodView](
            name="short_name", description="name without the module", value=lambda view: view.endpoint.name.rpartition("/")[2]
        ),
        Field[MethodView](name="description", description="what it does, as HTML", value=lambda view: reference.description(view.endpoint)),
        Field[MethodView](
            name="brief_description",
            description="what it does, in one line of at most 80 characters",
            value=lambda view: view.endpoint.summary,
        ),
        Field[MethodView](
            name="ref_url", description="address of its reference page", value=lambda view: view.reference.url(view.endpoint.name)
        ),
        Field[MethodView](name="auth_options", description="who may call", value=lambda view: view, target=AUTH_OPTIONS),
        Field[MethodView](name="arguments", description="list of its arguments", value=_argument_views, target=ARGUMENT),
        Field[MethodView](
            name="returns", description="what it answers, as HTML", value=lambda view: reference.returns(view.endpoint, view.reference)
        ),
        Field[MethodView](
            name="errors",
            description="errors that it is known to answer with beside the common ones, as HTML",
            value=lambda view: reference.errors(view.endpoint.errors),
        ),
        Field[MethodView](
            name="result_fields", description="list of the fields of what it answers with", value=_field_views, target=RESULT_FIELD
        ),
        Field[MethodView](name="beta", description="whether it may still change; always false", value=lambda _: False),
        Field[MethodView](
            name="deprecated", description="null, since the method is not deprecated", value=lambda _: None, target=DEPRECATED
        ),
        Field[MethodView](
            name="admin_access",
            description="whether you may administer with it; null unless you sign the call",
            value=lambda view: view.admin_access,
        ),
        Field[MethodView](name="is_internal", description="always false", value=lambda _: False),
    ),
    default=(
        "name|short_name|description|brief_description|ref_url|auth_options|arguments|returns|errors|result_fields|beta|deprecated|is_internal"
    ),
)

MODULE_INFO: Final = ObjectType[ModuleView](
    method="services/apiref/module",
    fields=by_name(
        Field[ModuleView](name="name", description="name, which is its path", value=lambda view: view.module.name),
        Field[ModuleView](name="title", description="title", value=lambda view: view.module.title),
        Field[ModuleView](name="brief_description", description="one sentence", value=lambda view: view.module.summary),
        Field[ModuleView](
            name="description",
            description="what one must know who begins to use it, as HTML",
            value=lambda view: reference.paragraphs(view.module.description),
        ),
        Field[ModuleView](name="submodules", description="list of names of modules within it", value=lambda view: view.submodules),
        Field[ModuleView](
            name="methods", description="list of names of its methods", value=lambda view: [one.name for one in view.module.endpoints]
        ),
        Field[ModuleView](name="beta", description="whether it may still change; always false", value=lambda _: False),
    ),
    default="name|title|brief_description|description|submodules|methods|beta",
)
