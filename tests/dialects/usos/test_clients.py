"""What real clients send (contract §5, §6): independent signers, a published client, and requests as recorded of others."""

import asyncio
import base64
import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import usos_api
from oauthlib.oauth1 import Client
from requests_oauthlib import OAuth1Session
from usos_api.connection import USOSAPIConnection
from usos_api.exceptions import USOSAPIException
from usos_api.services.api_documentation import APIDocumentationService
from usos_api.services.api_server import APIServerService

from postroom.dialects.usos.application import ENDPOINTS
from postroom.settings import OAuthSettings
from tests.dialects.usos.conftest import Installation


@pytest.mark.parametrize(
    ("verb", "place"), [("GET", "AUTH_HEADER"), ("GET", "QUERY"), ("POST", "AUTH_HEADER"), ("POST", "QUERY"), ("POST", "BODY")]
)
def test_requests_oauthlib_in_every_place(usos: Installation, verb: str, place: str) -> None:
    """§5.4: POST HMAC-SHA1 with OAuth parameters in header, query, body; §3.1: GET or POST for every method."""
    session = OAuth1Session(
        usos.client.key, usos.client.secret, usos.token.token, usos.token.secret, signature_type=place, force_include_body=False
    )
    given = {"subject": "ż & ó = +?", "content": "a b\r\n~%", "attachments_lifetime": "90"}
    response = (
        session.get(usos.url("create_message"), params=given) if verb == "GET" else session.post(usos.url("create_message"), data=given)
    )
    assert response.status_code == 200, response.text
    shown = usos.ask("message", message_id=response.json()["message_id"], fields="subject|content|attachments_lifetime")
    assert shown == {**given, "attachments_lifetime": 90}


def test_requests_oauthlib_uploads_with_the_signature_in_the_header(usos: Installation) -> None:
    """§5.4: multipart upload with header; the body fields are not signed."""
    session = OAuth1Session(usos.client.key, usos.client.secret, usos.token.token, usos.token.secret)
    response = session.post(usos.url("put_attachment"), data={"message_id": usos.draft()}, files={"data": ("żółw.txt", b"abc")})
    assert usos.ask("attachment", attachment_id=response.json()["attachment_id"], fields="filename|size") == {
        "filename": "żółw.txt",
        "size": 3,
    }


def test_parameters_stand_in_two_places(sqlite_usos: Installation) -> None:
    """§3.1: one request may use query and body."""
    message_id = sqlite_usos.draft(subject="s")
    response = sqlite_usos.http.post(
        sqlite_usos.url("message"), params={"message_id": message_id}, data={"fields": "subject"}, auth=sqlite_usos.auth(), timeout=20
    )
    assert response.json() == {"subject": "s"}


def test_unknown_parameters_are_ignored(sqlite_usos: Installation) -> None:
    """§3.1."""
    assert sqlite_usos.ask("user", human="true", fields="id", langpref="pl", x="") == []


def test_a_post_without_a_body_may_be_an_octet_stream(sqlite_usos: Installation) -> None:
    """§3.1: UAPI, observed on the wire."""
    headers = {"Content-Type": "application/octet-stream"}
    response = sqlite_usos.http.post(sqlite_usos.url("user"), headers=headers, auth=sqlite_usos.auth(), timeout=20)
    assert response.json() == []


def test_oauth_parameters_in_header_and_query_at_once(sqlite_usos: Installation) -> None:
    """§2.3: one client sends oauth_* in both."""
    client = Client(sqlite_usos.client.key, sqlite_usos.client.secret, sqlite_usos.token.token, sqlite_usos.token.secret)
    url, headers, _ = client.sign(sqlite_usos.url("user"))
    pairs = [part.split("=", 1) for part in headers["Authorization"].removeprefix("OAuth ").replace('"', "").split(", ")]
    query = "&".join("=".join(pair) for pair in pairs)
    assert sqlite_usos.http.get(f"{url}?{query}", headers=headers, timeout=20).json() == []


# -- usos-api, the published client (UAPI) -------------------------------------------------------------------------------


def with_usos_api(usos: Installation, work: Callable[[USOSAPIConnection], Any]) -> Any:
    async def main() -> Any:
        client = usos_api.USOSClient(usos.base, usos.client.key, usos.client.secret)
        client.load_access_token(usos.token.token, usos.token.secret)
        async with client.connection as connection:
            return await work(connection)

    return asyncio.run(main())


