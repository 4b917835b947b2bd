"""A real Dovecot for tests: unprivileged, on loopback ports, everything below one folder, its Maildir read back as files."""

import contextlib
import grp
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from postroom.messages.copies import ImapAccount
from tests.delivery.certificates import server_context
from tests.processes import free_port, listening, until

DOVECOT = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/sbin")

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
auth_failure_delay = 0
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_home = {folder}/mail/%u
mail_location = maildir:~/Maildir
mail_save_crlf = yes
mail_plugins = quota
plugin {{
  quota = maildir:User quota
}}
disable_plaintext_auth = no
auth_mechanisms = {mechanisms}
listen = 127.0.0.1
protocols = imap
ssl = yes
ssl_cert = <{folder}/both.pem
ssl_key = <{folder}/both.pem
namespace inbox {{
  inbox = yes
  prefix = {prefix}
  separator = {separator}
}}
passdb {{
  driver = passwd-file
  args = {folder}/passwd
}}
userdb {{
  driver = passwd-file
  args = {folder}/passwd
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service auth {{
  unix_listener {folder}/sasl {{
    mode = 0666
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
"""

PASSWORDS = {"ala": "Kot w butach", "ola": "zażółć gęślą", "ula": "hidden", "full": "no room"}
"""Who has a mailbox; that of ``full`` takes 1,000 bytes in all."""


def missing() -> str | None:
    """Why no Dovecot can be started here."""
    return None if DOVECOT else "Dovecot is not installed (Debian: dovecot-imapd)"


class Dovecot:
    """An instance that can be stopped and started again; settings of its own below ``folder``."""

    def __init__(self, folder: Path, *, prefix: str = "", separator: str = "/", mechanisms: str = "plain") -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self._owner: dict[str, Any] = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []} if os.geteuid() == 0 else {}
        self.sasl = folder / "sasl"
        """Where other servers ask about logins."""
        _, self.certificate = server_context(folder)
        lines = [f"{user}:{{PLAIN}}{password}:{owner.pw_uid}:{owner.pw_gid}::::{_quota(user)}" for user, password in PASSWORDS.items()]
        (folder / "passwd").write_text("\n".join(lines) + "\n")
        (folder / "dovecot.conf").write_text(
            CONFIG.format(
                folder=folder,
                user=owner.pw_name,
                group=grp.getgrgid(owner.pw_gid).gr_name,
                port=self.port,
                tls_port=self.tls_port,
                prefix=prefix,
                separator=separator,
                mechanisms=mechanisms,
            )
        )
        folder.chmod(0o711)  # for other servers, which run as somebody else
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert DOVECOT is not None
        # -F: in the foreground, so that it is our child and ends with us
        self._process = subprocess.Popen(
            [DOVECOT, "-F", "-c", str(self.folder / "dovecot.conf")], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._owner
        )
        until(self._ready, 20)

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        return listening(self.port) and listening(self.tls_port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def log(self) -> str:
        path = self.folder / "dovecot.log"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def account(self, user: str = "ala", **changes: Any) -> ImapAccount:
        """The account of a user, over STARTTLS unless ``changes`` say otherwise."""
        values = {"host": "127.0.0.1", "port": self.port, "security": "starttls", "username": user, "password": PASSWORDS[user]}
        return ImapAccount(**{**values, "folder": "Sent", **changes})

    def kept(self, folder: str = "Sent", user: str = "ala") -> list[tuple[str, bytes]]:
        """The messages of a folder (named as Maildir++ does) as pairs of flags and bytes, oldest first."""
        place = self.folder / "mail" / user / "Maildir" / f".{folder}"
        files = sorted([*place.glob("cur/*"), *place.glob("new/*")], key=_arrival)
        return [(path.name.rpartition(":2,")[2], path.read_bytes()) for path in files]

    def subscriptions(self, user: str = "ala") -> list[str]:
        path = self.folder / "mail" / user / "Maildir" / "subscriptions"
        return [line for line in path.read_text().splitlines() if line] if path.exists() else []


def _arrival(path: Path) -> tuple[int, ...]:
    """When a file of a Maildir was made: seconds and microseconds in its name, which are numbers of any length."""
    found = re.match(r"(\d+)\.M(\d+)", path.name)
    assert found is not None, path.name
    return tuple(map(int, found.groups()))


def _quota(user: str) -> str:
    return "userdb_quota_rule=*:bytes=1000" if user == "full" else ""


@contextlib.contextmanager
def running(**options: str) -> Iterator[Dovecot]:
    """A started Dovecot until left. Its folder lies outside of pytest's own ones, which are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="postroom-dovecot-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        dovecot = Dovecot(Path(name), **options)
        dovecot.start()
        try:
            yield dovecot
        finally:
            dovecot.stop()
