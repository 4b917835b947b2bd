"""Callers other than Jan with a token: the two consumers alone, and tokens with other scopes."""

from typing import Any

import requests
from requests_oauthlib import OAuth1

from postroom import clock
from postroom.directory import clients
from postroom.directory.records import Token
from tests.dialects.usos.conftest import Installation


def consumer(usos: Installation, method: str, **parameters: str) -> requests.Response:
    """Call as the ordinary consumer, without a token."""
    auth = OAuth1(usos.client.key, usos.client.secret)
    return usos.http.post(usos.url(method), data=parameters or {"nothing": ""}, auth=auth, timeout=60)


def admin(usos: Installation, method: str, **parameters: str) -> requests.Response:
    """Call as the administrative consumer; ``as_user_id`` may be among the parameters."""
    auth = OAuth1(usos.admin.key, usos.admin.secret)
    return usos.http.post(usos.url(method), data=parameters or {"nothing": ""}, auth=auth, timeout=60)


def ask_admin(usos: Installation, method: str, **parameters: str) -> Any:
    """Call as the administrative consumer and return the answer, which must be a success."""
    response = admin(usos, method, **parameters)
    assert response.status_code == 200, response.text
    return response.json()


def token(usos: Installation, user_id: int, *scopes: str) -> Token:
    """Give the ordinary consumer a token of its own choice."""
    made: Token = usos.store.database.write_now(clients.add_token, usos.store.vault, usos.client.id, user_id, scopes, clock.now())
    return made


def error(response: requests.Response) -> tuple[int, str, str]:
    """Return the status, the error, and what it is about: the parameter, the field or the reason."""
    body = response.json()
    assert body["message"]
    return response.status_code, body["error"], body.get("param_name") or body.get("field_name") or body.get("reason")
