"""API clients, tokens and nonces (design §1.5: replayed signatures; wire/usos.md §1.2)."""

import pytest
from sqlalchemy import func, select, update

from postroom.directory import clients, people
from postroom.directory.people import NewPerson
from postroom.directory.records import Client
from postroom.errors import Invalid, NotFound, Unavailable
from postroom.storage import tables
from postroom.storage.database import Tx
from postroom.storage.store import Store
from tests.support import counted

NOW = 1_700_000_000_000


def added(store: Store, *, administrative: bool = False) -> Client:
    return store.database.write_now(clients.add_client, store.vault, "Office", administrative=administrative, now=NOW)


def someone(tx: Tx) -> int:
    return people.add(tx, NewPerson(first_name="Jan", last_name="Żak"), NOW)


@pytest.mark.parametrize("administrative", [False, True])
def test_a_client_is_found_by_its_generated_key(store: Store, administrative: bool) -> None:  # noqa: FBT001 - parametrised
    client = added(store, administrative=administrative)
    assert (len(client.key), len(client.secret)) == (20, 40)
    assert (client.key + client.secret).isalnum()
    assert store.database.read_now(clients.client_by_key, store.vault, client.key) == client
    assert added(store).key != client.key


def test_secrets_are_sealed_at_rest_and_never_shown(store: Store) -> None:
    def stored(tx: Tx) -> str:
        return str(tx.execute(select(tables.clients.c.secret)).scalar_one())

    client = added(store)
    assert client.secret not in store.database.read_now(stored)
    assert client.secret not in repr(client)


def test_a_sealed_secret_does_not_open_in_the_row_of_another(store: Store) -> None:
    first, second = added(store), added(store)

    def swap(tx: Tx) -> None:
        sealed = tx.execute(select(tables.clients.c.secret).where(tables.clients.c.id == first.id)).scalar_one()
        tx.execute(update(tables.clients).where(tables.clients.c.id == second.id).values(secret=sealed))

    store.database.write_now(swap)
    with pytest.raises(Unavailable):
        store.database.read_now(clients.client_by_key, store.vault, second.key)


@pytest.mark.parametrize("key", ["", "unknown", "bad\0key", "\ud800", "ż" * 300])
def test_unknown_keys_find_nothing(store: Store, key: str) -> None:
    assert store.database.read_now(clients.client_by_key, store.vault, key) is None
    assert store.database.read_now(clients.token_by_key, store.vault, key, NOW) is None
    with pytest.raises(NotFound):
        store.database.write_now(clients.revoke_token, key, NOW)


def test_an_inactive_client_is_not_found(store: Store) -> None:
    client = added(store)
    store.database.write_now(lambda tx: tx.execute(update(tables.clients).values(active=False)))
    assert store.database.read_now(clients.client_by_key, store.vault, client.key) is None


def test_a_client_needs_a_name(store: Store) -> None:
    with pytest.raises(Invalid):
        store.database.write_now(clients.add_client, store.vault, " ", administrative=False, now=NOW)


def test_a_token_holds_until_it_expires_is_revoked_or_its_person_leaves(store: Store) -> None:
    client, user = added(store), store.database.write_now(someone)
    scopes = frozenset({"mailclient", "studies"})
    token = store.database.write_now(clients.add_token, store.vault, client.id, user, scopes, NOW, NOW + 10)

    def found(now: int) -> object:
        return store.database.read_now(clients.token_by_key, store.vault, token.token, now)

    def set_active(tx: Tx, active: bool) -> None:  # noqa: FBT001 - a unit of a test
        tx.execute(update(tables.users).values(active=active))

    assert found(NOW) == token
    assert found(NOW + 9) == token
    assert found(NOW + 10) is None
    assert token.secret not in repr(token)
    store.database.write_now(set_active, active=False)
    assert found(NOW) is None
    store.database.write_now(set_active, active=True)
    store.database.write_now(clients.revoke_token, token.token, NOW + 1)
    store.database.write_now(clients.revoke_token, token.token, NOW + 2)
    assert found(NOW) is None
    revoked_at = store.database.read_now(lambda tx: tx.execute(select(tables.tokens.c.revoked_at)).scalar_one())
    assert revoked_at == NOW + 1


def test_a_token_without_scopes_has_none(store: Store) -> None:
    client, user = added(store), store.database.write_now(someone)
    token = store.database.write_now(clients.add_token, store.vault, client.id, user, [], NOW)
    found = store.database.read_now(clients.token_by_key, store.vault, token.token, NOW)
    assert found is not None
    assert found.scopes == frozenset()


