"""Consent of people to programs: asked once, answered once, exchanged once (contract §2.2)."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from postroom.clock import MINUTE
from postroom.directory import clients, grants, people
from postroom.directory.contacts import Contact
from postroom.directory.grants import Question
from postroom.directory.people import NewPerson
from postroom.directory.records import RequestToken
from postroom.errors import Invalid, NotFound
from postroom.storage.database import Tx
from postroom.storage.store import Store
from postroom.storage.tables import request_tokens, tokens

NOW = 1_700_000_000_000
CALLBACK = "https://app.example/back"


class Scene:
    """A program, and two people."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.write = store.database.write_now
        contact = Contact(url="https://app.example/", callbacks=(CALLBACK,))
        self.client = self.write(clients.add_client, store.vault, "Plan", administrative=False, now=NOW, contact=contact)
        self.jan, self.ewa = (self.write(people.add, NewPerson(first_name=name, last_name="Lis"), NOW) for name in ("Jan", "Ewa"))

    def ask(self, callback: str = CALLBACK, scopes: tuple[str, ...] = ("mailclient",)) -> RequestToken:
        return self.write(grants.ask, self.store.vault, self.client.id, callback, scopes, NOW)

    def question(self, token: str, now: int = NOW) -> Question:
        asked = self.store.database.read_now(grants.question, token, now)
        assert asked is not None
        return asked

    def allow(self, asked: RequestToken, user: int | None = None) -> str:
        return str(self.write(grants.allow, self.store.vault, self.question(asked.token), user or self.jan, NOW))

    def exchange(self, asked: RequestToken, verifier: str, now: int = NOW) -> Any:
        return self.write(grants.exchange, self.store.vault, asked.token, verifier, now, None)

    def whole_way(self, *scopes: str, user: int | None = None) -> str:
        asked = self.ask(scopes=scopes)
        return str(self.exchange(asked, self.allow(asked, user)).token)

    def count(self, table: Any) -> int:
        return int(self.store.database.read_now(lambda tx: tx.execute(select(func.count()).select_from(table)).scalar_one()))


@pytest.fixture
def scene(store: Store) -> Scene:
    return Scene(store)


def test_a_request_is_kept_sealed_and_found_by_its_token(scene: Scene) -> None:
    asked = scene.ask()
    assert (len(asked.token), len(asked.secret), (asked.token + asked.secret).isalnum()) == (20, 40, True)
    assert scene.store.database.read_now(clients.request_token_by_key, scene.store.vault, asked.token, NOW) == asked
    assert asked.secret not in scene.store.database.read_now(lambda tx: tx.execute(select(request_tokens.c.secret)).scalar_one())
    question = scene.question(asked.token)
    assert (question.client_name, question.client_url, question.callback) == ("Plan", "https://app.example/", CALLBACK)
    assert question.scopes == {"mailclient"}
    assert not question.out_of_band


@pytest.mark.parametrize("callback", ["https://else.example/back", "", "OOB", "javascript:x"])
def test_only_registered_callbacks_are_asked_for(scene: Scene, callback: str) -> None:
    with pytest.raises(Invalid) as refused:
        scene.ask(callback)
    assert refused.value.parameter == "callback"
    assert scene.count(request_tokens) == 0


def test_the_verifier_is_long_or_a_pin_and_is_not_kept(scene: Scene) -> None:
    asked, out_of_band = scene.ask(), scene.ask("oob")
    assert scene.question(out_of_band.token).out_of_band
    verifier, pin = scene.allow(asked), scene.allow(out_of_band)
    assert len(verifier) >= 32
    assert (len(pin), pin.isdigit()) == (8, True)
    kept = scene.store.database.read_now(lambda tx: tx.execute(select(request_tokens.c.verifier)).scalars().all())
    assert all(kept)
    assert not {verifier, pin} & set(kept)


def test_the_verifier_of_one_request_does_not_fit_another(scene: Scene) -> None:
    first, second = scene.ask(), scene.ask()
    verifier = scene.allow(first)
    scene.allow(second)
    assert scene.exchange(second, verifier) is None
    assert scene.exchange(first, verifier) is not None


def test_a_question_is_answered_once(scene: Scene) -> None:
    asked = scene.ask()
    question = scene.question(asked.token)
    scene.allow(asked)
    assert scene.store.database.read_now(grants.question, asked.token, NOW) is None
    for again in (
        lambda: scene.write(grants.allow, scene.store.vault, question, scene.ewa, NOW),
        lambda: scene.write(grants.refuse, question, NOW),
    ):
        with pytest.raises(NotFound):
            again()


def test_a_refusal_ends_the_request(scene: Scene) -> None:
    asked = scene.ask()
    scene.write(grants.refuse, scene.question(asked.token), NOW)
    assert scene.count(request_tokens) == 0
    with pytest.raises(NotFound):
        scene.exchange(asked, "x")


def test_the_token_is_for_who_consented_within_what_was_asked(scene: Scene) -> None:
    asked = scene.ask(scopes=("studies", "mailclient"))
    token = scene.exchange(asked, scene.allow(asked, scene.ewa))
    assert (token.client_id, token.user_id, token.scopes) == (scene.client.id, scene.ewa, {"studies", "mailclient"})
    assert scene.store.database.read_now(clients.token_by_key, scene.store.vault, token.token, NOW) == token
    assert scene.count(request_tokens) == 0


