"""The words of the setting ``contacts.may_write_to``: whom somebody may write to, a term for each reason."""

import re
from typing import Final, Literal, cast

from msgspec import Struct

Kind = Literal["everyone", "nobody", "same_school", "same_group", "staff", "role", "group", "user"]

_TERM: Final = re.compile(r"everyone|nobody|same_school|same_group|staff|(?:role|group):\S(?:.*\S)?|user:[1-9][0-9]{0,8}")


class Term(Struct, frozen=True):
    """One term, such as ``same_school`` or ``role:teacher``."""

    kind: Kind
    value: str
    """Name of a role, code of a group, or number of a person; empty for the others."""


def parse(text: str) -> Term:
    """Return what a term says. Raises ``ValueError``, in words for whoever wrote it."""
    if not _TERM.fullmatch(text):
        raise ValueError(f"{text!r} is none of everyone, nobody, same_school, same_group, staff, role:NAME, group:CODE, user:NUMBER")
    kind, _, value = text.partition(":")
    return Term(cast("Kind", kind), value)
