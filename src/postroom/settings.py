"""Every setting, once, typed, with its default and what it is for; ``configuration`` reads them."""

from pathlib import Path
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

_SECRET: Final = {"secret": True}

DEFAULT_RELAY: Final = "default"
"""Name of the relay in ``[relay]``."""


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
    private_days: Annotated[int, Meta(ge=1, le=3650, description="Days that files of a private message can be fetched.")] = 365


class OAuthSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Signed requests and consent (OAuth 1.0), in every dialect that has them."""

    plaintext_over_http: Annotated[
        bool,
        Meta(
            description="Accept over plain HTTP what shows secrets: PLAINTEXT signatures, access_token, the page that asks for passwords."
        ),
    ] = False
    timestamp_window: Annotated[
        int, Meta(ge=1, le=3600, description="Seconds that oauth_timestamp may differ from the server's clock.")
    ] = 300
    token_lifetime: Annotated[
        int, Meta(ge=60, le=31_536_000, description="Seconds that an access token holds without the scope offline_access.")
    ] = 7_200


class ContactSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which people may write private messages to each other."""

    staff_roles: Annotated[list[str], Meta(description="Roles of people who count as staff.")] = field(
        default_factory=lambda: ["staff", "teacher"]
    )
    may_write_to: Annotated[
        dict[str, list[str]],
        Meta(description="Role of the sender (* is any other) and whom such a person may write to, see mailboxes.md."),
    ] = field(default_factory=lambda: {"*": ["everyone"]})


class SchoologySettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The Schoology dialect."""

    authorities: Annotated[
        list[str],
        Meta(
            description="Schemes and hosts, beside our own, that signatures may be made for: some clients have those of Schoology built in."
        ),
    ] = field(default_factory=lambda: ["http://api.schoology.com", "https://api.schoology.com"])
    strict: Annotated[
        bool,
        Meta(description="As the service is, GET and DELETE of /messages/{id} without a folder are refused; else they work as documented."),
    ] = True
    rate_limit: Annotated[int, Meta(ge=0, description="Requests of one client in 5 seconds at most, for one process. 0: no limit.")] = 0
    upload_without_answer: Annotated[
        bool, Meta(description="Answer the bytes of an upload with 204, as the PHP client wants it, instead of 200 and the file.")
    ] = False


class LetterSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Letters: mails that people send from their own addresses."""

    daemon: Annotated[str, Meta(description="Address that tells the author of a letter that it could not be delivered.")] = (
        "mail-daemon@onlyoffice.com"
    )
    max_stored_body: Annotated[
        int, Meta(ge=1, description="Characters of the stored body of a draft up to which it can be saved and sent.")
    ] = 524_288


class UsosSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The USOS API dialect."""

    administrative_mail: Annotated[
        bool,
        Meta(description="Only administrative consumers may call mailclient and csgroups; otherwise tokens with the scope mailclient too."),
    ] = False
    show_emails: Annotated[
        bool, Meta(description="Show the addresses of users to every program; otherwise they take rights, see usos.md.")
    ] = False
    timezone: Annotated[str, Meta(description="Time zone of the dates in answers (they carry no offset).")] = "Europe/Warsaw"
    contact_emails: Annotated[
        list[str], Meta(description="Addresses of those who look after the installation; services/apisrv/installation tells them.")
    ] = []
    max_mailing_body: Annotated[
        int, Meta(ge=1024, description="Largest body in bytes of a call that sends through services/mailing; of all others http.max_body.")
    ] = 67_108_864


class OnlyofficeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ONLYOFFICE dialect."""

    timezone: Annotated[str, Meta(description="Time zone of dates, in answers and in requests that name none.")] = "Europe/Warsaw"
    session_days: Annotated[int, Meta(ge=1, le=3650, description="Days that a token holds which a program got with a password.")] = 365
    rate_limit: Annotated[
        int, Meta(ge=0, description="Requests of one account from one address in 10 seconds at most, for one process. 0: no limit.")
    ] = 0
    max_body: Annotated[
        int, Meta(ge=1024, description="Largest request body in bytes, files not counted; http.max_body for whoever is not known yet.")
    ] = 8_388_608


class SuperofficeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The SuperOffice dialect."""

    tenants: Annotated[
        list[str], Meta(description="Names that may stand before /api in a path, such as Cust12345. Empty: none may; others get 421.")
    ] = []
    timezone: Annotated[str, Meta(description="Time zone of dates in answers and requests that name none.")] = "Europe/Warsaw"
    ticket_hours: Annotated[int, Meta(ge=1, le=8760, description="Hours that a ticket holds.")] = 6
    wait: Annotated[
        float, Meta(ge=0, le=300, description="Seconds that a call which sends waits for the outcomes before it answers what is known.")
    ] = 15.0
    outgoing_servers: Annotated[
        list[str],
        Meta(description="SMTP servers that clients may name, as host, *.host or host:port. Empty: those of our own relays only."),
    ] = []
    incoming_servers: Annotated[list[str], Meta(description="IMAP servers that clients may name, in the same form. Empty: none.")] = []
    rate_limit: Annotated[
        int, Meta(ge=0, description="Requests of one person from one address in 10 seconds at most, for one process. 0: no limit.")
    ] = 0
    max_body: Annotated[int, Meta(ge=1024, description="Largest request body in bytes; files are in it, in base64.")] = 67_108_864


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
    oauth: OAuthSettings = OAuthSettings()
    contacts: ContactSettings = ContactSettings()
    letters: LetterSettings = LetterSettings()
    usos: UsosSettings = UsosSettings()
    schoology: SchoologySettings = SchoologySettings()
    onlyoffice: OnlyofficeSettings = OnlyofficeSettings()
    superoffice: SuperofficeSettings = SuperofficeSettings()

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
