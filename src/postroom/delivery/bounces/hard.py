"""Whether a permanent failure means that nobody is at this address, now or later: the only kind that is worth remembering.

Full mailboxes (x.2.2), content (x.6.x), policy and reputation (x.7.x), routing and relays (x.3.x, x.4.x) say nothing about the
address: the next mail may well arrive. The classes are those of RFC 3463 and its registry.
"""

import re
from typing import Final

_NOBODY: Final = frozenset(
    {
        "5.1.1",  # no such mailbox
        "5.1.2",  # no such domain
        "5.1.3",  # no address at all, says its own server
        "5.1.6",  # moved, and nobody knows where to
        "5.1.10",  # the domain takes no mail (null MX, RFC 7505)
    }
)

_WHO: Final = r"(?:user|recipient|mailbox|addressee|account)"
_WORDS: Final = re.compile(
    rf"\b(?:no such {_WHO}|unknown {_WHO}|(?:invalid|nonexistent) (?:{_WHO})|no mailbox (?:here )?by that name"
    rf"|{_WHO}(?: \S+)?(?: is)? (?:unknown|not found|does(?: not|n't) exist|doesnt exist))\b",
    re.IGNORECASE,
)


def nobody_there(status: str | None, text: str) -> bool:
    """Tell whether an enhanced status code, or the words where that says nothing (none, ``5.0.0``), mean that there is no such address."""
    if status is None or status == "5.0.0":
        return _WORDS.search(text) is not None
    return status in _NOBODY
