"""services/mailing: send one text with values that differ for each recipient (wire/usos.md §1.5 row 3, §7)."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Raw, Struct

from postroom.dialects.endpoint import endpoint
from postroom.dialects.usos.arguments import json, text
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.mailing.common import ACCESS, MODULE, FromEmail, FromName, Lang, SummaryTo, letter, max_body
from postroom.errors import Invalid, TooLarge
from postroom.messages import mailing_templates
from postroom.messages.mailing_templates import MAX_CONTENT_TEMPLATE, MAX_SUBJECT_TEMPLATE, Addressee, Sheet, TemplateMailing
from postroom.messages.mailings import MAX_TOGETHER

_EMAIL: Final = "email"
_VARS: Final = "vars"

_ENTRIES: Final = msgspec.json.Decoder(list[dict[str, Raw]])
_VARIABLES: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str)


class ByTemplate(Struct, frozen=True):
    """Arguments of ``send_simple_by_template``."""

    subject_template: Annotated[str, text("Subject with placeholders {name}.", MAX_SUBJECT_TEMPLATE, required=True)]
    content_template: Annotated[str, text("Content with placeholders {name}; plain text.", MAX_CONTENT_TEMPLATE, required=True)]
    recipients: Annotated[
        str,
        json('List of dictionaries {"email": address, "vars": {name: value}}, at most 50,000; each gets one mail.'),
    ]
    from_name: FromName
    from_email: FromEmail
    send_summary_to: SummaryTo
    lang: Lang


@endpoint(
    MODULE + "send_simple_by_template",
    ByTemplate,
    access=ACCESS,
    returns="A list of message IDs, one for each of the recipients, in their order.",
    sends=True,
    max_body=max_body,
)
async def send_simple_by_template(call: Call, given: ByTemplate) -> Any:  # noqa: ANN401 - the list, as it is kept for repeated calls
    """Send a message to each recipient, made from a template.

    {name} in the templates is replaced with the value of that name; a brace is written twice: {{ and }}. With its values the
    subject may have 200 characters, the content 15,000. Either all mails are queued or none.
    """
    mailing = await asyncio.to_thread(_read, given)
    return await call.send(mailing_templates.send, call.store.settings, call.client.id, mailing, call.now)


def _read(given: ByTemplate) -> TemplateMailing:
    sheet = Sheet(letter(given, given.subject_template, given.content_template, "plain"))
    try:
        entries = _ENTRIES.decode(given.recipients)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid("recipients", f"no list of dictionaries in JSON: {error}") from None
    if len(entries) > MAX_TOGETHER:
        raise TooLarge("recipients", MAX_TOGETHER)
    return sheet.mailing([_addressee(sheet, place, entry) for place, entry in enumerate(entries, 1)])


def _addressee(sheet: Sheet, place: int, entry: Mapping[str, Raw]) -> Addressee:
    if _EMAIL not in entry:
        raise Invalid("recipients", f"recipient {place}: no email")
    try:
        email = _TEXT.decode(entry[_EMAIL])
        given = _VARIABLES.decode(entry[_VARS]) if _VARS in entry else {name: value for name, value in entry.items() if name != _EMAIL}
    except msgspec.DecodeError as error:
        raise Invalid("recipients", f"recipient {place}: email is to be a text, vars a dictionary: {error}") from None
    return sheet.addressee(place, email, {name: _value(place, name, given[name]) for name in sheet.names if name in given})


def _value(place: int, name: str, raw: Raw) -> str:
    """Return a value as text: of numbers and truth values, what stands in the JSON."""
    encoded = bytes(raw)
    if encoded[:1] == b'"':
        return _TEXT.decode(encoded)
    if encoded[:1] in b"[{n":
        raise Invalid("recipients", f"recipient {place}: the value of {{{name}}} is no text, number or truth value")
    return encoded.decode()
