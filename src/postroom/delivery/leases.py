"""What this worker has claimed, and until when that may be believed."""

from collections import Counter
from collections.abc import Iterable, Sequence

from postroom.delivery.records import Due


class Leases:
    """The recipients that a worker holds, by number, and how many of each message."""

    def __init__(self) -> None:
        self._until: dict[int, int] = {}
        self._message: dict[int, int] = {}
        self._held: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._until)

    @property
    def ids(self) -> list[int]:
        """The numbers of all recipients held."""
        return list(self._until)

    def add(self, dues: Iterable[Due], until: int) -> None:
        """Note a claim that lasts until then (milliseconds)."""
        for due in dues:
            self._until[due.id] = until
            self._message[due.id] = due.message_id
            self._held[due.message_id] += 1

    def renewed(self, asked: Sequence[int], kept: set[int], until: int) -> None:
        """Note the result of a renewal; who was settled or released meanwhile stays out."""
        for number in asked:
            if number in kept and number in self._until:
                self._until[number] = until
        self.drop(number for number in asked if number not in kept)

    def drop(self, ids: Iterable[int]) -> None:
        """Forget recipients that are settled, released or lost."""
        for number in ids:
            if self._until.pop(number, None) is not None:
                message = self._message.pop(number)
                self._held[message] -= 1
                if not self._held[message]:
                    del self._held[message]

    def holds(self, number: int, at: int) -> bool:
        """Tell whether the claim on a recipient may still be believed at that time."""
        return self._until.get(number, 0) > at

    def held_of(self, message: int) -> int:
        """Return how many recipients of a message are held."""
        return self._held.get(message, 0)
