"""Where settings come from: a TOML file, overridden by the environment.

A setting ``relay.host`` stands in the file as ``host`` in the table ``[relay]`` and in the environment as
``POSTROOM_RELAY__HOST``. The file is the one that ``POSTROOM_CONFIG`` names, else ``postroom.toml`` in the working
directory, if there is one. ``postroom settings`` prints them all; values marked secret are never printed or logged.
"""

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from postroom import contact_terms
from postroom.mailbox import is_domain, is_mailbox
from postroom.settings import DEFAULT_RELAY, RelaySettings, RouteSettings, Settings

PREFIX: Final = "POSTROOM_"
_MIN_SECRET: Final = 32
_RELAY_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")
_TENANT: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")


class SettingsError(Exception):
    """A setting is unknown or has an invalid value; the text names it and its source."""


class Setting(Struct, frozen=True):
    """One setting as ``postroom settings`` shows it; the value of a secret one is never part of it."""

    name: str
    environment: str
    value: str
    default: str
    description: str
    secret: bool


def load(environment: Mapping[str, str] | None = None, file: Path | None = None) -> Settings:
    """Read the settings from ``file`` (or the one that applies, see the module) and ``environment``.

    Raises ``SettingsError`` for an unknown name, a value of the wrong kind, or a named file that is missing.
    """
    environment = os.environ if environment is None else environment
    values = _read_file(environment, file)
    for name, (path, kind) in _environment_names().items():
        if name in environment:
            _put(values, path, _from_text(name, environment[name], kind))
    unknown = [name for name in environment if name.startswith(PREFIX) and name not in _environment_names() and name != f"{PREFIX}CONFIG"]
    if unknown:
        msg = f"unknown setting {', '.join(sorted(unknown))}; 'postroom settings --toml' lists the known ones"
        raise SettingsError(msg)
    try:
        settings = msgspec.convert(values, Settings, strict=True, dec_hook=_decoded)
    except msgspec.ValidationError as error:
        raise SettingsError(_named(str(error))) from error
    _check(settings)
    return settings


def describe(settings: Settings) -> list[Setting]:
    """List every setting with its present value, in the order of the file."""
    defaults = Settings()
    return [
        Setting(
            name=".".join(path),
            environment=_environment_name(path),
            value=_shown(_get(settings, path), secret=secret),
            default=_shown(_get(defaults, path), secret=secret),
            description=meta.description or "",
            secret=secret,
        )
        for path, _, meta in _fields()
        for secret in [bool((meta.extra or {}).get("secret"))]
    ]


def template() -> str:
    """Return a settings file with every setting at its default, commented out, and what it is for."""
    lines = ["# Settings of Postroom. Remove the # before a setting to change it.", ""]
    table: tuple[str, ...] = ()
    for path, _, meta in _fields():
        if path[:-1] != table:
            table = path[:-1]
            lines += [f"[{'.'.join(table)}]", ""]
        value = _get(Settings(), path)
        lines += [f"# {meta.description}", f"# {path[-1]} = {_in_toml(value)}", ""]
    return "\n".join(lines)