def test_usos_api_writes_and_sends_a_message(usos: Installation) -> None:
    """§5.4, §6: POST with an urlencoded body, booleans as True, the signature in the header."""

    async def work(connection: USOSAPIConnection) -> None:
        made = await connection.post("services/mailclient/create_message", subject="Cześć", content="Treść", send_to_myself=True)
        number = made["message_id"]
        group = await connection.post("services/mailclient/update_recipients_group", message_id=number, emails="a@x.example|b@x.example")
        refreshed = await connection.post("services/mailclient/refresh_recipients", message_id=number)
        sent = await connection.post("services/mailclient/send_message", message_id=number, lang="en")
        assert (group, refreshed, sent) == ({}, {}, {})
        shown = await connection.post("services/mailclient/message", message_id=number, fields="subject|status|send_to_myself|emails_count")
        assert shown == {"subject": "Cześć", "status": "pending", "send_to_myself": True, "emails_count": 2}

    with_usos_api(usos, work)


def test_usos_api_sends_each_parameter_of_a_get_twice(usos: Installation) -> None:
    """§2.3, §5.4: twice in the query, signed once."""
    message_id = usos.draft(subject="s")

    async def work(connection: USOSAPIConnection) -> Any:
        return await connection.get("services/mailclient/user", fields="id|subject|status", status="draft")

    assert with_usos_api(usos, work) == [{"id": message_id, "subject": "s", "status": "draft"}]


def test_usos_api_shows_our_error(usos: Installation) -> None:
    """§5.3: HTTP 400 becomes the exception text "HTTP 400: Bad request: <body>"."""

    async def work(connection: USOSAPIConnection) -> Any:
        return await connection.post("services/mailclient/message", message_id="999")

    with pytest.raises(USOSAPIException, match=r"HTTP 400: Bad request: .*object_not_found"):
        with_usos_api(usos, work)


# -- Univeristy-SOS, Kotlin (§5.1): PLAINTEXT, every call a GET but the upload -------------------------------------------


def test_sos_goes_from_draft_to_recipients(configured: Callable[..., Installation]) -> None:
    """§5.1, each of its requests; §2.3: PLAINTEXT."""
    usos = configured(oauth=OAuthSettings(plaintext_over_http=True))

    def oauth() -> str:
        given = {
            "oauth_consumer_key": usos.client.key,
            "oauth_token": usos.token.token,
            "oauth_signature_method": "PLAINTEXT",
            "oauth_signature": f"{usos.client.secret}&{usos.token.secret}",
            "oauth_timestamp": str(int(time.time())),
            "oauth_nonce": str(time.monotonic_ns()),
            "oauth_version": "1.0",
        }
        return "OAuth " + ", ".join(f'{name}="{quote(value, safe="~")}"' for name, value in given.items())

    def get(call: str) -> Any:
        response = usos.http.get(usos.url(call), headers={"Authorization": oauth()}, timeout=20)
        assert response.status_code == 200, response.text
        return response.json()

    message_id = get("create_message?subject=Temat&content=Tre%C5%9B%C4%87&attachments_lifetime=90")["message_id"]
    assert isinstance(message_id, str)
    get(f"update_message?message_id={message_id}&subject=Temat%202&content=Tre%C5%9B%C4%87&attachments_lifetime=90")
    get(f"update_recipients_group?message_id={message_id}&strict=false&user_ids={usos.anna}%7C424242&emails=x%40y.example%7Cz%40y.example")
    get(f"refresh_recipients?message_id={message_id}&email_source=primary_preferred")
    upload = usos.http.post(
        usos.url(f"put_attachment?message_id={message_id}&filename=zdj%C4%99cie.jpg"),
        headers={"Authorization": oauth(), "Content-Type": "multipart/form-data; boundary=---attachment"},
        data=(
            b"-----attachment\r\n"
            b'Content-Disposition: form-data; name="data"; filename="zdj.jpg"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n\xff\xd8\xff\r\n-----attachment--\r\n"
        ),
        timeout=20,
    )
    attachment_id = upload.json()["attachment_id"]
    assert get("user?fields=id%7Csubject%7Cstatus%7Cdate")[0]["subject"] == "Temat 2"
    fields = "id|subject|status|date|content|attachments[id|filename|size|description|url]"
    shown = get(f"message?fields={quote(fields)}&message_id={message_id}")
    assert [file["filename"] for file in shown["attachments"]] == ["zdjęcie.jpg"]
    fields = "email|user[first_name|last_name|titles|email|photo_urls[200x200]]"
    lines = get(f"recipients?fields={quote(fields)}&message_id={message_id}")
    assert all(line["user"] is not None or line["email"] is not None for line in lines)
    assert lines[0]["user"] == {
        "first_name": "Anna",
        "last_name": "Żak",
        "titles": {"before": "dr", "after": None},
        "email": "anna@uni.example",
        "photo_urls": {"200x200": "https://photos.example/anna.jpg"},
    }
    get(f"delete_attachments?attachment_ids={attachment_id}")
    get(f"send_message?message_id={message_id}&lang=pl-PL")
    get(f"delete_messages?message_ids={message_id}")


