"""Subjects without what mail programs put round them: an answer belongs to a thread only if it still speaks of the same thing.

The rule is that of ONLYOFFICE (contract §7.2): prefixes for answers and forwarded mail in many languages, their counters and brackets.
"""

import re
from typing import Final

_PREFIXES: Final = (
    "RE?S?|FYI|RIF|I|FS|VB|RV|ENC|ODP|PD|YNT|ILT|SV|VS|VL|BLS|TRS?|AW|WG|ΑΠ|ΣΧΕΤ|ΠΡΘ|ANTW|DOORST|НА|תגובה|הועבר|主题|转发|FWD?"  # noqa: RUF001 - Greek and Cyrillic on purpose
)
_PREFIX: Final = re.compile(
    rf"(?:[\[(]\s*)?(?:(?<=[\s^:(\[])|\A)(?:{_PREFIXES})(?:\[\d+\])* *(?:[-:;)\]][ :;\])-]*|\Z)|\]+ *\Z", re.IGNORECASE
)
_LABELS: Final = re.compile(r"\[.*\]")
_LETTERS: Final = re.compile(r"[A-Z][\s/]*[A-Z]", re.IGNORECASE | re.ASCII)


def normalised(subject: str) -> str:
    """Return the subject without prefixes such as ``Re:`` and ``[Fwd: …]``, and without labels in brackets such as ``[SPAM]``."""
    bare = _PREFIX.sub("", subject)
    return _LABELS.sub(lambda label: "" if _LETTERS.search(label[0]) else label[0], bare).strip()
