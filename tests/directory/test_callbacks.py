"""Callbacks: where people may be sent back to, and nowhere else (our choice after RFC 9700, RFC 8252)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.directory import callbacks
from postroom.errors import Invalid, TooLarge

REGISTERED = ("https://app.example/back", "org.example.app:/back", "http://localhost:8080", "https://one.example/cb?site=1")


@pytest.mark.parametrize(
    "callback",
    [
        "https://app.example",
        "http://app.example:8080/a/b;c?d=e%20f&g",
        "https://app.example/?",
        "org.example.app:/back",
        "myapp://oauth",
        "http://127.0.0.1:1/x",
        "https://app.example/a..b/...;c/.well-known/back",
        "http://[::1]:8080/x",
        "HTTPS://APP.EXAMPLE/",
    ],
)
def test_these_are_callbacks(callback: str) -> None:
    assert callbacks.check(callback) == callback


@pytest.mark.parametrize(
    "callback",
    [
        "",
        "app.example/back",
        "//app.example/back",
        "/back",
        "https://",
        "https:///back",
        "https:/app.example",
        "https://app.example/back#fragment",
        "https://user@app.example/",
        "https://app.example\\@evil.example/",
        "https://app.example:0/",
        "https://app.example:99999/",
        "https://app.example:x/",
        "https://app.example /",
        "https://app.example/\nback",
        "https://żółw.example/",
        "https://app.example/a/../b",
        "https://app.example/a/%2e%2E/b",
        "https://app.example/a/..%2Fb",
        "https://app.example/a%2f..",
        "https://app.example/a/..%5Cb",
        "https://app.example/a/..;c/b",
        "https://app.example/a/.;/b",
        "https://[::1/",
        "https://-.example/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/1",
        "mailto:a@b.example",
        "1app:/x",
        "oob",
    ],
)
def test_these_are_none(callback: str) -> None:
    with pytest.raises(Invalid) as refused:
        callbacks.check(callback)
    assert refused.value.parameter == "callback"


def test_a_callback_is_bounded() -> None:
    assert callbacks.check("https://app.example/" + "a" * 1_980)
    with pytest.raises(TooLarge):
        callbacks.check("https://app.example/" + "a" * 1_981)


@given(st.text(max_size=60))
def test_whatever_is_checked_is_refused_in_our_own_words_or_taken(callback: str) -> None:
    try:
        assert callbacks.check(callback).isascii()
    except Invalid:
        return
    assert callbacks.source(callback)
    assert not callbacks.allowed(callback, REGISTERED) or callback.lower().startswith(("https:", "http:", "org.example.app:"))


@pytest.mark.parametrize(
    "callback",
    [
        "https://app.example/back",
        "https://APP.example/back",
        "https://app.example/back/",
        "https://app.example/back/below",
        "https://app.example/back?state=1",
        "org.example.app:/back?x=1",
        "http://localhost:8080/anything",
        "http://localhost:8080",
        "https://one.example/cb?site=1",
    ],
)
def test_a_registered_callback_and_what_lies_below_it_is_allowed(callback: str) -> None:
    assert callbacks.allowed(callbacks.check(callback), REGISTERED)


@pytest.mark.parametrize(
    "callback",
    [
        "http://app.example/back",
        "https://app.example:8443/back",
        "https://app.example/background",
        "https://app.example/Back",
        "https://app.example/",
        "https://app.example.evil.example/back",
        "https://sub.app.example/back",
        "org.example.app2:/back",
        "http://localhost:80801/",
        "http://localhost/",
        "https://one.example/cb?site=2",
        "https://one.example/cb",
        "https://one.example/cb/below?site=1",
    ],
)
def test_nothing_else_is(callback: str) -> None:
    assert not callbacks.allowed(callback, REGISTERED)
    assert not callbacks.allowed(callback, [])


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        ("https://app.example/back", "https://app.example/back?a=1"),
        ("https://app.example/back?", "https://app.example/back?a=1"),
        ("https://app.example/back?x=%20", "https://app.example/back?x=%20&a=1"),
        ("org.example.app:/back", "org.example.app:/back?a=1"),
    ],
)
def test_the_answer_goes_into_the_query(callback: str, expected: str) -> None:
    assert callbacks.with_answer(callback, {"a": "1"}) == expected


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        ("https://App.example:8443/back?x", "https://app.example:8443"),
        ("org.example.app:/back", "org.example.app:"),
        ("http://[::1]:8080/x", "http:"),
    ],
)
def test_the_source_for_a_policy(callback: str, expected: str) -> None:
    assert callbacks.source(callback) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:1/x", True),
        ("http://127.0.0.1", True),
        ("http://127.9.9.9:80/", True),
        ("http://[::1]/", True),
        ("http://10.0.0.1/", False),
        ("http://localhost.evil.example/", False),
        ("http://127.0.0.1.evil.example/", False),
        ("http:///", False),
    ],
)
def test_this_very_machine(url: str, expected: bool) -> None:  # noqa: FBT001 - parametrised
    assert callbacks.is_loopback(url) is expected