def test_tokens_are_for_clients_and_people_that_exist_and_scopes_with_names(store: Store) -> None:
    client, user = added(store), store.database.write_now(someone)
    for client_id, user_id, kind in ((2**31, user, "client"), (999, user, "client"), (client.id, 2**40, "user"), (client.id, 999, "user")):
        with pytest.raises(NotFound) as missing:
            store.database.write_now(clients.add_token, store.vault, client_id, user_id, ["mailclient"], NOW)
        assert missing.value.kind == kind
    for scope in ("", "a|b", "a\nb"):
        with pytest.raises(Invalid):
            store.database.write_now(clients.add_token, store.vault, client.id, user, [scope], NOW)


def test_a_nonce_is_used_once_for_each_client_and_timestamp(store: Store) -> None:
    first, second = added(store), added(store)

    def claim(client: Client, timestamp: int, nonce: str) -> bool:
        return store.database.write_now(clients.claim_nonce, client.id, timestamp, nonce)

    assert claim(first, 1_700_000_000, "n")
    assert not claim(first, 1_700_000_000, "n")
    assert claim(first, 1_700_000_000, "N")
    assert claim(first, 1_700_000_001, "n")
    assert claim(second, 1_700_000_000, "n")
    assert claim(first, 999_999_999_999_999, "n")  # the longest timestamp that is let through
    with pytest.raises(Invalid):
        claim(first, 1_700_000_000, "n\0")


def test_old_nonces_are_pruned_some_at_a_time(store: Store) -> None:
    client = added(store)
    for timestamp in range(10):
        store.database.write_now(clients.claim_nonce, client.id, timestamp, "n")
    assert store.database.write_now(clients.prune_nonces, 7, 5) == 5
    assert store.database.write_now(clients.prune_nonces, 7, 5) == 2
    assert store.database.write_now(clients.prune_nonces, 7, 5) == 0
    assert store.database.read_now(lambda tx: tx.execute(select(func.count()).select_from(tables.nonces)).scalar_one()) == 3
    assert not store.database.write_now(clients.claim_nonce, client.id, 7, "n")


def test_a_signed_request_costs_one_statement_for_each_of_client_token_and_nonce(store: Store) -> None:
    client, user = added(store), store.database.write_now(someone)
    token = store.database.write_now(clients.add_token, store.vault, client.id, user, ["mailclient"], NOW)
    with counted(store) as statements:
        store.database.read_now(clients.client_by_key, store.vault, client.key)
        store.database.read_now(clients.token_by_key, store.vault, token.token, NOW)
        store.database.write_now(clients.claim_nonce, client.id, 1, "n")
    assert len(statements) == 3


def test_a_disabled_client_is_unknown_from_then_on(store: Store) -> None:
    client = store.database.write_now(clients.add_client, store.vault, "x", administrative=False, now=1)
    store.database.write_now(clients.disable_client, client.key)
    assert store.database.read_now(clients.client_by_key, store.vault, client.key) is None
    for unknown in ("nobody", "a\0b"):
        with pytest.raises(NotFound):
            store.database.write_now(clients.disable_client, unknown)


def test_a_personal_key_ends_with_its_person(store: Store) -> None:
    write = store.database.write_now
    jan = write(people.add, NewPerson(first_name="Jan", last_name="Lis"), NOW)
    client = write(clients.add_client, store.vault, "Jan's key", administrative=False, now=NOW, user_id=jan)
    found = store.database.read_now(clients.client_by_key, store.vault, client.key)
    assert found is not None
    assert found.user_id == jan
    write(lambda tx: tx.execute(update(tables.users).where(tables.users.c.id == jan).values(active=False)) and None)
    assert store.database.read_now(clients.client_by_key, store.vault, client.key) is None


def test_a_nonce_is_known_once_it_was_used(store: Store) -> None:
    write, read = store.database.write_now, store.database.read_now
    client = write(clients.add_client, store.vault, "app", administrative=False, now=NOW)
    assert not read(clients.has_used_nonce, client.id, 17, "n")
    write(clients.claim_nonce, client.id, 17, "n")
    assert read(clients.has_used_nonce, client.id, 17, "n")
    assert not any(read(clients.has_used_nonce, *other) for other in ((client.id, 18, "n"), (client.id, 17, "m"), (client.id, 17, "\0")))
