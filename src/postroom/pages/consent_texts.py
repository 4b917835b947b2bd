"""What the pages that log a person in and ask for consent say, in Polish and English."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from postroom.pages.headers import Language
from postroom.pages.html import Text


class Words(Struct, frozen=True, kw_only=True):
    """Words of both pages; ``{…}`` is filled in."""

    log_in: str
    log_in_for: str
    name: str
    password: str
    code: str
    needs_code: str
    wrong: str
    too_often: str
    stale: str
    asks: str
    wants: str
    wants_nothing: str
    its_page: str
    logged_in_as: str
    allow: str
    refuse: str
    other_person: str
    error: str


WORDS: Final[Mapping[Language, Words]] = {
    "pl": Words(
        log_in="Zaloguj się",
        log_in_for="Aby przejść do programu {client}, potwierdź, kim jesteś.",
        name="Identyfikator lub adres e-mail",
        password="Hasło",  # noqa: S106 - a word
        code="Kod z aplikacji, jeśli go używasz",
        needs_code="Podaj także kod z aplikacji.",
        wrong="Identyfikator, adres, hasło lub kod się nie zgadza. Spróbuj jeszcze raz.",
        too_often="Zbyt wiele nieudanych prób. Następna jest możliwa za {seconds} s.",
        stale="Ten formularz był za stary albo pochodził skądinąd. Wypełnij go jeszcze raz.",
        asks="{client} prosi o zgodę",
        wants="Program {client} prosi o zgodę na:",
        wants_nothing="Program {client} chce tylko dowiedzieć się, kim jesteś.",
        its_page="Strona programu:",
        logged_in_as="Zalogowana osoba: {person}.",
        allow="Zezwól",
        refuse="Odmów",
        other_person="Zaloguj się jako ktoś inny",
        error="Błąd",
    ),
    "en": Words(
        log_in="Log in",
        log_in_for="To go on to the program {client}, say who you are.",
        name="User name or e-mail address",
        password="Password",  # noqa: S106 - a word
        code="Code from your app, if you use one",
        needs_code="The code from your app is needed, too.",
        wrong="The user name, the address, the password or the code is wrong. Try again.",
        too_often="Too many wrong tries. The next one is possible in {seconds} s.",
        stale="This form was too old, or came from elsewhere. Fill it in again.",
        asks="{client} asks for your consent",
        wants="The program {client} asks to:",
        wants_nothing="The program {client} only wants to know who you are.",
        its_page="Its page:",
        logged_in_as="Logged in: {person}.",
        allow="Allow",
        refuse="Refuse",
        other_person="Log in as somebody else",
        error="Error",
    ),
}

OVER: Final[Mapping[Language, Text]] = {
    "pl": Text(
        "Tej prośby nie ma lub już się zakończyła",
        ("Na prośbę programu można odpowiedzieć tylko raz, w ciągu pół godziny.", "Wróć do programu i zacznij od nowa."),
    ),
    "en": Text(
        "This request is unknown or over",
        ("The request of a program can be answered once, within half an hour.", "Go back to the program and begin again."),
    ),
}

REFUSED: Final[Mapping[Language, Text]] = {
    "pl": Text("Odmowa", ("Program nie otrzymał zgody. Możesz zamknąć tę stronę.",)),
    "en": Text("Refused", ("The program got no consent. You may close this page.",)),
}

NOT_PRIVATE: Final[Mapping[Language, Text]] = {
    "pl": Text("Połączenie nie jest szyfrowane", ("Ta strona pyta o hasło, więc działa tylko przez HTTPS.",)),
    "en": Text("The connection is not encrypted", ("This page asks for a password, so it works over HTTPS only.",)),
}

DONE: Final[Mapping[Language, Text]] = {
    "pl": Text("Zgoda udzielona", ("Wróć do programu, który o nią prosił. Możesz zamknąć tę stronę.",)),
    "en": Text("Allowed", ("Go back to the program that asked. You may close this page.",)),
}

NOT_REGISTERED: Final[Mapping[Language, Text]] = {
    "pl": Text("Tego adresu powrotu program nie zgłosił", ("Nikogo o nic nie zapytano. Wróć do programu i zacznij od nowa.",)),
    "en": Text("The program has not registered where to send you back", ("Nothing was asked. Go back to the program and begin again.",)),
}

PIN: Final[Mapping[Language, Text]] = {
    "pl": Text("Twój PIN", ("Przepisz ten PIN do programu {client}. Nie podawaj go nikomu innemu i nigdzie indziej.",)),
    "en": Text("Your PIN", ("Type this PIN into the program {client}. Give it to nobody else, and nowhere else.",)),
}
