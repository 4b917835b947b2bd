"""A method of an interface, declared once: routing, arguments, result fields, errors and its reference page come from here.

A handler is a function ``async (call, given)``. ``given`` is a record of the arguments, one attribute for each, whose
annotation carries the ``Argument`` that reads, checks and documents it::

    class Given(Struct, frozen=True):
        message_id: Annotated[str, identifier("Message ID.")]

The handler's docstring is the method's summary (first line) and description (the rest). Objects in answers are declared
the same way: an ``ObjectType`` lists its fields, and each ``Field`` knows how to get its value out of one of our records.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from msgspec import Struct

from postroom.settings import Settings

S = TypeVar("S")
C = TypeVar("C")
A = TypeVar("A", bound=Struct)

Need = Literal["required", "optional", "ignored"]


class Argument(Struct, frozen=True, kw_only=True):
    """How one argument is read, checked and documented."""

    parse: Callable[[str], object]
    """Text as it came → value. Raises ``ValueError`` with the rule that it breaks."""
    type: str
    """The kind of value, in words."""
    description: str
    required: bool = False
    default: str | None = None
    """What an absent argument counts as, written as a client would; ``None``: nothing, the attribute is ``None`` then."""
    limit: int | None = None
    """Most characters."""
    many: bool = False
    """A list: repetitions of the argument are joined."""
    file: bool = False
    """An uploaded file, which only a multipart body can carry."""


class Field(Struct, Generic[S], frozen=True, kw_only=True, eq=False):
    """One field of an object in an answer; ``S`` is the record that it is taken from."""

    name: str
    description: str
    value: Callable[[S], object]
    """Record → the value; with a ``target``: the record, or list of records, or ``None``, that the target is made from."""
    primary: bool = True
    """Also given where only primary fields are allowed."""
    target: "ObjectType[Any] | None" = None
    """The kind of object that this field holds, for which sub-fields may be chosen."""
    only_primary: bool = False
    """Of the target's fields only the primary ones may be chosen."""
    administrative: bool = False
    """Only administrative consumers may choose it."""


class ObjectType(Struct, Generic[S], frozen=True, kw_only=True, eq=False):
    """A kind of object in answers."""

    method: str
    """The method whose reference page describes the fields."""
    fields: Mapping[str, Field[S]]
    default: str
    """Selector that applies when a reference names no sub-fields."""


class ErrorCase(Struct, frozen=True, kw_only=True):
    """One error that a method is known to answer with, for its reference page."""

    error: str
    description: str
    param_names: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


class Access(Struct, frozen=True, kw_only=True):
    """Who may call a method."""

    consumer: Need
    token: Need
    scopes: tuple[str, ...] = ()
    administrative: bool | None = False
    """Only administrative consumers may; ``None``: a setting of the installation decides."""
    request_token: bool = False
    """The token is one that a person has consented to and that is to be exchanged for an access token."""
    secure: bool = False
    """Secrets are in the answer, so the connection is to be encrypted."""

    def is_administrative(self, *, configured: bool) -> bool:
        """Tell whether administrative consumers only may call, where the setting of the installation says ``configured``."""
        return configured if self.administrative is None else self.administrative


class Endpoint(Struct, Generic[C, A], frozen=True, kw_only=True, eq=False):
    """A method: what its reference page says and what serves it; ``C`` is the dialect's record of a call."""

    name: str
    """Path below the host, such as ``services/mailclient/message``."""
    summary: str
    description: str
    given: type[A]
    arguments: Mapping[str, Argument]
    access: Access
    returns: str
    """The returned value in words."""
    result: ObjectType[Any] | None
    """The kind of object that is returned, on its own, in a list or in a dictionary."""
    errors: tuple[ErrorCase, ...]
    handler: Callable[[C, A], Awaitable[object]]
    brief: bool
    """It touches a few rows, whatever is in the store (``Database.write_briefly``)."""
    sends: bool
    """It sends mail, so that a client may want a repeated call to do nothing more (``messages.idempotency``)."""
    max_body: Callable[[Settings], int] | None
    """Where its largest body is set, if that is not ``http.max_body``; bytes, files not counted."""
    before_file: Callable[[C, Mapping[str, str]], Awaitable[None]] | None
    """Asked, with the arguments known by then as they came, before an uploaded file is stored; raises to refuse it."""


def endpoint(
    name: str,
    given: type[A],
    *,
    access: Access,
    returns: str,
    result: ObjectType[Any] | None = None,
    errors: tuple[ErrorCase, ...] = (),
    brief: bool = False,
    sends: bool = False,
    max_body: Callable[[Settings], int] | None = None,
    before_file: Callable[[C, Mapping[str, str]], Awaitable[None]] | None = None,
) -> Callable[[Callable[[C, A], Awaitable[object]]], Endpoint[C, A]]:
    """Turn a handler into an ``Endpoint``; see the module for what its docstring and ``given`` say."""

    def declare(handler: Callable[[C, A], Awaitable[object]]) -> Endpoint[C, A]:
        summary, _, description = (inspect.getdoc(handler) or "").partition("\n")
        return Endpoint(
            name=name,
            summary=summary,
            description=description.strip(),
            given=given,
            arguments=arguments_of(given),
            access=access,
            returns=returns,
            result=result,
            errors=errors,
            handler=handler,
            brief=brief,
            sends=sends,
            max_body=max_body,
            before_file=before_file,
        )

    return declare


def arguments_of(given: type[Struct]) -> Mapping[str, Argument]:
    """List the arguments that the annotations of a record declare, in their order. Raises ``TypeError`` where one is not declared."""
    found: dict[str, Argument] = {}
    for name, hint in get_type_hints(given, include_extras=True).items():
        declared = [part for part in get_args(hint)[1:] if isinstance(part, Argument)] if get_origin(hint) is Annotated else []
        if not declared:
            raise TypeError(f"{given.__name__}.{name} declares no Argument")
        found[name] = declared[0]
    return found


def by_name(*fields: Field[S]) -> Mapping[str, Field[S]]:
    """Key fields by their names, for an ``ObjectType``."""
    return {field.name: field for field in fields}
