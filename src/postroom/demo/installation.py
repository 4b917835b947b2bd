"""A whole installation in a folder of its own: settings file, store with the example organisation, API client, server.

The settings stand in ``postroom.toml`` in the folder, so that every command works there as it would in a real one.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2
from msgspec import Struct
from sqlalchemy import select

from postroom.clock import now
from postroom.configuration import PREFIX, load
from postroom.demo import letter
from postroom.demo.catcher import HOST
from postroom.directory import clients
from postroom.directory.records import Client, Token
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import groups, institutional_addresses, users

ORGANISATION: Final = Path(__file__).parent / "organisation"
_LOG: Final = "server.log"
_LOG_SHOWN: Final = 2_000
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 10.0
_PAUSE: Final = 0.05


class ServerError(Exception):
    """The server did not start."""


class Cast(Struct, frozen=True, kw_only=True):
    """Who and what the letter needs, as the imported directory numbers them; and the keys of the application that sends it."""

    author_id: int
    address_id: int
    group_ids: list[int]
    guest_ids: list[int]
    client: Client
    token: Token


def configure(folder: Path, relay_port: int) -> Settings:
    """Write ``postroom.toml`` for a server on a free port, with the relay at ``relay_port``; return the settings."""
    tables: dict[str, dict[str, str | int | float]] = {
        "http": {"host": HOST, "port": _free_port()},
        "mail": {"domain": "example.edu", "organisation": "Uniwersytet Przykładowy"},
        "relay": {"host": HOST, "port": relay_port, "security": "none", "helo": "postroom.example.edu"},
        "delivery": {"retry_first": 1.0, "retry_longest": 5.0},  # a real one is patient; nobody watches it
    }
    lines = [f"data_dir = {json.dumps(str(folder / 'data'))}"]
    for name, values in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())]
    file = folder / "postroom.toml"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load(environment={}, file=file)


def cast(tx: Tx, vault: Vault) -> Cast:
    """Look up everyone that the letter names, and register the application with a token to act for the author."""
    author_id = tx.execute(select(users.c.id).where(users.c.uid == letter.AUTHOR_UID)).scalar_one()
    own = select(groups.c.id).where(groups.c.owner_id == author_id, groups.c.name.in_(letter.GROUPS))
    guests = select(users.c.id).where(users.c.uid.in_(letter.GUEST_UIDS))
    address = select(institutional_addresses.c.id).where(institutional_addresses.c.email == letter.FROM_ADDRESS)
    client = clients.add_client(tx, vault, "Rector's office", administrative=False, now=now())
    return Cast(
        author_id=author_id,
        address_id=tx.execute(address).scalar_one(),
        group_ids=list(tx.execute(own).scalars()),
        guest_ids=list(tx.execute(guests).scalars()),
        client=client,
        token=clients.add_token(tx, vault, client.id, author_id, frozenset({"mailclient"}), now()),
    )


@contextlib.contextmanager
def served(folder: Path, settings: Settings) -> Iterator[None]:
    """Run ``postroom serve`` in ``folder`` until left; its output goes to ``server.log`` there. Raises ``ServerError``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    with (folder / _LOG).open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "postroom", "serve"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that its processes can be stopped together, and Ctrl-C reaches only us
        )
    try:
        _wait_until_healthy(settings.public_url, server)
        yield
    finally:
        _stop(server)


def end_of_log(folder: Path) -> str:
    """Return the last lines of the server's log, for when it broke off."""
    log = folder / _LOG
    return log.read_text(encoding="utf-8", errors="replace")[-_LOG_SHOWN:] if log.exists() else ""


def _wait_until_healthy(url: str, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + _START_SECONDS
    with httpx2.Client(trust_env=False) as client:
        while time.monotonic() < end and server.poll() is None:
            with contextlib.suppress(httpx2.TransportError):
                if client.get(f"{url}/healthz").status_code == httpx2.codes.OK:
                    return
            time.sleep(_PAUSE)
    raise ServerError("the server did not start")


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)  # its own session, so this group is its own too
        server.wait(_STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
