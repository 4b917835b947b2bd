"""Message-IDs of our own (docs/delivery.md, The mail; ONLYOFFICE contract §1a.6 step 1)."""

import pytest

from postroom.messages import message_ids
from postroom.storage.secrets import Vault

VAULT = Vault(b"a key for tests only, of no worth")


def test_ours_lead_back_to_their_message() -> None:
    for identifier in (message_ids.made(VAULT, "a.example", 7), message_ids.made(VAULT, "a.example", 7, 2**40)):
        assert message_ids.message_of(VAULT, identifier) == 7
        assert message_ids.message_of(VAULT, identifier.strip("<>")) == 7
        assert message_ids.message_of(VAULT, identifier.replace("a.example", "b.example")) == 7


@pytest.mark.parametrize(
    "given", ["", "<>", "7@a.example", f"7.{'x' * 16}@a.example", f"0.{'x' * 16}@a.example", "7." + "ж" * 16 + "@a", "a" * 10_000]
)
def test_foreign_and_forged_ones_lead_nowhere(given: str) -> None:
    assert message_ids.message_of(VAULT, given) is None
    other = message_ids.made(Vault(b"another key, another installation"), "a.example", 7)
    assert message_ids.message_of(VAULT, other) is None
    assert message_ids.message_of(VAULT, message_ids.made(VAULT, "a.example", 2**31)) is None
