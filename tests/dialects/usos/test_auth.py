"""Who may call: signatures over real HTTP, the two ways in, nonces, scopes (contract §1.2, §2.1 to §2.4, §3.4, §7)."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests_oauthlib import OAuth1
from starlette.routing import Mount

from postroom import clock
from postroom.dialects.usos import application
from postroom.directory import clients, people
from postroom.directory.people import NewPerson
from postroom.settings import HttpSettings, OAuthSettings, UsosSettings
from postroom.storage.store import open_store
from tests.dialects.usos.conftest import Installation


def as_admin(usos: Installation, method: str, token: Any = None, **parameters: str) -> requests.Response:
    owner = (token.token, token.secret) if token else ()
    auth = OAuth1(usos.admin.key, usos.admin.secret, *owner)
    return usos.http.post(usos.url(method), data=parameters, auth=auth, timeout=20)


def forbidden(response: requests.Response) -> tuple[int, str, str]:
    body = response.json()
    return response.status_code, body["error"], body["reason"]


def test_an_ordinary_consumer_with_a_token_of_the_scope_may_call(usos: Installation) -> None:
    """§1.1: the way of all public clients."""
    assert usos.ask("user") == []


def test_an_administrative_consumer_may_act_for_a_user(usos: Installation) -> None:
    """§1.1, §2.1."""
    message_id = usos.draft(subject="mine")
    assert as_admin(usos, "user", as_user_id=str(usos.jan)).json() == [{"id": message_id, "subject": "mine"}]
    assert as_admin(usos, "user", as_user_id=str(usos.anna)).json() == []


def test_an_administrative_consumer_with_a_token_needs_no_scope(usos: Installation) -> None:
    """§1.1: Consumer required (administrative), Token required, Scopes n/a."""
    token = usos.store.database.write_now(clients.add_token, usos.store.vault, usos.admin.id, usos.jan, [], clock.now())
    assert as_admin(usos, "user", token).json() == []


def test_as_user_id_stands_instead_of_a_token_not_beside_one(usos: Installation) -> None:
    """§2.1: then no token may be present."""
    token = usos.store.database.write_now(clients.add_token, usos.store.vault, usos.admin.id, usos.jan, [], clock.now())
    response = as_admin(usos, "user", token, as_user_id=str(usos.anna))
    assert response.json()["error"] == "param_forbidden"
    assert response.json()["param_name"] == "as_user_id"
    assert response.json()["reason"] == "token_present"


@pytest.mark.parametrize("user_id", ["999", "x", "-1", "0", "99999999999999999999", "1" * 40])
def test_as_user_id_of_nobody_is_not_found(usos: Installation, user_id: str) -> None:
    response = as_admin(usos, "user", as_user_id=user_id)
    assert response.status_code == 400
    assert (response.json()["error"], response.json()["param_name"]) == ("object_not_found", "as_user_id")


def test_as_user_id_of_somebody_who_left_is_not_found_and_an_empty_one_is_none(usos: Installation) -> None:
    gone = usos.store.database.write_now(people.add, NewPerson(first_name="A", last_name="B", active=False), clock.now())
    assert as_admin(usos, "user", as_user_id=str(gone)).json()["error"] == "object_not_found"
    assert forbidden(as_admin(usos, "user", as_user_id="")) == (401, "method_forbidden", "user_missing")


def test_as_user_id_of_two_people_at_once_is_refused(usos: Installation) -> None:
    """§7: different values of one parameter are kept; one that takes a single value must not pick either."""
    auth = OAuth1(usos.admin.key, usos.admin.secret)
    response = usos.http.post(usos.url("user"), data=[("as_user_id", str(usos.jan)), ("as_user_id", str(usos.anna))], auth=auth, timeout=20)
    assert (response.status_code, response.json()["error"], response.json()["param_name"]) == (400, "param_invalid", "as_user_id")


def test_an_ordinary_consumer_may_not_impersonate(usos: Installation) -> None:
    """§3.4: impersonate_required."""
    response = usos.send("user", as_user_id=str(usos.anna))
    assert forbidden(response) == (403, "method_forbidden", "impersonate_required")


def test_no_signature_is_consumer_missing(sqlite_usos: Installation) -> None:
    """§3.4."""
    for response in (
        sqlite_usos.http.get(sqlite_usos.url("user"), timeout=20),
        sqlite_usos.http.post(sqlite_usos.url("user"), data={"as_user_id": "1"}, timeout=20),
    ):
        assert forbidden(response) == (401, "method_forbidden", "consumer_missing")
        assert response.headers["WWW-Authenticate"].startswith("OAuth ")


def test_no_token_is_user_missing(sqlite_usos: Installation) -> None:
    """§3.4."""
    auth = OAuth1(sqlite_usos.client.key, sqlite_usos.client.secret)
    response = sqlite_usos.http.get(sqlite_usos.url("user"), auth=auth, timeout=20)
    assert forbidden(response) == (401, "method_forbidden", "user_missing")
    assert forbidden(as_admin(sqlite_usos, "user")) == (401, "method_forbidden", "user_missing")


def test_a_token_without_the_scope_is_told_which_one_is_missing(sqlite_usos: Installation) -> None:
    """§3.4: scope_missing with the list missing_scopes; SOS looks at the reason in the body."""
    token = sqlite_usos.store.database.write_now(
        clients.add_token, sqlite_usos.store.vault, sqlite_usos.client.id, sqlite_usos.jan, ["studies"], clock.now()
    )
    response = sqlite_usos.send("user", token)
    assert forbidden(response) == (401, "method_forbidden", "scope_missing")
    assert response.json()["missing_scopes"] == ["mailclient"]


def test_the_switch_leaves_only_administrative_consumers(configured: Callable[..., Installation]) -> None:
    """§1.1: administrative_mail; §3.4: trusted_required."""
    administrative_usos = configured(usos=UsosSettings(administrative_mail=True))
    assert forbidden(administrative_usos.send("user")) == (403, "method_forbidden", "trusted_required")
    assert as_admin(administrative_usos, "user", as_user_id=str(administrative_usos.jan)).json() == []


def test_a_wrong_signature_is_401_with_the_words_that_clients_compare(sqlite_usos: Installation) -> None:
    """§2.4: UA4J compares the exact string."""
    auth = OAuth1(sqlite_usos.client.key, "wrong", sqlite_usos.token.token, sqlite_usos.token.secret)
    response = sqlite_usos.http.get(sqlite_usos.url("user"), auth=auth, timeout=20)
    assert (response.status_code, response.json()) == (401, {"message": "Invalid signature."})


@pytest.mark.parametrize(
    ("key", "token", "message"),
    [("nobody", None, "Invalid consumer"), (None, "nothing", "Invalid token")],
)
def test_unknown_consumers_and_tokens_are_401(sqlite_usos: Installation, key: str | None, token: str | None, message: str) -> None:
    """§2.4."""
    auth = OAuth1(key or sqlite_usos.client.key, sqlite_usos.client.secret, token or sqlite_usos.token.token, sqlite_usos.token.secret)
    response = sqlite_usos.http.get(sqlite_usos.url("user"), auth=auth, timeout=20)
    assert (response.status_code, response.json()) == (401, {"message": message})


def test_the_token_of_another_consumer_is_invalid(sqlite_usos: Installation) -> None:
    auth = OAuth1(sqlite_usos.admin.key, sqlite_usos.admin.secret, sqlite_usos.token.token, sqlite_usos.token.secret)
    response = sqlite_usos.http.get(sqlite_usos.url("user"), auth=auth, timeout=20)
    assert (response.status_code, response.json()) == (401, {"message": "Invalid token"})


def test_revoked_and_expired_tokens_are_invalid(sqlite_usos: Installation) -> None:
    store = sqlite_usos.store
    old = store.database.write_now(
        clients.add_token, store.vault, sqlite_usos.client.id, sqlite_usos.jan, ["mailclient"], clock.now(), clock.now() - 1
    )
    store.database.write_now(clients.revoke_token, sqlite_usos.token.token, clock.now())
    for token in (old, sqlite_usos.token):
        assert sqlite_usos.send("user", token).json() == {"message": "Invalid token"}


@pytest.mark.parametrize("method", ["create_message", "user", "put_attachment"])
def test_a_signed_request_is_good_once(usos: Installation, method: str) -> None:
    """§2.4, §5.5: a client that sends an identical signed request again gets "Nonce already used"."""
    files = {"data": ("a.txt", b"x")} if method == "put_attachment" else None
    parameters = {"message_id": usos.draft()}
    request = requests.Request("POST", usos.url(method), params=parameters, files=files, auth=usos.auth(nonce="abc"))
    prepared = request.prepare()
    assert usos.http.send(prepared, timeout=20).status_code == 200
    before = len(usos.ask("user"))
    again = usos.http.send(prepared, timeout=20)
    assert (again.status_code, again.json()) == (400, {"message": "Nonce already used: abc."})
    assert len(usos.ask("user")) == before
    assert len(usos.blobs()) == (1 if files else 0)


def test_a_refused_work_uses_the_nonce_up_and_a_wrong_signature_does_not(usos: Installation) -> None:
    """Otherwise an observer could burn the nonces of others, or a refused request be repeated later."""
    for secret, expected in (("wrong", "Invalid signature."), (usos.client.secret, "Referenced message does not exist.")):
        auth = OAuth1(usos.client.key, secret, usos.token.token, usos.token.secret, nonce="once")
        response = usos.http.post(usos.url("copy_message"), data={"message_id": "77"}, auth=auth, timeout=20)
        assert response.json()["message"] == expected
    auth = usos.auth(nonce="once", timestamp=str(int(time.time())))
    prepared = requests.Request("POST", usos.url("copy_message"), data={"message_id": "78"}, auth=auth).prepare()
    usos.http.send(prepared, timeout=20)
    assert "Nonce already used" in usos.http.send(prepared, timeout=20).json()["message"]


def test_stale_timestamps_are_400(sqlite_usos: Installation) -> None:
    """§2.4: the words say both clocks and the threshold."""
    stale = int(time.time()) - 1000
    response = sqlite_usos.http.get(sqlite_usos.url("user"), auth=sqlite_usos.auth(timestamp=str(stale)), timeout=20)
    assert response.status_code == 400
    assert response.json()["message"].startswith(f"Expired timestamp, yours {stale}, ours ")
    assert response.json()["message"].endswith("(threshold 300).")


def test_plaintext_needs_https_or_the_setting(sqlite_usos: Installation) -> None:
    """§7: PLAINTEXT over HTTPS only, with a setting."""
    auth = sqlite_usos.auth(signature_method="PLAINTEXT")
    assert forbidden(sqlite_usos.http.get(sqlite_usos.url("user"), auth=auth, timeout=20)) == (403, "method_forbidden", "secure_required")


@pytest.mark.parametrize("place", ["AUTH_HEADER", "QUERY", "BODY"])
def test_plaintext_verifies_in_every_place_once_allowed(configured: Callable[..., Installation], place: str) -> None:
    usos = configured(oauth=OAuthSettings(plaintext_over_http=True))
    auth = usos.auth(signature_method="PLAINTEXT", signature_type=place)
    response = usos.http.post(usos.url("create_message"), data={"subject": "ż"}, auth=auth, timeout=20)
    assert response.status_code == 200, response.text
    wrong = OAuth1(usos.client.key, "x", usos.token.token, "y", signature_method="PLAINTEXT", signature_type=place)
    assert usos.http.post(usos.url("user"), data={"a": "b"}, auth=wrong, timeout=20).json() == {"message": "Invalid signature."}


def test_the_public_url_is_what_clients_sign(configured: Callable[..., Installation]) -> None:
    """§2.3: behind a proxy, scheme and host must be those that the client used; PLAINTEXT counts as over HTTPS then."""
    usos = configured(http=HttpSettings(public_url="https://api.example"))
    prepared = requests.Request("GET", "https://api.example/services/mailclient/user", auth=usos.auth()).prepare()
    local = usos.http.get(usos.url("user"), headers=prepared.headers, timeout=20)
    assert local.status_code == 200, local.text
    assert usos.send("user").json() == {"message": "Invalid signature."}
    plaintext = usos.http.get(usos.url("user"), auth=usos.auth(signature_method="PLAINTEXT"), timeout=20)
    assert plaintext.status_code == 200


def test_nonces_survive_a_restart(usos: Installation) -> None:
    """The nonce store is in the database: a new application refuses what the old one has seen."""
    prepared = requests.Request("GET", usos.url("user"), auth=usos.auth(nonce="keep")).prepare()
    assert usos.http.send(prepared, timeout=20).status_code == 200
    store = open_store(usos.store.settings)
    usos.server.serve(Mount("/services", application(store)))
    assert usos.http.send(prepared, timeout=20).json() == {"message": "Nonce already used: keep."}
    store.close()


def test_the_signature_is_judged_before_arguments(sqlite_usos: Installation) -> None:
    """Who may not call learns nothing about parameters or objects."""
    auth = OAuth1(sqlite_usos.client.key, "wrong", sqlite_usos.token.token, sqlite_usos.token.secret)
    for data in ({"fields": "nope"}, {"message_id": "1", "format": "x"}):
        response = sqlite_usos.http.post(sqlite_usos.url("message"), data=data, auth=auth, timeout=20)
        assert response.json() == {"message": "Invalid signature."}
