"""What DNS says of the mail of a domain: whether it takes any (MX), and who may send in its name (SPF, RFC 7208).

A name server that gives no answer in ``TIMEOUT`` is none of the domain's facts: ``Unavailable``, never "no".
"""

from typing import Final, TypeVar

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import idna
from dns.rdata import Rdata
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

from postroom.errors import Invalid, Unavailable

TIMEOUT: Final = 5.0
"""Seconds that a question may take, with all name servers that are asked."""

R = TypeVar("R", bound=Rdata)

_LONGEST: Final = 253
_TERMS: Final = ("include:", "redirect=")
"""The terms of a record that hand the question on to another domain (RFC 7208 sections 5.2 and 6.1)."""


def system_resolver() -> dns.asyncresolver.Resolver:
    """Return the resolver of this machine. Raises ``Unavailable`` if it has none."""
    try:
        return dns.asyncresolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        raise Unavailable("no name server is configured") from None


async def takes_mail(domain: str) -> bool:
    """Tell whether a domain has an MX record that names a host; the null MX (RFC 7505) says that it takes no mail.

    Raises ``Invalid("domain", …)`` for what is no domain, ``Unavailable`` if nobody answers.
    """
    return any(record.exchange != dns.name.root for record in await _records(checked(domain), MX))


async def lets_send(domain: str, source: str) -> bool:
    """Tell whether the SPF record of a domain includes the one of another domain; with no other one, whether there is such a record.

    ``source`` is a domain, or the term itself (``include:spf.example.com``). Only what the record names itself counts, not what
    those name that it includes. More than one record is as good as none (RFC 7208 section 4.5). Raises as ``takes_mail``.
    """
    name = checked(domain)
    wanted = source.strip().lower()
    term = next((term for term in _TERMS if wanted.startswith(term)), "")
    other = checked(wanted.removeprefix(term), "source") if wanted else ""
    found = [text for text in await _texts(name) if text == "v=spf1" or text.startswith("v=spf1 ")]
    if len(found) != 1 or not other:
        return len(found) == 1
    named = {mechanism.lstrip("+").rstrip(".") for mechanism in found[0].split()[1:]}
    return not named.isdisjoint(f"{each}{other}" for each in _TERMS)


def checked(domain: str, parameter: str = "domain") -> str:
    """Return a domain in lower case and ASCII. Raises ``Invalid(parameter, …)``."""
    bare = domain.strip().rstrip(".").lower()
    try:
        name = bare if bare.isascii() else idna.encode(bare, uts46=True, std3_rules=True).decode("ascii")
        dns.name.from_text(name)
    except (UnicodeError, dns.exception.DNSException):  # what idna raises is a UnicodeError, too
        name = ""
    if not name or len(name) > _LONGEST or "." not in name or any(character.isspace() or not character.isprintable() for character in name):
        raise Invalid(parameter, "not a domain")
    return name


async def _texts(domain: str) -> list[str]:
    """Return the TXT records of a domain in lower case, each made whole of its pieces (RFC 7208 section 3.3)."""
    return [b"".join(record.strings).decode("ascii", "replace").lower() for record in await _records(domain, TXT)]


async def _records(domain: str, kind: type[R]) -> list[R]:
    """Return the records of a kind, none where there is no such domain."""
    try:
        answer = await system_resolver().resolve(f"{domain}.", kind.__name__, lifetime=TIMEOUT, raise_on_no_answer=False)
        return [record for record in answer if isinstance(record, kind)]
    except dns.resolver.NXDOMAIN:
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise Unavailable(f"name servers: {type(error).__name__}") from error
