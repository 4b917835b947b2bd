"""Mail servers of people's accounts, with their logins there: one that sends (SMTP) and one that keeps mail (IMAP) for each account.

The password is encrypted, bound to the account and the server, and read back only to be used: what is shown of a server has none.
"""

from typing import Any, Final

from msgspec import structs
from sqlalchemy import Row, delete, insert, select

from postroom.directory import mail_accounts, mail_servers
from postroom.directory.mail_servers import Connection, Kind
from postroom.settings import Settings
from postroom.storage.database import Tx
from postroom.storage.secrets import Vault
from postroom.storage.tables import account_servers
from postroom.storage.tables import mail_accounts as accounts

_c: Final = account_servers.c


def keep(tx: Tx, vault: Vault, user_id: int, account_id: int, connection: Connection, *, kind: Kind, settings: Settings) -> None:
    """Let an account of a person have this server, in place of what it had.

    Without a password the one that is kept for the same server and user name stays: nobody can give back what is never shown.
    Raises ``NotFound("account", id)``, and as ``mail_servers.check``.
    """
    checked = mail_servers.check(settings, connection, kind)
    _lock(tx, user_id, account_id)
    stored = tx.execute(select(account_servers).where(_c.account_id == account_id, _c.kind == kind)).one_or_none()
    if stored is not None and checked == mail_servers.bare(stored):
        return
    tx.execute(delete(account_servers).where(_c.account_id == account_id, _c.kind == kind))
    values = {
        "account_id": account_id,
        "kind": kind,
        **mail_servers.columns(checked),
        "secret": vault.encrypt(checked.password, _purpose(account_id, kind, checked)),
    }
    tx.execute(insert(account_servers).values(values))


def of_person(tx: Tx, user_id: int) -> dict[int, dict[Kind, Connection]]:
    """Return the servers of a person's accounts, by the number of the account, without passwords; none for an account without."""
    found: dict[int, dict[Kind, Connection]] = {}
    for row in _rows(tx, user_id):
        found.setdefault(row.account_id, {})[row.kind] = mail_servers.bare(row)
    return found


def default(tx: Tx, vault: Vault, user_id: int, kind: Kind) -> Connection | None:
    """Return the server of a person's default account, with the password; ``None`` if it has none. One statement for who has none.

    Raises ``Unavailable`` when the password was encrypted with another secret key.
    """
    rows = {row.account_id: row for row in _rows(tx, user_id, kind)}
    if not rows:
        return None
    row = next((rows.get(account.id) for account in mail_accounts.of_person(tx, user_id) if account.is_default), None)
    if row is None:
        return None
    bare = mail_servers.bare(row)
    return structs.replace(bare, password=vault.decrypt(row.secret, _purpose(row.account_id, kind, bare)))


def forget(tx: Tx, user_id: int, account_id: int, kind: Kind) -> None:
    """Forget a server of an account, with the password, if it has one. Raises ``NotFound("account", id)``."""
    _lock(tx, user_id, account_id)
    tx.execute(delete(account_servers).where(_c.account_id == account_id, _c.kind == kind))


def _lock(tx: Tx, user_id: int, account_id: int) -> None:
    """Let others wait who change servers of this account too."""
    mail_accounts.get(tx, user_id, account_id)
    tx.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())


def _rows(tx: Tx, user_id: int, kind: Kind | None = None) -> list[Row[*tuple[Any, ...]]]:
    mine = select(account_servers).join(accounts, accounts.c.id == _c.account_id).where(accounts.c.user_id == user_id)
    return list(tx.execute(mine if kind is None else mine.where(_c.kind == kind)))


def _purpose(account_id: int, kind: Kind, connection: Connection) -> str:
    return f"account {account_id} {kind} {mail_servers.bound(connection)}"