def test_all_of_it_takes_half_an_hour_at_most(scene: Scene) -> None:
    asked = scene.ask()
    verifier = scene.allow(asked)
    with pytest.raises(NotFound):
        scene.exchange(asked, verifier, NOW + 30 * MINUTE)
    assert scene.exchange(asked, verifier, NOW + 30 * MINUTE - 1) is not None
    late = scene.ask()
    assert scene.store.database.read_now(grants.question, late.token, NOW + 30 * MINUTE) is None
    with pytest.raises(NotFound):
        scene.write(grants.allow, scene.store.vault, scene.question(late.token), scene.jan, NOW + 30 * MINUTE)


def test_the_fifth_wrong_verifier_ends_the_request(scene: Scene) -> None:
    asked = scene.ask("oob")
    scene.allow(asked)
    for left in (1, 1, 1, 1, 0):
        assert scene.exchange(asked, "") is None
        assert scene.count(request_tokens) == left


def test_what_was_allowed_before_is_known(scene: Scene) -> None:
    def known(*scopes: str, user: int | None = None) -> bool:
        asked = scene.question(scene.ask(scopes=scopes).token)
        return scene.store.database.read_now(grants.has_allowed, asked, user or scene.jan)

    assert not known()
    scene.whole_way("mailclient")
    token = scene.whole_way("studies")
    assert known()
    assert known("mailclient", "studies")
    assert not known("mailclient", "email")
    assert not known("mailclient", user=scene.ewa)
    scene.write(clients.revoke_token, token, NOW)
    assert known("mailclient")
    assert not known("studies")


def test_withdrawing_ends_everything_of_this_person_and_program_only(scene: Scene) -> None:
    other = scene.write(clients.add_client, scene.store.vault, "Other", administrative=False, now=NOW)
    kept = [
        scene.write(clients.add_token, scene.store.vault, other.id, scene.jan, ["mailclient"], NOW).token,
        scene.whole_way("mailclient", user=scene.ewa),
    ]
    gone = [scene.whole_way("mailclient"), scene.whole_way("studies")]
    under_way = scene.ask()
    verifier = scene.allow(under_way)
    scene.write(grants.withdraw, scene.client.id, scene.jan, NOW)

    def holds(token: str) -> bool:
        return scene.store.database.read_now(clients.token_by_key, scene.store.vault, token, NOW) is not None

    assert [holds(token) for token in kept + gone] == [True, True, False, False]
    with pytest.raises(NotFound):
        scene.exchange(under_way, verifier)


def test_what_is_over_is_forgotten_in_steps(scene: Scene) -> None:
    for _ in range(3):
        scene.ask()
    assert scene.write(grants.forget_requests, NOW + 30 * MINUTE - 1, 10) == 0
    assert scene.write(grants.forget_requests, NOW + 30 * MINUTE, 2) == 2
    assert scene.write(grants.forget_requests, NOW + 30 * MINUTE, 2) == 1
    for _ in range(3):
        scene.whole_way("mailclient")

    def expire(tx: Tx) -> None:
        numbers = tx.execute(select(tokens.c.id).order_by(tokens.c.id)).scalars().all()
        tx.execute(update(tokens).where(tokens.c.id == numbers[0]).values(expires_at=NOW))
        tx.execute(update(tokens).where(tokens.c.id == numbers[1]).values(expires_at=NOW + 1))
        tx.execute(update(tokens).where(tokens.c.id == numbers[2]).values(revoked_at=NOW))

    scene.write(expire)
    assert [scene.write(grants.forget_tokens, NOW + 1, 10) for _ in range(3)] == [1, 1, 0]
    assert scene.count(tokens) == 1


@pytest.mark.parametrize("token", ["", "unknown", "a\0b", "\ud800", "ż" * 300])
def test_unknown_tokens_ask_nothing(scene: Scene, token: str) -> None:
    assert scene.store.database.read_now(grants.question, token, NOW) is None


def test_a_request_without_a_callback_has_no_verifier(scene: Scene) -> None:
    """OAuth 1.0 before its revision A (wire schoology §2.3): the callback comes along later, and must be registered."""
    write, read = scene.store.database.write_now, scene.store.database.read_now
    asked = write(grants.ask, scene.store.vault, scene.client.id, None, ["schoology"], NOW)
    question = read(grants.question, asked.token, NOW)
    assert question is not None
    assert (question.verified, question.stays, question.callback) == (False, True, "")
    named = read(grants.with_callback, question, CALLBACK)
    assert (named.verified, named.stays, named.callback) == (False, False, CALLBACK)
    with pytest.raises(Invalid):
        read(grants.with_callback, question, "https://else.example/back")
    assert write(grants.allow, scene.store.vault, named, scene.jan, NOW) is None
    for verifier in ("", "None", "x"):
        with pytest.raises(NotFound):
            write(grants.exchange, scene.store.vault, asked.token, verifier, NOW, None)
    token = write(grants.exchange, scene.store.vault, asked.token, None, NOW, None)
    assert token is not None
    assert (token.user_id, token.scopes) == (scene.jan, {"schoology"})
    with pytest.raises(NotFound):
        write(grants.exchange, scene.store.vault, asked.token, None, NOW, None)


def test_a_request_with_a_verifier_is_not_exchanged_without_it(scene: Scene) -> None:
    write, read = scene.store.database.write_now, scene.store.database.read_now
    for callback in (CALLBACK, "oob"):
        asked = write(grants.ask, scene.store.vault, scene.client.id, callback, [], NOW)
        with pytest.raises(NotFound):
            write(grants.exchange, scene.store.vault, asked.token, None, NOW, None)
        question = read(grants.question, asked.token, NOW)
        assert question is not None
        assert question.verified
        assert write(grants.allow, scene.store.vault, question, scene.jan, NOW)
        with pytest.raises(NotFound):
            write(grants.exchange, scene.store.vault, asked.token, None, NOW, None)
