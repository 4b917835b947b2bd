"""What DNS says of the mail of a domain: MX (RFC 5321 section 5.1, RFC 7505) and SPF (RFC 7208)."""

import asyncio
import time
from collections.abc import Iterator

import dns.asyncresolver
import dns.rcode
import dns.resolver
import pytest

from postroom.directory import mail_domains
from postroom.errors import Invalid, Unavailable
from tests.name_server import NameServer, name_server


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    with name_server() as server:
        monkeypatch.setattr(mail_domains, "system_resolver", server.resolver)
        yield server


def takes_mail(domain: str) -> bool:
    return asyncio.run(mail_domains.takes_mail(domain))


def lets_send(domain: str, source: str = "") -> bool:
    return asyncio.run(mail_domains.lets_send(domain, source))


def test_a_domain_with_mx_takes_mail(names: NameServer) -> None:
    names.say("uni.example", "MX", "10 mail.uni.example.")
    names.say("xn--bcher-kva.example", "MX", "10 mail.uni.example.")
    assert takes_mail("uni.example")
    assert takes_mail(" UNI.example. ")
    assert takes_mail("bücher.example")  # RFC 5891


def test_no_mx_null_mx_and_no_domain_take_none(names: NameServer) -> None:
    names.say("null.example", "MX", "0 .")  # RFC 7505
    names.say("web.example", "A", "192.0.2.1")
    assert not takes_mail("null.example")
    assert not takes_mail("web.example")
    assert not takes_mail("nobody.example")


def test_spf_record_names_the_other_domain(names: NameServer) -> None:
    names.say("uni.example", "TXT", '"site=1"', '"v=spf1 ip4:192.0.2.0/24 include:spf" ".mailer.example -all"')
    names.say("branch.example", "TXT", '"V=SPF1 redirect=uni.example"')
    assert lets_send("uni.example")
    assert lets_send("uni.example", "spf.mailer.example")
    assert lets_send("uni.example", "include:SPF.mailer.example")
    assert not lets_send("uni.example", "other.example")
    assert not lets_send("uni.example", "mailer.example")  # a whole domain, no piece of one
    assert lets_send("branch.example", "uni.example")


def test_an_exclusion_is_no_inclusion(names: NameServer) -> None:
    names.say("strict.example", "TXT", '"v=spf1 -include:spam.example ?include:maybe.example +include:good.example"')
    assert lets_send("strict.example", "good.example")
    assert not lets_send("strict.example", "spam.example")
    assert not lets_send("strict.example", "maybe.example")


def test_no_record_and_two_records_are_none(names: NameServer) -> None:
    """RFC 7208 §4.5: with more than one record there is no result; what only begins like one is none."""
    names.say("two.example", "TXT", '"v=spf1 -all"', '"v=spf1 +all"')
    names.say("later.example", "TXT", '"v=spf10 include:x.example"')
    assert not lets_send("two.example")
    assert not lets_send("later.example", "x.example")
    assert not lets_send("nobody.example")


def test_no_answer_is_no_no(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_domains, "TIMEOUT", 0.3)
    names.silent = True
    started = time.monotonic()
    with pytest.raises(Unavailable):
        takes_mail("uni.example")
    assert time.monotonic() - started < 3
    names.silent, names.rcode = False, dns.rcode.SERVFAIL
    with pytest.raises(Unavailable):
        lets_send("uni.example")


def test_a_machine_without_name_servers_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> dns.asyncresolver.Resolver:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.asyncresolver, "Resolver", none)
    with pytest.raises(Unavailable):
        takes_mail("uni.example")


@pytest.mark.parametrize(
    "domain", ["", "  ", "uni", "a b.example", "uni..example", f"{'x' * 64}.example", "x." * 130 + "example", "a\0b.example"]
)
def test_what_is_no_domain_is_not_asked_for(names: NameServer, domain: str) -> None:
    with pytest.raises(Invalid) as raised:
        takes_mail(domain)
    assert raised.value.parameter == "domain"
    with pytest.raises(Invalid) as raised:
        lets_send("uni.example", domain.strip() or "nonsense")
    assert raised.value.parameter in {"domain", "source"}
