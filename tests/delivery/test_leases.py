"""What this worker has claimed, and until when that may be believed."""

from postroom.delivery.leases import Leases
from tests.delivery.jobs import claimed


def test_a_claim_is_held_until_its_time_is_over() -> None:
    leases, due = Leases(), claimed("a@x.example")
    assert not leases.holds(due, 0)
    leases.add([due], 100)
    assert leases.holds(due, 99)
    assert not leases.holds(due, 100)


def test_only_the_last_of_two_claims_of_one_recipient_counts() -> None:
    """The older one may still wait in a window: it is not sent, and giving it up does not give up the later one."""
    leases, older, later = Leases(), claimed("a@x.example", number=1), claimed("a@x.example", number=1)
    leases.add([older], 100)
    leases.add([later], 200)
    assert (leases.holds(older, 0), leases.holds(later, 0)) == (False, True)
    assert leases.give_up([older]) == []
    assert leases.holds(later, 0)
    assert leases.give_up([later]) == [1]
    assert leases.give_up([later]) == []
    assert (len(leases), leases.held_of(1)) == (0, 0)


def test_recipients_are_counted_by_message_each_once() -> None:
    leases = Leases()
    leases.add([claimed("a@x.example", number=1, message=7), claimed("b@x.example", number=2, message=7)], 10)
    leases.add([claimed("c@x.example", number=3, message=8), claimed("a@x.example", number=1, message=7)], 20)
    assert (leases.held_of(7), leases.held_of(8), leases.held_of(9)) == (2, 1, 0)
    leases.drop([1, 1, 3, 99])
    assert (leases.held_of(7), leases.held_of(8), leases.ids) == (1, 0, [2])


def test_a_renewal_prolongs_what_was_kept_and_forgets_what_was_lost() -> None:
    leases = Leases()
    kept, lost, not_asked, settled = (claimed("a@x.example", number=number) for number in range(1, 5))
    leases.add([kept, lost, not_asked, settled], 100)
    asked = [1, 2, 4]
    leases.drop([4])  # while the store was asked
    leases.renewed(asked, {1, 4}, 300)
    assert leases.ids == [1, 3]
    assert leases.holds(kept, 299)
    assert not leases.holds(not_asked, 150)
    assert not leases.holds(lost, 0)
    assert leases.held_of(1) == 2
