"""What carriers are made of (wire/superoffice.md §4.5)."""

from enum import IntEnum, IntFlag

import pytest

from postroom.dialects.superoffice.carriers import CalMethod, CalReplyStatus, EMailFlags, EMailPriority
from postroom.dialects.superoffice.wire_types import word


@pytest.mark.parametrize(
    ("chosen", "numbers"),
    [
        (EMailPriority, {"NoPriority": 0, "Highest": 1, "High": 2, "Normal": 3, "Low": 4, "Lowest": 5}),
        (EMailFlags, {"None": 0, "Seen": 1, "Deleted": 2, "Recent": 4, "Flagged": 8, "Draft": 16, "Answered": 32}),
        (
            CalMethod,
            {
                "Unknown": 0,
                "Add": 1,
                "Cancel": 2,
                "Counter": 3,
                "DeclineCounter": 4,
                "Publish": 5,
                "Refresh": 6,
                "Reply": 7,
                "Request": 8,
            },
        ),
        (CalReplyStatus, {"Unknown": 0, "Accepted": 1, "Declined": 2, "Tentative": 3}),
    ],
)
def test_choices_have_the_published_names_and_numbers(chosen: type[IntEnum | IntFlag], numbers: dict[str, int]) -> None:
    """§4.5: clients send either."""
    assert {word(one): int(one) for one in chosen.__members__.values()} == numbers
