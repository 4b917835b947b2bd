"""Passwords are in no words of a server that we keep."""

import base64

import pytest

from postroom.delivery.replies import Reply
from postroom.delivery.veil import Veil

PASSWORD = "Kot w butach"
PLAIN = base64.b64encode(f"\0ala\0{PASSWORD}".encode()).decode()
LOGIN = base64.b64encode(PASSWORD.encode()).decode()


@pytest.mark.parametrize(
    "said", [PASSWORD, PASSWORD.upper(), PLAIN, PLAIN.lower(), LOGIN, PLAIN[:14], PLAIN[5:], f"x{PASSWORD}y", f"<{LOGIN}>"]
)
def test_password_is_hidden_however_it_is_repeated(said: str) -> None:
    """By itself and as AUTH PLAIN and LOGIN have it, in other case, cut off."""
    veiled = Veil("ala", PASSWORD).over(f"AUTH {said} is wrong")
    assert said not in veiled
    assert veiled.startswith("AUTH ")
    assert veiled.endswith(" is wrong")


def test_other_words_stay() -> None:
    words = "2.0.0 queued as 4F2A1B3C4D5E, thanks ala"
    assert Veil("ala", PASSWORD).over(words) == Veil("ala", "").over(words) == words


def test_text_of_a_reply_is_veiled_and_what_a_server_can_do_is_not() -> None:
    """A password such as ``plain`` must not take PLAIN from its extensions."""
    reply = Veil("ala", "plain").over_reply(Reply(250, "AUTH PLAIN", None, ("AUTH PLAIN",)))
    assert reply == Reply(250, "AUTH …", None, ("AUTH PLAIN",))
    assert "Kot" not in repr(Veil("ala", PASSWORD))
