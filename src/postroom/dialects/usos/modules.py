"""A module of the dialect: what its reference page says, and its methods (wire/usos.md §1.6, ``apiref/module``)."""

from typing import Any

from msgspec import Struct

from postroom.dialects.endpoint import Endpoint


class Module(Struct, frozen=True, kw_only=True, eq=False):
    """One module, such as ``services/mailclient``; each is declared in the package that serves it."""

    name: str
    title: str
    summary: str
    """One sentence."""
    description: str
    """What somebody must know who begins to use it; paragraphs are separated by an empty line."""
    endpoints: tuple[Endpoint[Any, Any], ...]
    """Its methods, as its page lists them."""
