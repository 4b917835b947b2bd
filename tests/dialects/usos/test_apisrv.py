"""services/apisrv: what the server says of itself (contract §1.6)."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import requests
from requests_oauthlib import OAuth1
from sqlalchemy import update

from postroom import clock
from postroom.settings import HttpSettings, MailSettings, UsosSettings
from postroom.storage.tables import clients
from tests.dialects.usos.conftest import Installation
from tests.support import counted

EVERY_FIELD = (
    "base_url|version|machine_version|usos_schema_version|institution_name|institution|contact_emails|schac_id|mcards_support"
    "|mobile_usos_support"
)
CONSUMER = "name|url|email|date_registered|administrative_methods|token_scopes|is_verified"


def unsigned(usos: Installation, method: str, **parameters: str) -> requests.Response:
    return usos.http.get(usos.url(method), params=parameters, timeout=30)


def test_now_is_the_local_time_with_six_digits_and_needs_no_signature(sqlite_usos: Installation) -> None:
    text = unsigned(sqlite_usos, "apisrv/now").json()
    assert re.match(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{6}$", text)
    told = datetime.strptime(text, "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=ZoneInfo("Europe/Warsaw"))
    assert abs(datetime.now(told.tzinfo) - told) < timedelta(seconds=20)


def test_what_needs_no_signature_needs_no_store(sqlite_usos: Installation) -> None:
    """So it is an answer even when the store is not."""
    with counted(sqlite_usos.store) as statements:
        for method in ("apisrv/now", "apisrv/installation", "apisrv/installations", "apiref/method_index", "apiref/scopes"):
            assert unsigned(sqlite_usos, method).status_code == 200
    assert statements == []


def test_what_is_ignored_is_not_judged(sqlite_usos: Installation) -> None:
    """A signature that is wrong, or from nobody, changes nothing where the consumer is ignored."""
    for parameters in ({"oauth_consumer_key": "nobody", "oauth_signature": "wrong"}, {"as_user_id": "1"}):
        assert unsigned(sqlite_usos, "apisrv/now", **parameters).status_code == 200


def test_installation_has_the_fields_that_clients_ask_for(configured: Callable[..., Installation]) -> None:
    usos = configured(
        http=HttpSettings(public_url="https://post.uni.example/mail/"),
        mail=MailSettings(domain="uni.example", organisation="Uniwersytet"),
        usos=UsosSettings(contact_emails=["post@uni.example"]),
    )
    default = unsigned(usos, "apisrv/installation").json()
    assert list(default) == ["base_url", "version", "machine_version", "usos_schema_version", "institution_name", "contact_emails"]
    everything = unsigned(usos, "apisrv/installation", fields=EVERY_FIELD).json()
    name = {"pl": "Uniwersytet", "en": "Uniwersytet"}
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+-\d+", everything.pop("machine_version"))
    assert everything.pop("version")
    assert everything.pop("usos_schema_version")
    assert everything == {
        "base_url": "http://post.uni.example/mail/",
        "institution_name": name,
        "institution": {"id": "uni.example", "name": name},
        "contact_emails": ["post@uni.example"],
        "schac_id": "uni.example",
        "mcards_support": False,
        "mobile_usos_support": False,
    }
    assert unsigned(usos, "apisrv/installation", fields="institution[name]").json() == {"institution": {"name": name}}


def test_installations_are_this_one(sqlite_usos: Installation) -> None:
    shown = unsigned(sqlite_usos, "apisrv/installation", fields="base_url|version|institution_name|contact_emails").json()
    assert unsigned(sqlite_usos, "apisrv/installations").json() == [shown]


def test_consumer_tells_an_ordinary_client_what_its_token_may(usos: Installation) -> None:
    today = datetime.fromtimestamp(clock.now() / 1_000, ZoneInfo("Europe/Warsaw"))
    found = usos.ask("apisrv/consumer", usos.anna_token, fields=CONSUMER)
    registered = found.pop("date_registered")
    assert registered in {(today - timedelta(minutes=5)).strftime("%Y-%m-%d"), today.strftime("%Y-%m-%d")}
    assert found == {
        "name": "app",
        "url": None,
        "email": "",
        "administrative_methods": [],
        "token_scopes": ["mailclient", "studies"],
        "is_verified": True,
    }


def test_consumer_shows_what_was_registered_and_no_scopes_without_a_token(usos: Installation) -> None:
    values = {"url": "https://app.example/", "email": "dev@app.example"}
    usos.store.database.write_now(lambda tx: tx.execute(update(clients).where(clients.c.id == usos.client.id).values(values)) and None)
    auth = OAuth1(usos.client.key, usos.client.secret)
    answer = usos.http.get(usos.url("apisrv/consumer"), params={"fields": "url|email|token_scopes"}, auth=auth, timeout=30)
    assert answer.json() == {**values, "token_scopes": None}


def test_an_administrative_consumer_learns_its_methods(configured: Callable[..., Installation]) -> None:
    """With the mail of an installation closed to others, the methods of mailclient are administrative."""
    usos = configured(usos=UsosSettings(administrative_mail=True))
    auth = OAuth1(usos.admin.key, usos.admin.secret)
    found = usos.http.get(usos.url("apisrv/consumer"), params={"fields": "administrative_methods"}, auth=auth, timeout=30).json()
    assert "services/mailclient/send_message" in found["administrative_methods"]
    assert "services/apisrv/consumer" not in found["administrative_methods"]


def test_consumer_must_be_signed_and_say_what_it_wants(sqlite_usos: Installation) -> None:
    answer = unsigned(sqlite_usos, "apisrv/consumer", fields="name")
    assert (answer.status_code, answer.json()["reason"]) == (401, "consumer_missing")
    body = sqlite_usos.refused("apisrv/consumer")
    assert (body["error"], body["param_name"]) == ("param_missing", "fields")
