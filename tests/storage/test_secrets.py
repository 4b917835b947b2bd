"""Secrets at rest and signatures of our own (storage/secrets.py)."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.errors import Unavailable
from postroom.settings import Settings
from postroom.storage.secrets import Vault, open_vault

VAULT = Vault(b"a key for tests only, of no worth at all")
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT)
def test_what_is_encrypted_comes_back(plain: str, purpose: str) -> None:
    sealed = VAULT.encrypt(plain, purpose)
    assert VAULT.decrypt(sealed, purpose) == plain
    assert sealed.isascii()


def test_the_same_secret_never_looks_the_same() -> None:
    assert VAULT.encrypt("secret", "p") != VAULT.encrypt("secret", "p")


def test_another_key_or_purpose_does_not_open_it() -> None:
    sealed = VAULT.encrypt("secret", "client")
    with pytest.raises(Unavailable, match="secret_key"):
        Vault(b"another key, just as worthless as the first").decrypt(sealed, "client")
    with pytest.raises(Unavailable):
        VAULT.decrypt(sealed, "token")


@given(TEXT, st.text())
def test_no_text_but_the_signature_is_the_signature(data: str, guess: str) -> None:
    """Whatever a client sends: no error, and no luck."""
    right = VAULT.sign("link", data)
    assert VAULT.verify("link", data, right)
    if not any(0xD800 <= ord(character) < 0xE000 for character in guess):
        assert VAULT.verify("link", data, guess) == (guess == right)


def test_a_signature_holds_for_one_purpose_and_one_thing() -> None:
    signature = VAULT.sign("link", "17")
    assert len(signature) == 32
    assert not VAULT.verify("link", "18", signature)
    assert not VAULT.verify("other", "17", signature)
    assert not Vault(b"another key, just as worthless as the first").verify("link", "17", signature)


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    signature = open_vault(settings).sign("p", "d")
    assert open_vault(settings).verify("p", "d", signature)
    assert stat.S_IMODE((tmp_path / "new" / "secret.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["secret.key"]


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        signatures = set(pool.map(lambda _: open_vault(Settings(data_dir=tmp_path)).sign("p", "d"), range(16)))
    assert len(signatures) == 1


def test_the_setting_wins_and_no_file_is_made(tmp_path: Path) -> None:
    open_vault(Settings(data_dir=tmp_path, secret_key="x" * 32))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="secret key"):
        open_vault(Settings(data_dir=tmp_path / "file"))


@pytest.mark.parametrize("content", [b"", b"\n" * 64, b"x" * 31])
def test_a_key_file_that_was_cut_off_is_no_key(tmp_path: Path, content: bytes) -> None:
    """Design 1.5: with an empty key everybody could sign links."""
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(Unavailable, match="put the right file back"):
        open_vault(Settings(data_dir=tmp_path))
    assert (tmp_path / "secret.key").read_bytes() == content


def test_nothing_shows_the_key() -> None:
    assert repr(VAULT) == "Vault(…)"
