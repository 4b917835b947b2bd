"""What this worker has claimed, and until when that may be believed."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from postroom.delivery.records import Due


class _Lease(Struct):
    due: Due
    until: int


class Leases:
    """The claims of a worker, and how many recipients it holds of each message.

    A recipient whose lease ran out may be claimed anew while an older claim of it still waits in this worker: only the last
    one counts.
    """

    def __init__(self) -> None:
        self._leases: dict[int, _Lease] = {}
        self._held: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._leases)

    @property
    def ids(self) -> list[int]:
        """The numbers of all recipients held."""
        return list(self._leases)

    def add(self, dues: Iterable[Due], until: int) -> None:
        """Note a claim that lasts until then (milliseconds)."""
        for due in dues:
            if due.id in self._leases:
                self.drop([due.id])
            self._leases[due.id] = _Lease(due, until)
            self._held[due.message_id] += 1

    def renewed(self, asked: Sequence[int], kept: set[int], until: int) -> None:
        """Note the result of a renewal; who was settled or released meanwhile stays out."""
        for number in asked:
            if number in kept and number in self._leases:
                self._leases[number].until = until
        self.drop(number for number in asked if number not in kept)

    def drop(self, ids: Iterable[int]) -> None:
        """Forget recipients that are settled, released or lost."""
        for number in ids:
            lease = self._leases.pop(number, None)
            if lease is not None:
                message = lease.due.message_id
                self._held[message] -= 1
                if not self._held[message]:
                    del self._held[message]

    def give_up(self, dues: Iterable[Due]) -> list[int]:
        """Forget these very claims, and return the numbers of those that were not replaced by later ones."""
        mine = [due.id for due in dues if (lease := self._leases.get(due.id)) is not None and lease.due is due]
        self.drop(mine)
        return mine

    def holds(self, due: Due, at: int) -> bool:
        """Tell whether this very claim may still be believed at that time."""
        lease = self._leases.get(due.id)
        return lease is not None and lease.due is due and lease.until > at

    def held_of(self, message: int) -> int:
        """Return how many recipients of a message are held."""
        return self._held.get(message, 0)
