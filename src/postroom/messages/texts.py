"""What foreign text must be like before it is kept: limits in characters, and no characters that break headers or stores.

Text of one line (subjects, file names, descriptions) may reach a header, so nothing that anybody takes for a line break
passes. Text of many lines keeps tabs and line breaks. NUL, which PostgreSQL refuses, and lone surrogates, which are no
UTF-8, pass nowhere.
"""

import re
from typing import Final

from postroom.directory.values import storable
from postroom.errors import Invalid, TooLarge

_NOT_IN_TEXTS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def check_line(parameter: str, value: str, limit: int) -> None:
    """Check a text of one line, at most ``limit`` characters (code points) long.

    Raises ``TooLarge``, or ``Invalid`` for control characters, line separators and lone surrogates.
    """
    _check_length(parameter, value, limit)
    if not storable(value):
        raise Invalid(parameter, "control characters and line breaks are not allowed")


def check_text(parameter: str, value: str, limit: int) -> None:
    """Check a text of many lines, at most ``limit`` characters long, line breaks included.

    Raises ``TooLarge``, or ``Invalid`` for lone surrogates and control characters other than tab, CR and LF.
    """
    _check_length(parameter, value, limit)
    if found := _NOT_IN_TEXTS.search(value):
        raise Invalid(parameter, f"character U+{ord(found[0]):04X} at position {found.start()} is not allowed")


def has_control(value: str) -> bool:
    """Tell whether a text of many lines holds a character that ``check_text`` refuses."""
    return _NOT_IN_TEXTS.search(value) is not None


def _check_length(parameter: str, value: str, limit: int) -> None:
    if len(value) > limit:
        raise TooLarge(parameter, limit)
