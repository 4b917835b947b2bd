"""What came with a request, in one case-insensitive map of names to values, however it came (wire/onlyoffice.md §1a.4).

Route, query and body are put into the map in this order. A JSON or XML body becomes what a form would have said: ``{"to": ["a", "b"]}`` is
``to=a&to=b``, ``{"attachments": [{"fileId": 5}]}`` is ``attachments[0][fileId]=5``. All values are text, null is an empty one. What cannot
be told apart in one spelling is not told apart in the others.

Everything is bounded: the size by whoever reads the body, the number of values and the depth here.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from postroom.dialects.onlyoffice.errors import ApiError, argument
from postroom.dialects.parameters import MAX_PAIRS

MAX_VALUES: Final = MAX_PAIRS
MAX_DEPTH: Final = 8
"""Names within one name: ``filter[conditions][0][key]`` has four."""

_MOST_MARKS: Final = 200_000
"""Commas, brackets, or tags of a body: so much is parsed before its values are counted, and text may hold some of them."""

_BRACKETED: Final = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_INSIDE: Final = re.compile(r"\[([^\[\]]*)\]")
_INDEX: Final = re.compile(r"[0-9]{1,9}")


class Node:
    """What stands at one name: values of its own, and names below it, in small letters."""

    __slots__ = ("below", "values")

    def __init__(self) -> None:
        self.values: list[str] = []
        self.below: dict[str, Node] = {}

    def at(self, name: str) -> "Node":
        """Return the node below this one, empty when nothing has come by that name."""
        return self.below.get(name) or Node()

    def indexed(self) -> "list[Node]":
        """Return what is below ``[]``, then what is below numbers, by the number."""
        numbers = sorted((int(name), name) for name in self.below if _INDEX.fullmatch(name))
        return [self.below[name] for name in ("", *(name for _, name in numbers)) if name in self.below]

    def named(self) -> bool:
        """Tell whether something is below a name that is no number."""
        return any(name and not _INDEX.fullmatch(name) for name in self.below)


class Names:
    """The map, to be filled in the order in which names go before each other."""

    def __init__(self) -> None:
        self.root: Final = Node()
        self._left = MAX_VALUES

    def add_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Add what a route, a query or a form said. Raises ``ApiError`` 400, as the others do, beyond the bounds."""
        for name, value in pairs:
            node, _ = self._below(self.root, name, 0)
            self._put(node, value)

    def add_json(self, content: bytes | str) -> None:
        """Add an object in JSON; white space alone adds nothing. Raises ``ApiError`` 400 (§1a.5 row 0b)."""
        if not content.strip():
            return
        value = _parsed(content)
        if not isinstance(value, _Object):
            raise argument("An object is expected, not a list or a single value.")
        self._add(self.root, value, 0)

    def add_json_list(self, content: str) -> None:
        """Add a list in JSON: its objects stand below their numbers. Raises ``ApiError`` 400."""
        self._add(self.root, _parsed(content), 0)

    def add_xml(self, content: bytes) -> None:
        """Add the children of the root of an XML document. Raises ``ApiError`` 400 (§8.9)."""
        _check_marks(content, b"<")
        try:
            root = fromstring(content, forbid_dtd=True)
        except DefusedXmlException:
            raise argument("Neither a document type nor entities are allowed.") from None
        except (ParseError, ValueError, LookupError) as error:  # the last two: an encoding that is none
            raise argument(f"{error}") from None
        self._add_elements(self.root, root, 0)

    def _add(self, node: Node, value: object, depth: int) -> None:
        if isinstance(value, _Object):
            for name, inner in value:
                below, deeper = self._below(node, name, depth)
                self._add(below, inner, deeper)
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                if isinstance(inner, list):  # an object is one, too
                    below, deeper = self._step(node, (str(number),), depth)
                    self._add(below, inner, deeper)
                else:
                    self._put(node, _text(inner))
        else:
            self._put(node, _text(value))

    def _add_elements(self, node: Node, parent: Element, depth: int) -> None:
        elements: dict[str, list[Element]] = {}
        for child in parent:
            if isinstance(child.tag, str):  # else a comment
                elements.setdefault(child.tag.rpartition("}")[2], []).append(child)
        for name, alike in elements.items():
            several = sum(len(element) > 0 for element in alike) > 1
            for number, element in enumerate(alike):
                path = (name, str(number)) if several and len(element) else (name,)
                below, deeper = self._step(node, path, depth)
                if len(element):
                    self._add_elements(below, element, deeper)
                else:
                    self._put(below, element.text or "")

    def _below(self, node: Node, name: str, depth: int) -> tuple[Node, int]:
        """Return the node that a name in brackets, or a plain one, leads to."""
        found = _BRACKETED.fullmatch(name)
        return self._step(node, (found[1], *_INSIDE.findall(found[2])) if found else (name,), depth)

    def _step(self, node: Node, path: Sequence[str], depth: int) -> tuple[Node, int]:
        """Return the node at the end of a path, made where it is missing, and its depth."""
        if depth + len(path) > MAX_DEPTH:
            raise argument(f"The request is nested more than {MAX_DEPTH} levels deep.")
        for name in path:
            node = node.below.setdefault(name.lower(), Node())
        self._count()
        return node, depth + len(path)

    def _put(self, node: Node, value: str) -> None:
        if "\0" in value:  # no database keeps it, and the XML that the original makes of everything cannot hold it
            raise argument("'.', hexadecimal value 0x00, is an invalid character.")
        self._count()
        node.values.append(value)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _too_many()


class _Object(list[tuple[str, Any]]):
    """The members of a JSON object in their order; one of a name that occurs twice is not lost."""


def _check_marks(content: bytes, marks: bytes) -> None:
    """Refuse what would fill the memory before it is counted: a few bytes of a body can be a hundred of an object."""
    if any(content.count(mark) > _MOST_MARKS for mark in marks):
        raise _too_many()


def _too_many() -> ApiError:
    return argument(f"The request holds more than {MAX_VALUES:,} names and values.")


def _parsed(content: bytes | str) -> object:
    """Parse JSON; numbers stay the text that they were."""
    _check_marks(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content, b",[{")
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_Object, parse_int=str, parse_float=str, parse_constant=_no_number)
    except RecursionError:
        raise argument(f"The request is nested more than {MAX_DEPTH} levels deep.") from None
    except ValueError as error:  # of the encoding, too
        raise argument(f"{error}") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"Unexpected token: {text}")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _whole(str(value))


def _whole(text: str) -> str:
    """Refuse half of a surrogate pair, which JSON can name: nothing can be done with it afterwards."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argument("Half of a surrogate pair is an invalid character.") from None
    return text
