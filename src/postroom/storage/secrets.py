"""Secrets at rest and signatures of our own, all derived from the one secret key of the installation.

The key comes from the setting ``secret_key``, else from a file in the data folder that is made, readable by its owner
only, at the first start. Whoever has the key can read stored secrets and make links, so it is never printed or logged.
"""

import base64
import binascii
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from postroom.errors import Unavailable
from postroom.settings import Settings

_NONCE_BYTES: Final = 12
_KEY_FILE: Final = "secret.key"
_SHORTEST_KEY: Final = 32
_REMEMBERED: Final = 1_024
"""Secrets that a process keeps open in memory, where the key is too."""
_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


class Vault:
    """Encrypts what must be read back, and signs what we give away; holds derived keys only."""

    def __init__(self, master: bytes) -> None:
        """Derive the keys from ``master``, at least 16 bytes of it secret."""
        self._cipher = AESGCM(_derive(master, b"postroom encryption"))
        self._signing = _derive(master, b"postroom signatures")
        self._opened = lru_cache(_REMEMBERED)(self._open)  # every request of a program needs its secret

    def __repr__(self) -> str:
        return "Vault(…)"

    def encrypt(self, plain: str, purpose: str) -> str:
        """Encrypt with AES-256-GCM; ``purpose`` is bound to the result and must be given again to decrypt it."""
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, plain.encode(), purpose.encode())).decode("ascii")

    def decrypt(self, sealed: str, purpose: str) -> str:
        """Reverse ``encrypt``. Raises ``Unavailable`` when the secret key is another one than at encryption."""
        return self._opened(sealed, purpose)

    def _open(self, sealed: str, purpose: str) -> str:
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], purpose.encode()).decode()
        except InvalidTag:
            raise Unavailable("a stored secret was encrypted with another secret_key") from None

    def sign(self, purpose: str, data: str) -> str:
        """Return 32 URL-safe characters (192 bits) that only this installation can make for ``data``."""
        digest = hmac.digest(self._signing, f"{purpose}\0{data}".encode(), "sha256")
        return binascii.b2a_base64(digest[:24], newline=False).translate(_URL_SAFE).decode("ascii")

    def verify(self, purpose: str, data: str, signature: str) -> bool:
        """Compare ``signature`` with the right one, in constant time."""
        return hmac.compare_digest(self.sign(purpose, data).encode(), signature.encode())


def open_vault(settings: Settings) -> Vault:
    """Open the vault of this installation, making the key file when neither it nor the setting is there.

    Raises ``Unavailable`` when the key file can neither be read nor written, or holds no whole key.
    """
    if settings.secret_key:
        return Vault(settings.secret_key.encode())
    try:
        return Vault(_key_file(settings.data_dir / _KEY_FILE))
    except OSError as error:
        raise Unavailable(f"secret key: {error}") from error


def _key_file(path: Path) -> bytes:
    """Read the key; several processes may start at once, so the file is put in place whole, and the first one wins."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(own, path)
        except FileExistsError:
            pass
        finally:
            own.unlink()
    key = path.read_bytes().strip()
    if len(key) < _SHORTEST_KEY:  # a copy that broke off, say: links signed with it could be guessed
        raise Unavailable(f"secret key: {path} holds less than {_SHORTEST_KEY} characters; put the right file back")
    return key


def _derive(master: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=purpose).derive(master)
