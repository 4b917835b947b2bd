"""A Postfix of its own for tests and benchmarks: configuration, queue and log below one throw-away folder, on a loopback port.

It hands everything it takes to one relay host on the loopback. Postfix is started by root only, and needs its users.
"""

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.processes import free_port

_SECONDS: Final = 60
_QUEUES: Final = ("maildrop", "incoming", "active", "deferred")

_MASTER: Final = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
lmtp      unix - - n - - lmtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
tlsmgr    unix - - n 1000? 1 tlsmgr
proxymap  unix - - n - - proxymap
virtual   unix - n n - - virtual
showq     unix n - n - - showq
flush     unix n - n 1000? 0 flush
postlog   unix-dgram n - n - 1 postlogd
"""

_MAIN: Final = {
    "compatibility_level": "3.6",
    "myhostname": "relay.example",
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "smtpd_relay_restrictions": "permit_mynetworks, reject",
    "smtpd_client_connection_count_limit": "0",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "smtp_host_lookup": "native",
    "disable_dns_lookups": "yes",
}


def program(name: str) -> str | None:
    """Find one of Postfix's programs, on the path or where systems keep it."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def missing() -> str | None:
    """Tell why Postfix cannot be run here; ``None`` when it can."""
    if program("postfix") is None:
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
    """One instance, running."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def log(self) -> str:
        """Return the whole mail log so far."""
        path = self.folder / "mail.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def is_empty(self) -> bool:
        """Tell whether no mail is in any queue: in the order of a mail's way, so that none slips by."""
        return not any(_holds_a_file(self.folder / "queue" / name) for name in _QUEUES)

    def command(self, verb: str) -> None:
        """Run ``postfix VERB``. Raises ``RuntimeError`` with what it said and logged."""
        command = [str(program("postfix")), "-c", str(self.folder / "config"), verb]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"postfix {verb}: {done.stderr}{self.log()[-3000:]}")


@contextlib.contextmanager
def running_postfix(relay_port: int, settings: Mapping[str, str] | None = None) -> Iterator[Postfix]:
    """Run a Postfix that relays to ``relay_port`` of the loopback; ``settings`` go to ``main.cf``. Ask ``missing`` beforehand.

    Its folder is a temporary one that Postfix's users can enter, on the disk that ``TMPDIR`` chooses.
    """
    folder = Path(tempfile.mkdtemp(prefix="postroom-postfix-"))
    try:
        folder.chmod(0o755)
        instance = Postfix(folder, free_port())
        _configure(instance, {"relayhost": f"[127.0.0.1]:{relay_port}", **(settings or {})})
        instance.command("start")
        try:
            yield instance
        finally:
            instance.command("stop")
    finally:
        shutil.rmtree(folder)


def _configure(instance: Postfix, settings: Mapping[str, str]) -> None:
    folder = instance.folder
    for name in ("config", "queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    places = {
        "queue_directory": f"{folder}/queue",
        "data_directory": f"{folder}/data",
        "maillog_file": f"{folder}/mail.log",
        "maillog_file_prefixes": str(folder),
    }
    lines = [f"{name} = {value}\n" for name, value in {**_MAIN, **places, **settings}.items()]
    (folder / "config" / "main.cf").write_text("".join(lines))
    (folder / "config" / "master.cf").write_text(_MASTER.format(port=instance.port))


def _holds_a_file(queue: Path) -> bool:
    """Tell whether a queue holds a mail; ``deferred`` is spread over folders."""
    with os.scandir(queue) as entries:
        return any(not entry.is_dir(follow_symlinks=False) or _holds_a_file(Path(entry.path)) for entry in entries)
