"""Which relays may take a mail."""

from collections.abc import Mapping, Sequence

import pytest

from postroom.delivery.routing import Routes
from postroom.settings import RelaySettings, RouteSettings, Settings


def routes(*given: RouteSettings, relays: Sequence[str] = ("a", "b", "c")) -> Routes:
    others: Mapping[str, RelaySettings] = {name: RelaySettings() for name in relays}
    return Routes(Settings(relays=dict(others), routes=list(given)))


def test_without_routes_every_relay_takes_everything() -> None:
    assert routes(relays=()).relays("x@uni.example", "y.example") == ("default",)
    assert routes().relays("x@uni.example", "y.example") == ("default", "a", "b", "c")


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("uni.example", ["uni.example"], ["mail.uni.example", "xuni.example", "example", ""]),
        ("*.uni.example", ["mail.uni.example", "a.b.uni.example"], ["uni.example", "xuni.example", ""]),
        ("*", ["uni.example", "x", ""], []),
        ("UNI.Example", ["uni.example"], ["example"]),
        ("*.UNI.Example", ["mail.uni.example"], ["uni.example"]),
    ],
)
def test_recipients_are_chosen_by_domain(pattern: str, fitting: list[str], others: list[str]) -> None:
    asked = routes(RouteSettings(recipients=[pattern], relays=["a"]))
    assert {domain: asked.relays("x@y.example", domain) for domain in fitting} == dict.fromkeys(fitting, ("a",))
    assert {domain: asked.relays("x@y.example", domain) for domain in others} == dict.fromkeys(others, ("default", "b", "c"))


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("dean@uni.example", ["dean@uni.example", "Dean@UNI.example"], ["ala@uni.example", "dean@mail.uni.example"]),
        ("Dean@Uni.example", ["dean@uni.example"], ["ala@uni.example"]),
        ("uni.example", ["ala@uni.example", "ala@UNI.example"], ["ala@mail.uni.example"]),
        ("*.uni.example", ["ala@mail.uni.example"], ["ala@uni.example"]),
        ("*", ["ala@uni.example"], []),
    ],
)
def test_senders_are_chosen_by_address_or_domain(pattern: str, fitting: list[str], others: list[str]) -> None:
    asked = routes(RouteSettings(senders=[pattern], relays=["b"]))
    assert {sender: asked.relays(sender, "y.example") for sender in fitting} == dict.fromkeys(fitting, ("b",))
    assert {sender: asked.relays(sender, "y.example") for sender in others} == dict.fromkeys(others, ("default", "a", "c"))


def test_a_route_with_senders_and_recipients_needs_both() -> None:
    asked = routes(RouteSettings(senders=["uni.example"], recipients=["gmail.example", "*.edu.example"], relays=["a"]))
    assert asked.relays("x@uni.example", "gmail.example") == ("a",)
    assert asked.relays("x@uni.example", "mit.edu.example") == ("a",)
    assert asked.relays("x@uni.example", "other.example") == ("default", "b", "c")
    assert asked.relays("x@other.example", "gmail.example") == ("default", "b", "c")


def test_the_first_route_that_fits_holds() -> None:
    asked = routes(
        RouteSettings(recipients=["one.example"], relays=["a"]),
        RouteSettings(recipients=["*"], relays=["b", "default"]),
        RouteSettings(recipients=["one.example"], relays=["c"]),
    )
    assert asked.relays("x@y.example", "one.example") == ("a",)
    assert asked.relays("x@y.example", "two.example") == ("b", "default")


def test_relays_that_routes_name_take_only_what_routes_give_them() -> None:
    asked = routes(RouteSettings(recipients=["one.example"], relays=["a"]), RouteSettings(senders=["dean@uni.example"], relays=["default"]))
    assert asked.relays("x@y.example", "two.example") == ("b", "c")


def test_where_routes_name_every_relay_all_take_the_rest() -> None:
    """Mail that no route fits goes out all the same."""
    asked = routes(RouteSettings(recipients=["one.example"], relays=["default"]), relays=())
    assert asked.relays("x@y.example", "two.example") == ("default",)
