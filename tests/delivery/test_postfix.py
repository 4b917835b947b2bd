"""A real Postfix as the relay: a mailing goes through its queue and on to the sink."""

import asyncio
import grp
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.settings import DeliverySettings
from postroom.storage.store import Store
from tests.delivery.letters import add_message, settled, states, until, with_relay, working
from tests.delivery.sink import Sink, running

POSTFIX = shutil.which("postfix") or shutil.which("postfix", path="/usr/sbin:/sbin")

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
tlsmgr    unix - - n 1000? 1 tlsmgr
proxymap  unix - - n - - proxymap
showq     unix n - n - - showq
flush     unix n - n 1000? 0 flush
postlog   unix-dgram n - n - 1 postlogd
"""

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = relay.example
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
relayhost = [127.0.0.1]:{sink}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{ refused@x.example = REJECT no such person }} }}, permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
alias_maps =
alias_database =
local_recipient_maps =
smtp_host_lookup = native
disable_dns_lookups = yes
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def missing() -> str | None:
    if POSTFIX is None:
        return "Postfix is not installed"
    if os.geteuid() != 0:
        return "Postfix needs root to be started"
    try:
        pwd.getpwnam("postfix")
        grp.getgrnam("postdrop")
    except KeyError:
        return "the users of Postfix are not there"
    return None


class Postfix:
    """An instance of its own: configuration, queue and log below one folder."""

    def __init__(self, folder: Path, port: int, sink: int) -> None:
        self.folder = folder
        self.port = port
        for name in ("config", "queue", "data"):
            (folder / name).mkdir(parents=True)
        shutil.chown(folder / "data", "postfix")
        (folder / "config" / "main.cf").write_text(MAIN.format(folder=folder, sink=sink))
        (folder / "config" / "master.cf").write_text(MASTER.format(port=port))

    def command(self, verb: str) -> subprocess.CompletedProcess[str]:
        assert POSTFIX is not None
        return subprocess.run([POSTFIX, "-c", str(self.folder / "config"), verb], capture_output=True, text=True, timeout=60, check=False)

    def log(self) -> str:
        path = self.folder / "mail.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""


@pytest.fixture
def postfix_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that the users of Postfix can enter: pytest's own ones are closed to others."""
    reason = missing()
    if reason:
        pytest.skip(f"{reason}: delivery through a real relay is not shown here")
    folder = Path(f"/var/tmp/postroom-postfix-{os.getpid()}")
    folder.mkdir(mode=0o755)
    yield folder
    shutil.rmtree(folder)


def test_mailing_through_postfix(sqlite_store: Store, postfix_folder: Path) -> None:
    """A real Postfix as relay carries a mailing. Everybody gets it once, and whom the relay refuses fails with its words."""
    store = sqlite_store
    people = [f"ok{n}@x.example" for n in range(200)]

    async def main() -> None:
        async with running(Sink(extensions=("PIPELINING", "8BITMIME", "SIZE 10000000"))) as sink:
            postfix = Postfix(postfix_folder, free_port(), sink.port)
            started = await asyncio.to_thread(postfix.command, "start")
            assert started.returncode == 0, started.stderr + postfix.log()
            try:
                ours = with_relay(store, postfix.port, DeliverySettings(retry_first=0.5), connections=8, security="opportunistic")
                message = store.database.write_now(add_message, [*people, "refused@x.example"], lane="bulk")
                async with working(ours):
                    await settled(ours, message, 60)
                found = store.database.read_now(states, message)
                assert {email for email, state in found.items() if state != "delivered"} == {"refused@x.example"}, postfix.log()
                assert found["refused@x.example"] == "failed"
                await until(lambda: len(sink.recipients()) >= len(people), 60)
                assert sink.recipients() == sorted(people)
                assert b"Subject: =?utf-8?B?WmHFvMOzxYLEhw==?=" in sink.taken[0].content
            finally:
                await asyncio.to_thread(postfix.command, "stop")

    asyncio.run(main())
