"""Mailboxes as people write them: ``"Name" <local@domain>`` with comments and blanks (RFC 5322 section 3.4), and lists of them.

Reading is lenient, so that what mail programs hand over is understood; control characters are never repaired, always refused.
Which of the addresses a letter may go to is a rule of its own, narrower than RFC 5322 (``strict``; ONLYOFFICE contract §1a.5).
"""

import re
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Final

from postroom.directory.records import Mailbox
from postroom.directory.values import MAX_NAME, one_line, storable
from postroom.mailbox import MAX_EMAIL

MAX_WRITTEN: Final = 1_000
"""Characters of one mailbox as it is written."""

_TOKEN: Final = re.compile(r'(?P<blank>[ \t]+)|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<atom>[^ \t"<>@,;:.\[\]\\()]+)|[<>@,;:.\[\]\\]')
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_ESCAPED: Final = re.compile(r"\\(.)")
_SPECIALS: Final = frozenset("<>@,;:.[]\\ ")
_NOT_IN_NAMES: Final = frozenset("<>,;:\\")

_LOCAL: Final = re.compile(r"[a-z0-9]+(?:[_\-.+][a-z0-9]+)*", re.IGNORECASE | re.ASCII)
_DOMAIN: Final = re.compile(r"(?=.{4,253}\Z)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+[a-z]{2,63}", re.IGNORECASE | re.ASCII)


def parse(written: str) -> Mailbox | None:
    """Return the one mailbox that is written, its name decoded (RFC 2047), the domain in lower case; ``None`` for anything else."""
    if len(written) > MAX_WRITTEN or not storable(written.replace("\t", " ")):
        return None
    tokens = _tokens(written)
    if tokens is None:
        return None
    name: list[str] = []
    if "<" in tokens:
        start = tokens.index("<")
        name, tokens = tokens[:start], _words(tokens[start + 1 :])
        if not tokens or tokens.pop() != ">" or not _NOT_IN_NAMES.isdisjoint(name):
            return None
    email = _email(_words(tokens))
    return None if email is None else Mailbox(_name("".join(map(_unquoted, name))), email)


def strict(written: str) -> Mailbox | None:
    """Return the mailbox that is written if a letter may go there, else ``None``.

    The local part is made of letters and digits with single ``_ - . +`` between them, and the domain has two labels or more: no
    ``user@localhost``, no quoted local parts, nothing beyond ASCII.
    """
    found = parse(written)
    if found is None:
        return None
    local, _, domain = found.email.rpartition("@")
    return found if _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain) else None


def split(written: str) -> list[str]:
    """Return the mailboxes of a list, as they are written: separated by ``,`` or ``;``, but not within quotes or angle brackets.

    What holds no ``@`` is left out. A single quote opens only at the beginning of an entry, so that names may hold apostrophes.
    """
    return [entry for piece in _pieces(written) if "@" in (entry := piece.strip())]


def written(mailbox: Mailbox) -> str:
    """Return ``"Name" <address>``, quotes and backslashes in the name escaped; the address alone where there is no name."""
    if not mailbox.name:
        return mailbox.email
    escaped = mailbox.name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{mailbox.email}>'


def _tokens(text: str) -> list[str] | None:
    """Cut a mailbox into words, specials and blanks (each as one space), without its comments; ``None`` where something is not closed."""
    found: list[str] = []
    at = 0
    while at < len(text):
        if text[at] == "(":
            at = _after_comment(text, at)
            if not at:
                return None
            continue
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        found.append(" " if token["blank"] else token[0])
        at = token.end()
    return found


def _words(tokens: list[str]) -> list[str]:
    return [piece for piece in tokens if piece != " "]


def _after_comment(text: str, at: int) -> int:
    """Return where a comment, and those within it, end; 0 if it does not."""
    depth = 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        depth += {"(": 1, ")": -1}.get(text[at : at + 1], 0)
        at += 1
        if not depth:
            return at
    return 0


def _email(tokens: list[str]) -> str | None:
    if tokens.count("@") != 1:
        return None
    at = tokens.index("@")
    local, domain = tokens[:at], tokens[at + 1 :]
    if domain[-1:] == ["."]:  # the root
        domain.pop()
    if not (_is_dotted(local) and _is_dotted(domain)) or any(word.startswith('"') for word in domain):
        return None
    email = f"{''.join(local)}@{''.join(domain).lower()}"
    return email if len(email) <= MAX_EMAIL else None


def _is_dotted(tokens: list[str]) -> bool:
    """Tell whether these are words with single dots between them."""
    words, dots = tokens[::2], tokens[1::2]
    return len(words) == len(dots) + 1 and _SPECIALS.isdisjoint(words) and all(dot == "." for dot in dots)


def _unquoted(token: str) -> str:
    return _ESCAPED.sub(r"\1", token[1:-1]) if token.startswith('"') else token


def _name(text: str) -> str:
    if "=?" in text:
        try:
            text = str(make_header(decode_header(text)))
        except (HeaderParseError, LookupError, ValueError):
            pass  # it only looks like an encoded word, so it is a name as it stands
    return one_line(text, MAX_NAME)


def _pieces(text: str) -> Iterator[str]:
    start = at = 0
    open_ended: set[str] = set()  # what was once not closed is closed nowhere behind that place
    while at < len(text):
        character = text[at]
        if character in ",;":
            yield text[start:at]
            start = at + 1
        elif character not in open_ended and (character in '"<' or (character == "'" and not text[start:at].strip())):
            end = _closing(text, at)
            if end < 0:
                open_ended.add(character)
            else:
                at = end
        at += 1
    yield text[start:]


def _closing(text: str, at: int) -> int:
    """Return where the character is that closes what the one at ``at`` opens, -1 if there is none."""
    if text[at] == '"':
        found = _QUOTED.match(text, at)
        return found.end() - 1 if found else -1
    return text.find({"'": "'", "<": ">"}[text[at]], at + 1)
