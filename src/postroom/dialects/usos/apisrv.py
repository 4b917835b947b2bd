"""services/apisrv: the server's time, what this installation is, and what it knows of the consumer (wire/usos.md §1.6)."""

from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from postroom import __version__
from postroom.clock import SECOND
from postroom.dialects.endpoint import Access, Field, ObjectType, by_name, endpoint
from postroom.dialects.usos.arguments import selector
from postroom.dialects.usos.auth import administers
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.errors import LangDict
from postroom.dialects.usos.modules import Module
from postroom.dialects.usos.selectors import Selection, parse
from postroom.directory import contacts
from postroom.directory.contacts import Program
from postroom.settings import Settings

SPOKEN: Final = "7.3.0.0-0"
"""The version of USOS API whose interface this is, in the form that programs take apart to see what they can use."""

_MODULE: Final = "services/apisrv/"
_ANYBODY: Final = Access(consumer="ignored", token="ignored")  # noqa: S106 - a need, no token


class ConsumerView(Struct, frozen=True, kw_only=True):
    """A consumer, and what it may do in this call."""

    program: Program
    administrative_methods: list[str]
    token_scopes: list[str] | None
    zone: ZoneInfo


def _name(settings: Settings) -> LangDict:
    """Postroom knows one name of its organisation, which stands for both languages."""
    return {"pl": settings.mail.organisation, "en": settings.mail.organisation}


INSTITUTION: Final = ObjectType[Settings](
    method=_MODULE + "installation",
    fields=by_name(
        Field[Settings](name="id", description="ID of the organisation: its domain", value=lambda settings: settings.mail.domain),
        Field[Settings](name="name", description="name of the organisation by language", value=_name),
    ),
    default="id|name",
)

INSTALLATION: Final = ObjectType[Settings](
    method=_MODULE + "installation",
    fields=by_name(
        Field[Settings](
            name="base_url",
            description="address that the paths of methods are appended to; it begins with http:// even where HTTPS is spoken",
            value=lambda settings: "http://" + settings.public_url.partition("://")[2] + "/",  # for compatibility (§1.6)
        ),
        Field[Settings](
            name="version",
            description="version of the interface and of the program behind it, for people",
            value=lambda _: f"{SPOKEN} (Postroom {__version__})",
        ),
        Field[Settings](name="machine_version", description="version of the interface, for programs", value=lambda _: SPOKEN),
        Field[Settings](
            name="usos_schema_version", description="there is no USOS database: the same as machine_version", value=lambda _: SPOKEN
        ),
        Field[Settings](name="institution_name", description="name of the organisation by language", value=_name),
        Field[Settings](
            name="contact_emails",
            description="addresses of those who look after the installation",
            value=lambda settings: settings.usos.contact_emails,
        ),
        Field[Settings](name="institution", description="the organisation", value=lambda settings: settings, target=INSTITUTION),
        Field[Settings](name="schac_id", description="domain of the organisation", value=lambda settings: settings.mail.domain),
        Field[Settings](name="mcards_support", description="always false", value=lambda _: False),
        Field[Settings](name="mobile_usos_support", description="always false", value=lambda _: False),
    ),
    default="base_url|version|machine_version|usos_schema_version|institution_name|contact_emails",
)

CONSUMER: Final = ObjectType[ConsumerView](
    method=_MODULE + "consumer",
    fields=by_name(
        Field[ConsumerView](name="name", description="name of the program", value=lambda view: view.program.name),
        Field[ConsumerView](name="url", description="its page, or null", value=lambda view: view.program.contact.url),
        Field[ConsumerView](
            name="email",
            description="address of whoever is responsible for it, or an empty string",
            value=lambda view: view.program.contact.email,
        ),
        Field[ConsumerView](
            name="date_registered",
            description="day on which it got its key, yyyy-mm-dd",
            value=lambda view: datetime.fromtimestamp(view.program.created_at // SECOND, view.zone).date().isoformat(),
        ),
        Field[ConsumerView](
            name="administrative_methods",
            description="list of the administrative methods that it may call",
            value=lambda view: view.administrative_methods,
        ),
        Field[ConsumerView](
            name="token_scopes",
            description="list of the scopes of the access token that this call is signed with; null without one",
            value=lambda view: view.token_scopes,
        ),
        Field[ConsumerView](
            name="is_verified", description="always true: whoever looks after the installation has made the key", value=lambda _: True
        ),
    ),
    default="name",
)

_LISTED: Final = parse("base_url|version|institution_name|contact_emails", INSTALLATION)


class Nothing(Struct, frozen=True):
    """No arguments."""


class Shown(Struct, frozen=True):
    """Arguments of ``installation``."""

    fields: Annotated[Selection, selector(INSTALLATION, default=INSTALLATION.default)]


class Asked(Struct, frozen=True):
    """Arguments of ``consumer``."""

    fields: Annotated[Selection, selector(CONSUMER)]


@endpoint(_MODULE + "now", Nothing, access=_ANYBODY, returns="A string: date and time as yyyy-mm-dd hh:mm:ss.mmmmmm, in local time.")
async def now(call: Call, _given: Nothing) -> str:
    """Get the current time of the server."""
    second, rest = divmod(call.now, SECOND)
    return f"{datetime.fromtimestamp(second, call.zone):%Y-%m-%d %H:%M:%S}.{rest * 1_000:06d}"


@endpoint(
    _MODULE + "installation",
    Shown,
    access=_ANYBODY,
    returns="A dictionary of the selected fields and their values.",
    result=INSTALLATION,
)
async def installation(call: Call, given: Shown) -> dict[str, object]:
    """Get information on this installation."""
    return given.fields.render(call.store.settings)


@endpoint(
    _MODULE + "installations",
    Nothing,
    access=_ANYBODY,
    returns="A list of dictionaries with the fields base_url, version, institution_name and contact_emails of each installation.",
)
async def installations(call: Call, _given: Nothing) -> list[dict[str, object]]:
    """Get a list of all installations that this one knows of.

    It knows of itself only.
    """
    return [_LISTED.render(call.store.settings)]


@endpoint(
    _MODULE + "consumer",
    Asked,
    access=Access(consumer="required", token="optional"),  # noqa: S106 - a need, no token
    returns="A dictionary of the selected fields and their values.",
    result=CONSUMER,
)
async def consumer(call: Call, given: Asked) -> dict[str, object]:
    """Get information on the consumer whose signature the call carries."""
    settings = call.store.settings.usos
    view = ConsumerView(
        program=await call.read(contacts.program, call.client.key),
        administrative_methods=[one.name for module in call.modules for one in module.endpoints if administers(settings, call.client, one)],
        token_scopes=None if call.caller.token is None else sorted(call.caller.scopes),
        zone=call.zone,
    )
    return given.fields.render(view)


MODULE: Final = Module(
    name="services/apisrv",
    title="Server and consumer",
    summary="The server's time, this installation, and the consumer itself.",
    description="""\
Programs that know several installations ask each of them what it is; a program that was moved here from another one finds out
what it may call, and with which scopes its token was granted.""",
    endpoints=(consumer, installation, installations, now),
)
"""The module; its methods in the order of its page."""
