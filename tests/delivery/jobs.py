"""Claimed recipients and jobs, without a store."""

import itertools
from collections.abc import Iterator

from postroom.delivery.records import Due
from postroom.delivery.window import Job, domain_of
from postroom.messages.records import Lane
from tests.delivery.mails import skeleton

SKELETON = skeleton()

_numbers: Iterator[int] = itertools.count(1)


def claimed(email: str, lane: Lane = "bulk", *, number: int | None = None, message: int = 1) -> Due:
    """A recipient just claimed, with a number of its own unless one is given."""
    return Due(
        id=next(_numbers) if number is None else number,
        message_id=message,
        email=email,
        name="",
        role="to",
        lane=lane,
        attempts=1,
        ambiguous=False,
        expires_at=None,
    )


def job(*emails: str, lane: Lane = "bulk", relays: tuple[str, ...] = ("default",)) -> Job:
    """One mail to these addresses."""
    return Job(tuple(claimed(email, lane) for email in emails), SKELETON, relays, domain_of(emails[0]))


def jobs(domain: str, count: int, lane: Lane = "bulk") -> list[Job]:
    """So many mails to one domain."""
    return [job(f"{number}@{domain}", lane=lane) for number in range(count)]
