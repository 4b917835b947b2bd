"""Every setting, once, typed: from a TOML file, overridden by the environment.

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

from postroom.mailbox import is_domain, is_mailbox

PREFIX: Final = "POSTROOM_"
_SECRET: Final = {"secret": True}
_MIN_SECRET: Final = 32

DEFAULT_RELAY: Final = "default"
"""Name of the relay in ``[relay]``."""

_RELAY_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,30}")


class SettingsError(Exception):
    """A setting is unknown or has an invalid value; the text names it and its source."""


class HttpSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the API listens and how the world reaches it."""

    host: Annotated[str, Meta(description="Address that the API listens on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Port that the API listens on.")] = 8025
    public_url: Annotated[
        str, Meta(description="Base URL that clients and recipients use: signatures and links are made with it. Empty: http://host:port.")
    ] = ""
    trust_forwarded_from: Annotated[
        str, Meta(description="Addresses of reverse proxies whose X-Forwarded-* headers are believed, separated by commas.")
    ] = "127.0.0.1"
    max_body: Annotated[int, Meta(ge=1024, description="Largest request body in bytes, files of a multipart body not counted.")] = 1_048_576


class DatabaseSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the store is."""

    url: Annotated[
        str,
        Meta(
            description="postgresql://user:password@host/name for PostgreSQL. Empty: an SQLite file in data_dir.",
            extra=_SECRET,
        ),
    ] = ""
    connections: Annotated[
        int, Meta(ge=1, le=100, description="Connections of one process to PostgreSQL; SQLite needs no such number.")
    ] = 4

    def __repr__(self) -> str:
        return "DatabaseSettings(…)"


class MailSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the mail says of where it comes from."""

    domain: Annotated[str, Meta(min_length=1, description="Domain of Message-ID, List-Id and of the default no-reply address.")] = (
        "postroom.localhost"
    )
    organisation: Annotated[str, Meta(description="Name of the organisation, in signatures and the Organization header.")] = "Postroom"
    no_reply: Annotated[str, Meta(description="Address of mails that the server sends by itself. Empty: no-reply@domain.")] = ""
    return_path: Annotated[str, Meta(description="Envelope sender, where bounces go. Empty: the no-reply address.")] = ""
    own_domains: Annotated[
        list[str],
        Meta(description="Domains that may stand in From; a sender with an address elsewhere is named in Reply-To. Empty: any may."),
    ] = []


class RelaySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mail server that takes everything for the outside world."""

    host: Annotated[str, Meta(min_length=1, description="Host of the relay.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Port of the relay.")] = 25
    security: Annotated[
        Literal["none", "opportunistic", "starttls", "tls"],
        Meta(
            description="none; opportunistic (STARTTLS if offered, certificate unchecked); starttls (required); tls (from the first byte)."
        ),
    ] = "opportunistic"
    username: Annotated[str, Meta(description="User name for AUTH. Empty: no AUTH.")] = ""
    password: Annotated[str, Meta(description="Password for AUTH.", extra=_SECRET)] = ""
    auth: Annotated[
        Literal["auto", "plain", "login", "xoauth2"],
        Meta(description="How to log in: auto takes PLAIN, else LOGIN; xoauth2 sends an access token instead of the password."),
    ] = "auto"
    token_file: Annotated[
        str, Meta(description="File that holds the access token for xoauth2, read at each login: whoever renews the token writes it there.")
    ] = ""
    helo: Annotated[str, Meta(description="Name given in EHLO. Empty: mail.domain.")] = ""
    weight: Annotated[
        int, Meta(ge=0, le=1000, description="Share of the mail among the relays that could take it; 0: only when the others are down.")
    ] = 1
    connections: Annotated[int, Meta(ge=1, le=200, description="Connections to the relay at once, for one worker.")] = 20
    messages_per_connection: Annotated[int, Meta(ge=1, description="Messages sent over one connection before a new one is opened.")] = 1_000
    recipients_per_message: Annotated[
        int, Meta(ge=1, le=10_000, description="Recipients of one shared message (To, Cc, Bcc) that one transaction names at most.")
    ] = 100
    rate: Annotated[float, Meta(ge=0, description="Messages a second at most, for one worker. 0: as fast as it takes them.")] = 0.0
    domain_connections: Annotated[
        int, Meta(ge=0, description="Connections busy with one recipient domain at most. 0: three quarters while mail for others waits.")
    ] = 0
    domain_rate: Annotated[float, Meta(ge=0, description="Messages a second to one recipient domain at most. 0: no limit.")] = 0.0
    idle: Annotated[float, Meta(ge=0, description="Seconds that a connection without work stays open.")] = 5.0
    timeout: Annotated[float, Meta(gt=0, le=31_536_000, description="Seconds to wait for a connection or a reply of the relay.")] = 60.0

    def __repr__(self) -> str:
        return f"RelaySettings(host={self.host!r}, port={self.port})"


class RouteSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which relays take the mail of some senders to some recipients."""

    recipients: list[str] = []
    """Domains of recipients: ``uni.example``, ``*.uni.example`` (below it), ``*``. Empty: any."""
    senders: list[str] = []
    """Addresses in From, or their domains in the same form. Empty: any."""
    relays: Annotated[list[str], Meta(min_length=1)]
    """Names of relays."""

    def __str__(self) -> str:
        return f"{' '.join(self.senders) or '*'} → {' '.join(self.recipients) or '*'}: {' '.join(self.relays)}"


class DomainSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one recipient domain can bear, whichever relay the mail goes through."""

    connections: Annotated[int, Meta(ge=0)] = 0
    """Connections of one relay that are busy with it at most; 0: as the relay says."""
    rate: Annotated[float, Meta(ge=0)] = 0.0
    """Messages a second over one relay at most; 0: as the relay says."""


class DeliverySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long and how often delivery is tried."""

    retry_first: Annotated[
        float, Meta(gt=0, le=31_536_000, description="Seconds before the first retry of a deferred recipient; the pause doubles each time.")
    ] = 60.0
    retry_longest: Annotated[float, Meta(gt=0, le=31_536_000, description="Longest pause between two tries, in seconds.")] = 3600.0
    unknown_pause: Annotated[
        float, Meta(gt=0, le=31_536_000, description="Seconds before a recipient whose outcome is unknown is tried again.")
    ] = 900.0
    unknown_hold: Annotated[
        bool, Meta(description="Keep recipients whose outcome is unknown for a person to decide, instead of trying again.")
    ] = False
    expire_single: Annotated[float, Meta(gt=0, le=31_536_000, description="Hours after which a single mail is given up.")] = 48.0
    expire_bulk: Annotated[float, Meta(gt=0, le=31_536_000, description="Hours after which a mail of a mailing is given up.")] = 120.0
    bulk_from: Annotated[int, Meta(ge=2, description="Messages to this many recipients or more take the bulk lane.")] = 50
    lease: Annotated[
        float, Meta(ge=1, le=86_400, description="Seconds after which recipients claimed by a worker that fell silent return to the queue.")
    ] = 60.0
    suppress_days: Annotated[
        int,
        Meta(ge=0, description="Days that a hard bounce keeps an address on the suppression list. 0: it does not."),
    ] = 90


class BounceSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How mail that comes back finds its way to us."""

    domain: Annotated[
        str,
        Meta(description="Domain of the return paths, one for each recipient. Empty: all mail has mail.return_path."),
    ] = ""
    listen: Annotated[
        Literal["", "smtp", "lmtp"], Meta(description="Protocol that the worker takes bounces by. Empty: it does not listen.")
    ] = ""
    host: Annotated[str, Meta(min_length=1, description="Address that it listens on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="Port that it listens on.")] = 8024
    max_bytes: Annotated[int, Meta(ge=65_536, description="Largest bounce in bytes.")] = 1_048_576


class AttachmentSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be attached."""

    max_bytes: Annotated[
        int, Meta(ge=104_857_600, description="Largest attachment in bytes; never below 100 MB, which the USOS contract promises.")
    ] = 2_147_483_648


class UsosSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The USOS API dialect."""

    administrative_mail: Annotated[
        bool,
        Meta(description="Only administrative consumers may call services/mailclient; otherwise tokens with the scope mailclient may too."),
    ] = False
    plaintext_over_http: Annotated[
        bool, Meta(description="Accept PLAINTEXT signatures over plain HTTP; over HTTPS they are always accepted.")
    ] = False
    timezone: Annotated[str, Meta(description="Time zone of the dates in answers (they carry no offset).")] = "Europe/Warsaw"
    timestamp_window: Annotated[
        int, Meta(ge=1, le=3600, description="Seconds that oauth_timestamp may differ from the server's clock.")
    ] = 300


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration of one installation."""

    data_dir: Annotated[Path, Meta(description="Folder of the embedded database, the attachments and the secret key.")] = Path(
        "postroom-data"
    )
    secret_key: Annotated[
        str,
        Meta(
            description="Root of encryption and link signatures, 32 characters or more. Empty: a key file in data_dir, made when missing.",
            extra=_SECRET,
        ),
    ] = ""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least severe level that is logged.")] = "info"
    relays: Annotated[dict[str, RelaySettings], Meta(description="More relays beside the one in [relay], by name.")] = {}
    routes: Annotated[list[RouteSettings], Meta(description="Which relays take which mail; the first that fits holds.")] = []
    domains: Annotated[dict[str, DomainSettings], Meta(description="Limits for single recipient domains.")] = {}
    http: HttpSettings = HttpSettings()
    database: DatabaseSettings = DatabaseSettings()
    mail: MailSettings = MailSettings()
    relay: RelaySettings = RelaySettings()
    delivery: DeliverySettings = DeliverySettings()
    bounces: BounceSettings = BounceSettings()
    attachments: AttachmentSettings = AttachmentSettings()
    usos: UsosSettings = UsosSettings()

    def __repr__(self) -> str:
        return f"Settings(data_dir={str(self.data_dir)!r})"

    @property
    def public_url(self) -> str:
        """Base URL as clients see it, without a trailing slash."""
        return (self.http.public_url or f"http://{self.http.host}:{self.http.port}").rstrip("/")

    @property
    def database_file(self) -> Path:
        """Where the embedded store is, unless ``database.url`` names another store."""
        return self.data_dir / "postroom.sqlite3"

    @property
    def no_reply(self) -> str:
        """Address of mails that the server sends by itself."""
        return self.mail.no_reply or f"no-reply@{self.mail.domain}"

    @property
    def all_relays(self) -> dict[str, RelaySettings]:
        """Every relay by name; the one in ``[relay]`` is ``default``."""
        return {DEFAULT_RELAY: self.relay, **self.relays}

    @property
    def return_path(self) -> str:
        """Envelope sender of mails whose bounces do not come to us."""
        return self.mail.return_path or self.no_reply


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
        lines += [f"# {meta.description}", f"# {path[-1]} = {json.dumps(str(value) if isinstance(value, Path) else value)}", ""]
    return "\n".join(lines)


def _check(settings: Settings) -> None:
    if settings.database.url and not _is_postgresql(settings.database.url):
        msg = "database.url: postgresql://user:password@host:port/name is needed, or nothing for the embedded store"
        raise SettingsError(msg)
    if settings.secret_key and len(settings.secret_key) < _MIN_SECRET:
        msg = f"secret_key: {_MIN_SECRET} characters or more are needed"
        raise SettingsError(msg)
    if settings.http.public_url and urlsplit(settings.http.public_url).scheme not in {"http", "https"}:
        msg = "http.public_url: an http:// or https:// URL is needed"
        raise SettingsError(msg)
    _check_mail(settings)
    _check_relays(settings)
    try:
        ZoneInfo(settings.usos.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError("usos.timezone: the name of a time zone is needed, such as Europe/Warsaw") from error


def _check_relays(settings: Settings) -> None:
    for name in settings.relays:
        if not _RELAY_NAME.fullmatch(name) or name == DEFAULT_RELAY:
            raise SettingsError(f"relays: {name!r} is no name; small letters, digits, - and _, and not {DEFAULT_RELAY!r}")
    for number, route in enumerate(settings.routes, 1):
        for name in route.relays:
            if name not in settings.all_relays:
                raise SettingsError(f"routes: route {number}: no relay {name!r}; there are {', '.join(settings.all_relays)}")
    for name, relay in settings.all_relays.items():
        if relay.auth == "xoauth2" and not relay.token_file:
            raise SettingsError(f"relay {name}: auth = xoauth2 needs token_file")


def _check_mail(settings: Settings) -> None:
    """Refuse what cannot stand in a header or a command: no mail at all could be made or handed over with it."""
    mail = settings.mail
    for name, domain in [("mail.domain", mail.domain), ("bounces.domain", settings.bounces.domain)]:
        if domain and not is_domain(domain):
            raise SettingsError(f"{name}: {domain!r} is not a domain, or not in ASCII")
    for name, address in [("mail.no_reply", mail.no_reply or f"no-reply@{mail.domain}"), ("mail.return_path", mail.return_path)]:
        if address and not is_mailbox(address):
            raise SettingsError(f"{name}: {address!r} is not an address, or not in ASCII")
    for name, relay in settings.all_relays.items():
        if not (relay.helo.isascii() and relay.helo.isprintable()) or " " in relay.helo:
            where = "relay.helo" if name == DEFAULT_RELAY else f"relay.helo of {name}"
            raise SettingsError(f"{where}: only ASCII without white space and control characters is allowed")
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
    return parts.scheme == "postgresql" and known_port


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
    if isinstance(value, list | dict):
        return ", ".join(str(part) for part in value)
    return str(value)