def _in_toml(value: object) -> str:
    """Write a default: of what there is, only tables differ from JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_in_toml(part)}" for key, part in value.items()) + "}"
    return json.dumps(str(value) if isinstance(value, Path) else value)


def _check(settings: Settings) -> None:
    if settings.database.url and not _is_postgresql(settings.database.url):
        form = "postgresql://user:password@host:port/name is needed, or nothing for the embedded store"
        msg = f"database.url: {form}; in a password @, / and : are written %40, %2F and %3A"
        raise SettingsError(msg)
    if settings.secret_key and len(settings.secret_key) < _MIN_SECRET:
        msg = f"secret_key: {_MIN_SECRET} characters or more are needed"
        raise SettingsError(msg)
    if settings.http.public_url and urlsplit(settings.http.public_url).scheme not in {"http", "https"}:
        msg = "http.public_url: an http:// or https:// URL is needed"
        raise SettingsError(msg)
    _check_mail(settings)
    _check_relays(settings)
    _check_contacts(settings)
    _check_tenants(settings)
    for name, zone in [
        ("usos", settings.usos.timezone),
        ("onlyoffice", settings.onlyoffice.timezone),
        ("superoffice", settings.superoffice.timezone),
    ]:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SettingsError(f"{name}.timezone: the name of a time zone is needed, such as Europe/Warsaw") from error


def _check_tenants(settings: Settings) -> None:
    for tenant in settings.superoffice.tenants:
        if not _TENANT.fullmatch(tenant):
            raise SettingsError(f"superoffice.tenants: {tenant!r} is no name; letters, digits, - and _")
        if tenant.lower() == "developers":
            raise SettingsError("superoffice.tenants: 'developers' is where the pages about the interfaces are; take another name")


def _check_contacts(settings: Settings) -> None:
    for role, terms in settings.contacts.may_write_to.items():
        if not role.strip():
            raise SettingsError("contacts.may_write_to: a name of a role is needed, or * for any other")
        for term in terms:
            try:
                contact_terms.parse(term)
            except ValueError as error:
                raise SettingsError(f"contacts.may_write_to.{role}: {error}") from None


def _check_relays(settings: Settings) -> None:
    for name in settings.relays:
        if not _RELAY_NAME.fullmatch(name) or name == DEFAULT_RELAY:
            raise SettingsError(f"relays: {name!r} is no name; small letters, digits, - and _, and not {DEFAULT_RELAY!r}")
    for number, route in enumerate(settings.routes, 1):
        _check_route(f"routes: route {number}", route, settings)
    for name, relay in settings.all_relays.items():
        _check_relay("relay" if name == DEFAULT_RELAY else f"relays.{name}", relay)
    domains = [domain.lower() for domain in settings.domains]
    for domain in settings.domains:
        if not is_domain(domain):
            raise SettingsError(f"domains: {domain!r} is not a domain, or not in ASCII")
        if domains.count(domain.lower()) > 1:
            raise SettingsError(f"domains: {domain!r} is there twice; upper and lower case do not differ")


def _check_route(where: str, route: RouteSettings, settings: Settings) -> None:
    for name in route.relays:
        if name not in settings.all_relays:
            raise SettingsError(f"{where}: no relay {name!r}; there are {', '.join(settings.all_relays)}")
    for pattern in (*route.recipients, *route.senders):
        if pattern != "*" and not is_domain(pattern.removeprefix("*.")) and not (pattern in route.senders and is_mailbox(pattern)):
            raise SettingsError(f"{where}: {pattern!r} fits no address; a domain is needed, or *.domain, or *")


def _check_relay(where: str, relay: RelaySettings) -> None:
    if relay.auth == "xoauth2" and not relay.token_file:
        raise SettingsError(f"{where}: auth = xoauth2 needs token_file")
    for name, value in (("host", relay.host), ("helo", relay.helo)):
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise SettingsError(f"{where}.{name}: only ASCII without white space and control characters is allowed")


def _check_mail(settings: Settings) -> None:
    """Refuse what cannot stand in a header or a command: no mail at all could be made or handed over with it."""
    mail = settings.mail
    for name, domain in [("mail.domain", mail.domain), ("bounces.domain", settings.bounces.domain)]:
        if domain and not is_domain(domain):
            raise SettingsError(f"{name}: {domain!r} is not a domain, or not in ASCII")
    for name, address in [("mail.no_reply", mail.no_reply or f"no-reply@{mail.domain}"), ("mail.return_path", mail.return_path)]:
        if address and not is_mailbox(address):
            raise SettingsError(f"{name}: {address!r} is not an address, or not in ASCII")
    for address in settings.usos.contact_emails:
        if not is_mailbox(address):
            raise SettingsError(f"usos.contact_emails: {address!r} is not an address, or not in ASCII")
    if settings.bounces.listen and not settings.bounces.domain:
        raise SettingsError("bounces.listen: bounces.domain is needed too, else no mail would come back")
    if not mail.organisation.isprintable():
        raise SettingsError("mail.organisation: control characters and line breaks are not allowed")


def _is_postgresql(url: str) -> bool:
    try:
        parts = urlsplit(url)
        known_port = parts.port != 0  # reading the port raises when it is none
    except ValueError:
        return False
    return parts.scheme == "postgresql" and known_port and parts.netloc.count("@") <= 1  # else a part of the password would be the host


def _read_file(environment: Mapping[str, str], file: Path | None) -> dict[str, Any]:
    named = file or (Path(environment[f"{PREFIX}CONFIG"]) if environment.get(f"{PREFIX}CONFIG") else None)
    path = named or Path("postroom.toml")
    if named is None and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: {error.strerror if isinstance(error, OSError) else error}"
        raise SettingsError(msg) from error


def _fields(kind: type[Struct] = Settings, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Meta]]:
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if get_origin(hint) is Annotated:
            bare, meta = get_args(hint)[:2]
            yield (*above, name), bare, meta
        else:
            yield from _fields(hint, (*above, name))


def _environment_name(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(path).upper()


def _environment_names() -> dict[str, tuple[tuple[str, ...], Any]]:
    return {_environment_name(path): (path, kind) for path, kind, _ in _fields()}


def _from_text(name: str, text: str, kind: Any) -> Any:  # noqa: ANN401 - the kind is a type expression of the declarations above
    if kind == list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        if get_origin(kind) in {dict, list}:
            return msgspec.to_builtins(msgspec.json.decode(text, type=kind))
        return msgspec.convert(text, kind, strict=False, dec_hook=_decoded)
    except msgspec.DecodeError as error:  # no JSON at all, or not of this form
        msg = f"{name}: {error}{_choice(kind)}"
        raise SettingsError(msg) from error


def _choice(kind: Any) -> str:  # noqa: ANN401 - as above
    return f"; one of {', '.join(get_args(kind))}" if get_origin(kind) is Literal else ""


def _decoded(kind: type, value: object) -> object:
    """Make what msgspec has no form for: paths."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise msgspec.ValidationError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")


def _named(reason: str) -> str:
    """Say first where it is: ``Expected `int` - at `$.http.port` `` becomes ``http.port: expected `int` ``."""
    what, _, where = reason.partition(" - at `$.")
    name = where.rstrip("`")
    choice = "".join(_choice(kind) for path, kind, _ in _fields() if ".".join(path) == name)
    return f"{name}: {what[:1].lower()}{what[1:]}{choice}" if where else reason


def _put(values: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    values[path[-1]] = str(value) if isinstance(value, Path) else value


def _get(settings: Struct, path: tuple[str, ...]) -> object:
    value: object = settings
    for name in path:
        value = getattr(value, name)
    return value


def _shown(value: object, *, secret: bool) -> str:
    if secret:
        return "(set)" if value else "(not set)"
    if isinstance(value, dict):  # of relays the names alone, since they hold passwords
        return "; ".join(f"{name}: {', '.join(part)}" if isinstance(part, list) else name for name, part in value.items())
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    return str(value)
