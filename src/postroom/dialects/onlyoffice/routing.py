"""Which operation a verb and a path mean (wire/onlyoffice.md §3.4).

Letters of either case fit, each path may end in ``.json``, ``.xml`` or ``.tml``, and what is spelt out goes before what is a parameter. A
wrong verb is as good as a wrong path (§8.12).
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from postroom.dialects.onlyoffice.operation import PARAMETER, Operation, Operations

_SUFFIX: Final = re.compile(r"\.(json|xml|tml)$", re.IGNORECASE)
_LONGEST: Final = 12
"""Parts of a path."""


class Found(Struct, frozen=True):
    """An operation, and what its path says."""

    operation: Operation[Any]
    values: list[tuple[str, str]]
    wants_xml: bool


class _Branch:
    """What may follow one beginning of a path."""

    def __init__(self) -> None:
        self.spelt: dict[str, _Branch] = {}
        self.parameters: list[tuple[str, re.Pattern[str], _Branch]] = []
        self.operation: Operation[Any] | None = None

    def grow(self, part: str) -> "_Branch":
        """Return the branch for a part of a declared path, made where it is missing."""
        found = PARAMETER.fullmatch(part)
        if found is None:
            return self.spelt.setdefault(part.lower(), _Branch())
        name, pattern = found[1], re.compile(found[2] or ".+", re.IGNORECASE | re.ASCII | re.DOTALL)
        for known, other, branch in self.parameters:
            if (known, other.pattern) == (name, pattern.pattern):
                return branch
        branch = _Branch()
        self.parameters.append((name, pattern, branch))
        return branch

    def find(self, parts: list[str], values: list[tuple[str, str]]) -> tuple[Operation[Any], list[tuple[str, str]]] | None:
        """Follow the parts of a path to an operation."""
        if not parts:
            return None if self.operation is None else (self.operation, values)
        spelt = self.spelt.get(parts[0].lower())
        found = None if spelt is None else spelt.find(parts[1:], values)
        for name, pattern, branch in self.parameters:
            if found is None and pattern.fullmatch(parts[0]):
                found = branch.find(parts[1:], [*values, (name, parts[0])])
        return found


class Table:
    """Every operation, by verb and path."""

    def __init__(self, operations: Operations) -> None:
        """Put the operations in order. Raises ``ValueError`` when two have one verb and one path."""
        self._verbs: dict[str, _Branch] = {}
        for operation in operations:
            branch = self._verbs.setdefault(operation.verb, _Branch())
            for part in _parts(operation.path):
                branch = branch.grow(part)
            if branch.operation is not None:
                raise ValueError(f"{operation.verb} {operation.path} is declared twice")
            branch.operation = operation

    def find(self, verb: str, path: str) -> Found | None:
        """Return the operation for a path below the mount; ``None`` when there is none."""
        suffix = _SUFFIX.search(path)
        parts = list(_parts(path[: suffix.start()] if suffix else path))
        if verb not in self._verbs or len(parts) > _LONGEST or "" in parts:
            return None
        found = self._verbs[verb].find(parts, [])
        return None if found is None else Found(*found, suffix is not None and suffix[1].lower() != "json")


def _parts(path: str) -> Iterable[str]:
    return path.removeprefix("/").removesuffix("/").split("/")
