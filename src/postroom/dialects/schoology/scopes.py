"""The one scope of the dialect: its clients name none, so a token that comes of a person's consent has it."""

from collections.abc import Mapping
from typing import Final

SCOPE: Final = "schoology"

WORDS: Final[Mapping[str, str]] = {
    "pl": "czytanie, wysyłanie i usuwanie wiadomości prywatnych w Twoim imieniu",
    "en": "read, send and delete private messages in your name",
}
"""What a person allows with it, as one line of the consent page."""
