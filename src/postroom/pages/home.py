"""The page at the root, and the one for every address that is nobody's: whoever comes here by browser learns where they are."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from postroom.pages.headers import Language
from postroom.pages.html import Text, page

_HOME: Final[Mapping[Language, Text]] = {
    "pl": Text(
        "Postroom",
        (
            "To jest serwer poczty organizacji. Programy przekazują mu wiadomości, a on doręcza je adresatom.",
            "Z przeglądarki można tu pobrać załączniki, korzystając z odsyłaczy w otrzymanych wiadomościach.",
        ),
        (
            ("notifications", "Powiadomienia o prywatnych wiadomościach"),
            ("developers/api/", "Dokumentacja dla programistów (po angielsku)"),
        ),
    ),
    "en": Text(
        "Postroom",
        (
            "This is the mail server of an organisation. Programs hand it messages, and it delivers them to their recipients.",
            "With a browser you can download attachments here, through the links in the messages that you received.",
        ),
        (
            ("notifications", "Notifications of private messages"),
            ("developers/api/", "Reference for developers"),
        ),
    ),
}

_NOT_FOUND: Final[Mapping[Language, Text]] = {
    "pl": Text("Nie ma takiej strony", ("Pod tym adresem niczego nie ma. Sprawdź, czy adres został skopiowany w całości.",)),
    "en": Text("There is no such page", ("Nothing is kept at this address. Check that it was copied as a whole.",)),
}


async def home(request: Request) -> Response:
    """Say what this server is."""
    return page(request, _HOME)


async def not_found(request: Request) -> Response:
    """Answer 404 for an address that no part of the server knows."""
    return page(request, _NOT_FOUND, 404)
