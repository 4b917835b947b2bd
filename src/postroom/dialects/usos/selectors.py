"""Field selectors such as ``id|user[first_name|photo_urls[200x200]]`` (wire/usos.md §3.3).

A selector is checked against the declaration of the objects that it selects from and becomes a ``Selection``, which knows
how to make an answer out of a record. A reference without brackets selects the default fields of its target.

    selector = item *( "|" item )
    item     = name [ "[" selector "]" ]
    name     = 1*( letter / digit / "_" )     ; photo sizes begin with a digit
"""

import re
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from postroom.dialects.endpoint import Field, ObjectType

_LONGEST: Final = 4_096
_DEEPEST: Final = 8
_TOKEN: Final = re.compile(r"[A-Za-z0-9_]+|[|\[\]]")


class SelectorError(Exception):
    """A selector cannot be used. ``method`` is ``None`` where it is the method that was called."""

    def __init__(self, field: str, method: str | None, why: str) -> None:
        super().__init__(why)
        self.field = field
        self.method = method
        self.why = why


class UnknownField(SelectorError):
    """The selector names a field that does not exist."""


class InvalidField(SelectorError):
    """Sub-fields of a plain field, or a secondary field where only primary ones are allowed."""


class Selection(Struct, frozen=True, eq=False):
    """The chosen fields of one kind of object, in the order chosen, and for references what to choose below."""

    parts: dict[str, tuple[Field[Any], "Selection | None"]]

    def __contains__(self, name: str) -> bool:
        return name in self.parts

    def below(self, name: str) -> "Selection":
        """Return what is chosen of the objects in a chosen reference."""
        _, below = self.parts[name]
        return below or Selection({})

    def reserved(self, method: str) -> tuple[str, str] | None:
        """Name the first chosen field that is for administrative consumers only, and the method that documents it; ``None``: there is none.

        ``method`` documents the objects themselves, where it is not their kind that says so.
        """
        for name, (field, below) in self.parts.items():
            if field.administrative:
                return name, method
            if below is not None and field.target is not None and (found := below.reserved(field.target.method)):
                return found
        return None

    def render(self, record: object) -> dict[str, object]:
        """Make the dictionary of the chosen fields out of the record that they are declared for."""
        return {name: _rendered(field.value(record), below) for name, (field, below) in self.parts.items()}


@lru_cache(maxsize=512)
def parse(text: str, kind: ObjectType[Any], *, only_primary: bool = False) -> Selection:
    """Check a selector against the objects that it selects from. Raises ``ValueError`` for its syntax, and ``SelectorError``."""
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    parser = _Parser(_tokens(text))
    tree = parser.selector(0)
    if parser.peek():
        raise ValueError(f"unexpected '{parser.peek()}'")
    return _select(tree, kind, None, only_primary=only_primary)


Tree = dict[str, "Tree | None"]


def _tokens(text: str) -> list[str]:
    tokens = _TOKEN.findall(text)
    if sum(map(len, tokens)) != len(text):
        raise ValueError("a selector consists of field names, '|', '[' and ']'")
    return tokens


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def selector(self, depth: int) -> Tree:
        if depth > _DEEPEST:
            raise ValueError(f"nested deeper than {_DEEPEST}")
        tree: Tree = {}
        while True:
            name = self._next()
            if name in {"", "|", "[", "]"}:
                raise ValueError("a field name is missing")
            below = None
            if self.peek() == "[":
                self._next()
                below = self.selector(depth + 1)
                if self._next() != "]":
                    raise ValueError("a ']' is missing")
            tree[name] = {**(tree.get(name) or {}), **below} if below else tree.get(name)
            if self.peek() != "|":
                return tree
            self._next()

    def _next(self) -> str:
        token = self.peek()
        self._at += 1
        return token


def _select(tree: Tree, kind: ObjectType[Any], method: str | None, *, only_primary: bool) -> Selection:
    """Check one level; ``method`` is the one that documents it, ``None`` for the outermost."""
    parts: dict[str, tuple[Field[Any], Selection | None]] = {}
    for name, below in tree.items():
        field = kind.fields.get(name)
        if field is None:
            raise UnknownField(name, method, "there is no such field")
        if only_primary and not field.primary:
            raise InvalidField(name, method, "only primary fields are allowed")
        if field.target is None and below is not None:
            raise InvalidField(name, method, "it has no sub-fields")
        parts[name] = (field, None if field.target is None else _below(field, field.target, below))
    return Selection(parts)


def _below(field: Field[Any], target: ObjectType[Any], tree: Tree | None) -> Selection:
    if tree is None:
        return parse(target.default, target, only_primary=field.only_primary)
    return _select(tree, target, target.method, only_primary=field.only_primary)


def _rendered(value: object, below: Selection | None) -> object:
    if below is None or value is None:
        return value
    if isinstance(value, list):
        return [below.render(one) for one in value]
    return below.render(value)
