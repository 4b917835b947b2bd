"""Which mail servers programs may name, and what is kept of a login: issue 7, part 2."""

from typing import Any

import pytest

from postroom.directory import mail_servers
from postroom.directory.mail_servers import Connection
from postroom.errors import Invalid, TooLarge
from postroom.settings import RelaySettings, Settings, SuperofficeSettings


def named(*servers: str, **settings: Any) -> Settings:
    return Settings(superoffice=SuperofficeSettings(outgoing_servers=list(servers), incoming_servers=["imap.uni.example"]), **settings)


@pytest.mark.parametrize(
    ("pattern", "allowed", "others"),
    [
        ("mail.example", [("mail.example", 25), ("MAIL.example", 587)], [("mail.example", 5432), ("x.mail.example", 25)]),
        ("mail.example:2525", [("mail.example", 2525)], [("mail.example", 25)]),
        ("*.mail.example", [("a.mail.example", 465), ("a.b.mail.example", 25)], [("mail.example", 25), ("xmail.example", 25)]),
        ("10.0.0.5:2525", [("10.0.0.5", 2525)], [("10.0.0.5", 25)]),
        ("[fd00::5]:2525", [("fd00::5", 2525)], [("fd00::5", 25)]),
        ("fd00::5", [("fd00::5", 25)], [("fd00::6", 25)]),
    ],
)
def test_server_is_named_by_host_and_port(pattern: str, allowed: list[tuple[str, int]], others: list[tuple[str, int]]) -> None:
    settings = named(pattern)
    assert all(mail_servers.is_allowed(settings, host, port, "smtp") for host, port in allowed)
    assert not any(mail_servers.is_allowed(settings, host, port, "smtp") for host, port in others)
    assert not any(mail_servers.is_allowed(settings, host, port, "imap") for host, port in allowed)


def test_our_own_relays_may_be_named_with_their_ports_alone() -> None:
    settings = named(relay=RelaySettings(host="relay.uni.example", port=2525))
    assert mail_servers.is_allowed(settings, "relay.uni.example", 2525, "smtp")
    assert not mail_servers.is_allowed(settings, "relay.uni.example", 25, "smtp")
    assert mail_servers.may_reach(settings, "relay.uni.example", 2525, "10.0.0.1", "smtp")
    assert not mail_servers.may_reach(settings, "relay.uni.example", 25, "10.0.0.1", "smtp")
    assert mail_servers.is_allowed(settings, "imap.uni.example", 993, "imap")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fd00::1", "fe80::1%eth0"],
)
def test_inner_addresses_are_not_reached_unless_listed(address: str) -> None:
    assert not mail_servers.may_reach(named("*.example", "mail.example"), "mail.example", 25, address, "smtp")


@pytest.mark.parametrize(
    "address", ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::1", "fd00:ec2::254", "nonsense", ""]
)
def test_inner_addresses_in_outer_ones_are_not_reached_either(address: str) -> None:
    assert not mail_servers.may_reach(named("*.example", "mail.example"), "mail.example", 25, address, "smtp")


def test_listed_address_is_reached_under_its_port_alone() -> None:
    settings = named("mail.example", "10.0.0.5", "10.0.0.6:2525")
    assert mail_servers.may_reach(settings, "mail.example", 25, "10.0.0.5", "smtp")
    assert mail_servers.may_reach(settings, "mail.example", 25, "::ffff:10.0.0.5", "smtp")
    assert mail_servers.may_reach(settings, "mail.example", 2525, "10.0.0.6", "smtp")
    assert not mail_servers.may_reach(settings, "mail.example", 25, "10.0.0.6", "smtp")
    assert mail_servers.may_reach(settings, "mail.example", 25, "93.184.216.34", "smtp")


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"host": "other.example"}, "server"),
        ({"host": "mail.example\r\nRCPT"}, "server"),
        ({"host": ""}, "server"),
        ({"port": 0}, "server"),
        ({"port": 65_536}, "server"),
        ({"username": "a\r\nb"}, "username"),
        ({"password": "a\nb"}, "password"),
        ({"username": "", "password": "x"}, "username"),
        ({"password": "x" * 1_001}, "password"),
    ],
)
def test_bad_connection_is_refused_by_name(changes: dict[str, Any], parameter: str) -> None:
    values = {"host": "mail.example", "port": 587, "security": "tls", "username": "ala", "password": "kot", **changes}
    with pytest.raises((Invalid, TooLarge)) as caught:
        mail_servers.check(named("mail.example"), Connection(**values))
    assert caught.value.parameter == parameter


def test_connection_shows_no_secret() -> None:
    connection = Connection(host="Mail.example.", port=587, security="tls", username="ala", password="kot")
    assert mail_servers.check(named("mail.example"), connection).host == "mail.example"
    assert "kot" not in repr(connection)
    assert "ala" not in repr(connection)
