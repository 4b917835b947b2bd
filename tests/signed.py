"""Signed calls to a real server by hand: as any OAuth 1.0a client makes them, and uploads that are generated on the way.

RFC 5849 section 3.4.1.3.1: a multipart body is not part of the signature.
"""

import http.client
import json
from urllib.parse import urlsplit

import oauthlib.oauth1

from postroom import clock
from postroom.directory import clients, people
from postroom.messages import drafts
from postroom.messages.records import DraftContent
from postroom.settings import Settings
from postroom.storage.store import open_store

PIECE = b"postroom" * 32_768  # 256 KiB
BOUNDARY = "------------------------aeb1fb1a"


def prepare(settings: Settings) -> tuple[oauthlib.oauth1.Client, int]:
    """A person, a client with a token, a draft; return the signer and the number of the draft."""
    store = open_store(settings)
    write, now = store.database.write_now, clock.now()
    try:
        person = write(people.add, people.NewPerson(first_name="Anna", last_name="Nowak"), now)
        client = write(clients.add_client, store.vault, "test", administrative=False, now=now)
        token = write(clients.add_token, store.vault, client.id, person, ["mailclient"], now)
        message = write(drafts.create, person, DraftContent(subject="Large"), now, "usos")
    finally:
        store.close()
    return oauthlib.oauth1.Client(client.key, client.secret, token.token, token.secret), message


def call(port: int, signer: oauthlib.oauth1.Client, path: str, body_size: int | None = None) -> tuple[int, dict[str, str]]:
    """Make a signed call; with ``body_size``, a multipart POST with a file of that many bytes."""
    url, headers, _ = signer.sign(f"http://127.0.0.1:{port}{path}", "POST" if body_size else "GET")
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        if body_size is None:
            connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
        else:
            before = (
                f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="data"; filename="large.bin"\r\n'
                "Content-Type: application/octet-stream\r\n\r\n"
            ).encode()
            after = f"\r\n--{BOUNDARY}--\r\n".encode()
            connection.putrequest("POST", f"{parts.path}?{parts.query}")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
            connection.putheader("Content-Length", str(len(before) + body_size + len(after)))
            connection.endheaders(before)
            for _ in range(body_size // len(PIECE)):
                connection.send(PIECE)
            connection.send(after)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
