"""The body of a request (wire/superoffice.md §3.1), from JSON, XML or a form: first a tree of objects, lists and single values.

XML and forms know no lists: an element, or a name, that comes several times is one, and so is ``x[0]``, ``x[1]``. The binder, which knows
what has to be a list, reads them so. Everything is bounded: bytes, names and values, and depth.
"""

import re
from typing import Any, Final, TypeVar
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec import Struct
from starlette.requests import Request

from postroom.dialects.parameters import Pairs, decode
from postroom.dialects.superoffice.binder import bind
from postroom.dialects.superoffice.dates import Dates
from postroom.dialects.superoffice.errors import framework, malformed
from postroom.dialects.threads import aside
from postroom.errors import TooLarge

R = TypeVar("R", bound=Struct)

JSON: Final = frozenset({"application/json", "text/json", "application/json-patch+json", "application/merge-patch+json"})
XML: Final = frozenset({"application/xml", "text/xml"})
FORM: Final = "application/x-www-form-urlencoded"

MAX_DEPTH: Final = 16
"""Names within one name, or elements within one element; an attachment's property in a mail of a request is the fifth."""

_MOST_MARKS: Final = 200_000
"""Commas, brackets, or tags of a body: a few bytes of it can be a hundred in memory, and text may hold some of them."""
_PIECE: Final = 1_048_576
"""Bytes that are counted at a time."""
_NAME: Final = re.compile(r"([^\[\].]+)((?:\[[^\[\]]*\]|\.[^\[\].]+)*)")
_PART: Final = re.compile(r"\[([^\[\]]*)\]|\.([^\[\].]+)")


async def read(request: Request, limit: int, record: type[R], dates: Dates, *, optional: bool = False) -> R:
    """Read a record from the body; an empty one is null, or an object without members where it is ``optional``.

    Raises ``Refusal`` 400 for one that cannot be read and 415 for another media type, ``BadParameter``, and ``TooLarge("body", limit)``.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise TooLarge("body", limit)
    if optional and _is_blank(content):
        return bind({}, record, dates)
    return await aside(len(content), _record, content, media_type, record, dates)


def from_pairs(pairs: Pairs) -> dict[str, Any]:
    """Return what a form or a query says: ``Emails[0][Subject]=x``, or with dots."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        found = _NAME.fullmatch(name)
        path = [found[1], *(a or b for a, b in _PART.findall(found[2]))] if found else [name]
        if len(path) > MAX_DEPTH:
            raise _too_deep()
        _put(root, path, value)
    return root


def _record(content: bytearray, media_type: str, record: type[R], dates: Dates) -> R:
    return bind(None if _is_blank(content) else _parsed(content, media_type), record, dates)


def _is_blank(content: bytearray) -> bool:
    return not content or content.isspace()


def _parsed(content: bytearray, media_type: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if media_type in JSON or not media_type:
        return _from_json(content)
    if media_type in XML:
        return _from_xml(bytes(content))
    if media_type == FORM:
        return from_pairs(decode(bytes(content)))
    raise framework(415, f"The request entity's media type '{media_type[:80]}' is not supported for this resource.")


def _from_json(content: bytearray) -> Any:  # noqa: ANN401 - as _parsed
    _check_marks(content, b",[{")
    try:
        return msgspec.json.decode(memoryview(content)[3:] if content.startswith(b"\xef\xbb\xbf") else content)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, ValueError) as error:  # the latter: no UTF-8
        raise malformed(f"{error}.") from None


def _from_xml(content: bytes) -> Any:  # noqa: ANN401 - as _parsed
    _check_marks(content, b"<")
    try:
        return _element(fromstring(content, forbid_dtd=True), 0)
    except DefusedXmlException:
        raise malformed("Neither a document type nor entities are allowed.") from None
    except (ParseError, ValueError, LookupError) as error:  # the last two: an encoding that is none
        raise malformed(f"{error}.") from None


def _element(element: Element, depth: int) -> Any:  # noqa: ANN401 - as _parsed
    if depth > MAX_DEPTH:
        raise _too_deep()
    children = [child for child in element if isinstance(child.tag, str)]  # else a comment
    if not children:
        return element.text
    inside: dict[str, Any] = {}
    for child in children:
        _put(inside, [child.tag.rpartition("}")[2]], _element(child, depth + 1))
    return inside


def _put(node: dict[str, Any], path: list[str], value: object) -> None:
    """Put a value at a path; what is there already becomes the first of several."""
    for part in path[:-1]:
        below = node.setdefault(part, {})
        if not isinstance(below, dict):
            raise malformed(f"{part[:80]}: it is both a single value and an object.")
        node = below
    name = path[-1]
    present = node.get(name)
    if name not in node:
        node[name] = value
    elif isinstance(present, list):
        present.append(value)
    else:
        node[name] = [present, value]


def _check_marks(content: bytes | bytearray, marks: bytes) -> None:
    """Count piece by piece: what is done at once keeps every other thread waiting."""
    for mark in marks:
        if sum(content.count(mark, start, start + _PIECE) for start in range(0, len(content), _PIECE)) > _MOST_MARKS:
            raise malformed(f"The request holds more than {_MOST_MARKS:,} names and values.")


def _too_deep() -> Exception:
    return malformed("The request is nested too deep.")
