"""Templates: texts in which ``{name}`` stands for a value that differs for each recipient, and ``{{``, ``}}`` for braces.

That is all. What Python's format strings could do beyond it (attributes, indices, conversions, widths) would let whoever
writes a template look into the server, so it is refused by name, never interpreted. A name is made of letters, digits and
``_``, does not begin with a digit, and is at most 100 characters long; upper and lower case differ.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from postroom.errors import Invalid
from postroom.messages.texts import has_control

MAX_PLACEHOLDER: Final = 100

_BRACES: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME: Final = re.compile(r"[^\W\d]\w*")
_SHOWN: Final = 40
_VARIABLES: Final = msgspec.json.Decoder(dict[str, str])


class Template(Struct, frozen=True):
    """A parsed text: ``texts`` is one longer than ``names``, which stand between them."""

    texts: tuple[str, ...]
    names: tuple[str, ...]

    def fill(self, variables: Mapping[str, str]) -> str:
        """Return the text for one recipient. Raises ``Invalid("variables", …)`` when a value is missing."""
        try:
            filled = [part for name, text in zip(self.names, self.texts[1:], strict=True) for part in (variables[name], text)]
        except KeyError as error:
            raise Invalid("variables", f"no value for {{{error.args[0]}}}") from None
        return self.texts[0] + "".join(filled)


def parse(parameter: str, source: str) -> Template:
    """Parse a template. Raises ``Invalid``, named after ``parameter``, which says what is wrong and where."""
    texts, names = [""], []
    end = 0
    for found in _BRACES.finditer(source):
        texts[-1] += source[end : found.start()]
        end = found.end()
        if found[0] in {"{{", "}}"}:
            texts[-1] += found[0][0]
        else:
            names.append(_checked_name(parameter, found))
            texts.append("")
    texts[-1] += source[end:]
    return Template(tuple(texts), tuple(names))


def missing(templates: Iterable[Template], variables: Collection[str]) -> list[str]:
    """Return the names that the templates ask for and ``variables`` lacks, each once, in their order."""
    asked = dict.fromkeys(name for template in templates for name in template.names)
    return [name for name in asked if name not in variables]


def decoded(variables: str | None) -> dict[str, str]:
    """Return the values of one recipient, kept as a JSON object of texts (``recipients.variables``); none are an empty one.

    Raises ``Invalid("variables", …)`` for anything else, and for control characters other than tab, CR and LF.
    """
    if not variables:
        return {}
    try:
        values = _VARIABLES.decode(variables)
    except msgspec.DecodeError as error:
        raise Invalid("variables", f"no object of texts: {error}") from None
    if has_control("".join(values.values())):
        raise Invalid("variables", "a value holds a control character")
    return values


def _checked_name(parameter: str, found: re.Match[str]) -> str:
    name, place = found[1], f"at position {found.start()}"
    if name is None:
        raise Invalid(parameter, f"a single {found[0]} {place}; write {found[0] * 2} for a brace")
    if not _NAME.fullmatch(name) or len(name) > MAX_PLACEHOLDER:
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…"
        raise Invalid(parameter, f"{{{shown}}} {place} is no placeholder; a name of letters, digits and _ is needed, {{{{ for a brace")
    return name
