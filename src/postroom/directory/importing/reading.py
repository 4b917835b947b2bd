"""CSV files, line by line: UTF-8 with or without a byte order mark, a header, one record a line.

No value may hold a line break, so each line stands for itself: an unclosed quote spoils one line, not the rest of the
file, and line numbers are always right. Never more than one line is held.
"""

import csv
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from msgspec import Struct

from postroom.directory.importing.records import Problems

MAX_LINE: Final = 131_072
"""Bytes."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BLOCK: Final = 1 << 20


class Columns(Struct, frozen=True):
    """The columns of a file, in any order."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


class CsvFile:
    """A file that is being read; what is wrong with it goes to ``problems``."""

    def __init__(self, name: str, reopen: Callable[[], BinaryIO], columns: Columns, problems: Problems) -> None:
        """Read what ``reopen`` opens, from the start each time; ``name`` stands in problems. ``OSError`` of it is a problem, too."""
        self.name = name
        self.header: tuple[str, ...] = ()
        """The columns that the file has; empty when its header cannot be used, and then it has no records."""
        self._reopen = reopen
        self._columns = columns
        self._problems = problems

    def count_lines(self) -> int:
        """Return about how many records the file has; 0 when it cannot be read."""
        try:
            with self._reopen() as file:
                return max(sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b"")) - 1, 0)
        except OSError:
            return 0  # records() tells why

    def records(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield the number and the values, without surrounding blanks, of each line that can be read."""
        try:
            with self._reopen() as file:
                yield from self._records(file)
        except OSError as error:
            self._problem(0, error.strerror or str(error))

    def _records(self, file: BinaryIO) -> Iterator[tuple[int, dict[str, str]]]:
        lines = self._lines(file)
        number, names = next(lines, (1, []))
        if names is None or not self._accept_header(number, names):
            return
        width = len(names)
        for number, values in lines:
            if values is None:
                continue
            if len(values) == width:
                yield number, dict(zip(self.header, values, strict=True))
            else:
                self._problem(number, f"{len(values)} values, but the header has {width} columns")

    def _lines(self, file: BinaryIO) -> Iterator[tuple[int, list[str] | None]]:
        """Yield number and values of each line that is not blank; ``None`` for a line that cannot be read, which is noted."""
        number = 0
        while raw := file.readline(MAX_LINE + 1):
            number += 1
            if len(raw) > MAX_LINE:
                self._problem(number, f"the line is longer than {MAX_LINE} bytes; nothing was read from here on")
                return
            if number == 1:
                raw = raw.removeprefix(_BYTE_ORDER_MARK)
            text = raw.removesuffix(b"\n").removesuffix(b"\r")
            if text.strip():
                yield number, self._values(number, text)

    def _values(self, number: int, raw: bytes) -> list[str] | None:
        try:
            text = raw.decode()
            if found := _CONTROL.search(text):
                self._problem(number, f"control character U+{ord(found[0]):04X}")
                return None
            (values,) = csv.reader((text,), strict=True)
        except UnicodeDecodeError as error:
            self._problem(number, f"byte {error.start + 1} of the line is not UTF-8")
        except csv.Error as error:
            self._problem(number, f"the quotes do not fit ({error}); a value ends on the line where it begins")
        else:
            return [value.strip() for value in values]
        return None

    def _accept_header(self, number: int, names: list[str]) -> bool:
        before = len(self._problems)
        allowed = (*self._columns.required, *self._columns.optional)
        for name in dict.fromkeys(names):
            if name not in allowed:
                self._problem(number, f"unknown column {name!r}; columns are separated by commas: {', '.join(allowed)}")
            elif names.count(name) > 1:
                self._problem(number, f"the column {name} is there more than once")
        for name in self._columns.required:
            if name not in names:
                self._problem(number, f"the column {name} is missing")
        if len(self._problems) > before:
            return False
        self.header = tuple(names)
        return True

    def _problem(self, line: int, reason: str) -> None:
        self._problems.add(self.name, line, reason)