# -- MUCI/usosapi-python with rauth (§5.4), and OpenUSOS on top of it (§5.2) ---------------------------------------------


def rauth_post(usos: Installation, method: str, parameters: list[tuple[str, str]]) -> Any:
    """Send what rauth sends: method parameters in the query, OAuth parameters in an urlencoded body, all of them signed."""
    oauth = [
        ("oauth_consumer_key", usos.client.key),
        ("oauth_nonce", f"{time.monotonic_ns():040x}"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", str(int(time.time()))),
        ("oauth_token", usos.token.token),
        ("oauth_version", "1.0"),
    ]
    signed = sorted((quote(name, safe="~"), quote(value, safe="~")) for name, value in [*oauth, *parameters])
    base = "&".join(quote(part, safe="~") for part in ("POST", usos.url(method), "&".join("=".join(pair) for pair in signed)))
    digest = hmac.digest(f"{usos.client.secret}&{usos.token.secret}".encode(), base.encode(), "sha1")
    body = urlencode([*oauth, ("oauth_signature", base64.b64encode(digest).decode())])
    url = f"{usos.url(method)}?{urlencode(parameters)}" if parameters else usos.url(method)
    response = usos.http.post(url, data=body, headers={"Content-Type": "application/x-www-form-urlencoded"}, timeout=20)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize("emails", [["jan@x.example"], ["jan@x.example", "ola@x.example"]])
def test_openusos_sends_and_reads_mail(usos: Installation, emails: list[str]) -> None:
    """§5.2: the way of its pages; success is an answer equal to {}; a set of addresses repeats the parameter."""
    made = rauth_post(usos, "create_message", [("subject", "Test"), ("content", "To jest test")])
    number = made["message_id"]
    assert number.isdigit()
    assert rauth_post(usos, "update_recipients_group", [("message_id", number), *(("emails", email) for email in emails)]) == {}
    assert rauth_post(usos, "refresh_recipients", [("message_id", number)]) == {}
    assert rauth_post(usos, "send_message", [("message_id", number)]) == {}
    assert rauth_post(usos, "user", [("status", "sent")]) == []
    shown = rauth_post(usos, "message", [("message_id", number), ("fields", "id|subject|content|date")])
    assert (shown["content"], shown["id"], shown["subject"]) == ("To jest test", number, "Test")
    lines = rauth_post(usos, "recipients", [("message_id", number), ("fields", "email|user")])
    assert lines == [{"email": email, "user": None} for email in emails]


def test_muci_sends_python_booleans(usos: Installation) -> None:
    """§5.3: strict=False goes out as False."""
    number = usos.draft()
    assert rauth_post(usos, "update_recipients_group", [("message_id", number), ("user_ids", "424242"), ("strict", "False")]) == {}


# -- usos-api reads what the server says of itself (§1.6) ----------------------------------------------------------------


def test_usos_api_reads_the_reference(sqlite_usos: Installation) -> None:
    """Its records take every method, module and scope as they come."""

    async def work(connection: USOSAPIConnection) -> None:
        service = APIDocumentationService(connection)
        index = [one.name for one in await service.get_method_index()]
        assert index == sorted(ENDPOINTS)
        for name in index:
            info = await service.get_method_info(name)
            assert (info.name, info.deprecated) == (name, None)
            assert [one.name for one in info.arguments][-2:] == ["format", "callback"]
        module = await service.get_module_info("mailclient")
        assert set(module.methods) <= set(index)
        assert "mailclient" in [scope.key for scope in await service.get_scopes()]

    with_usos_api(sqlite_usos, work)


def test_usos_api_reads_its_own_registration(sqlite_usos: Installation) -> None:
    async def work(connection: USOSAPIConnection) -> None:
        consumer = await APIServerService(connection).get_consumer_info()
        assert (consumer.name, consumer.token_scopes, consumer.administrative_methods) == ("app", ["mailclient"], [])

    with_usos_api(sqlite_usos, work)
