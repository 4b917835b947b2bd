"""Labels of a person's mailbox (ONLYOFFICE contract §1b Tags, §7.4 TagEngineTests)."""

from functools import partial

import pytest

from postroom.errors import Invalid, NotFound, TooLarge, WrongState
from postroom.messages import labels
from postroom.messages.items import Key
from postroom.messages.labels import NewLabel
from postroom.storage.store import Store
from postroom.storage.tables import labelled
from tests.messages.post_office import PostOffice, own
from tests.messages.school import at_once


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def make(post: PostOffice, name: str, user_id: int = 1) -> int:
    return post.run(labels.create, user_id, NewLabel(name=name))


def of(post: PostOffice, key: Key) -> list[int]:
    return post.run(labels.of_items, [key]).get(key, [])


def test_labels_come_newest_first_with_what_they_are_on(post: PostOffice) -> None:
    first = post.run(labels.create, 1, NewLabel(name=" A ", style="3", addresses=("a@x.example", " ")))
    second = make(post, "B")
    make(post, "A", user_id=2)
    post.run(labels.put, 1, first, [own(post.letter(1)), post.came(1, post.letter(2, "anna@uni.example"))])
    shown = post.run(labels.of_person, 1)
    assert [(one.id, one.name, one.style, one.addresses, one.items) for one in shown] == [
        (second, "B", "", (), 0),
        (first, "A", "3", ("a@x.example",), 2),
    ]


def test_what_a_name_must_be(post: PostOffice) -> None:
    first, second = make(post, "A"), make(post, "B")
    for name, error in (("a", WrongState), (" ", Invalid), ("x\ny", Invalid), ("x" * 256, TooLarge)):
        with pytest.raises(error):
            make(post, name)
        with pytest.raises(error):
            post.run(labels.change, 1, second, NewLabel(name=name))
    post.run(labels.change, 1, first, NewLabel(name="a", style="1"))
    assert [one.name for one in post.run(labels.of_person, 1)] == ["B", "a"]


def test_putting_and_taking(post: PostOffice) -> None:
    """§7.4: both are there after two sets, one is left after unset; twice is once."""
    key = own(post.letter(1))
    first, second = make(post, "A"), make(post, "B")
    for label in (second, first, first):
        post.run(labels.put, 1, label, [key])
    assert of(post, key) == [first, second]
    assert post.details(1, [key])[0].label_ids == [first, second]
    post.run(labels.take, 1, first, [key])
    assert of(post, key) == [second]
    post.run(labels.set_all, 1, key, [first, 99])
    assert of(post, key) == [first]
    post.run(labels.remove, 1, first)
    assert (of(post, key), post.rows(labelled)) == ([], [])


def test_nobody_labels_for_others(post: PostOffice) -> None:
    number = post.letter(1)
    mine, theirs = make(post, "A"), make(post, "A", user_id=2)
    for unit in (labels.put, labels.take):
        for wrong in (theirs, 0, 99, 2**40):
            with pytest.raises(NotFound):
                post.run(unit, 1, wrong, [own(number)])
    post.run(labels.put, 2, theirs, [own(number)])
    assert of(post, own(number)) == []
    for wrong in (mine, -1):
        with pytest.raises(NotFound):
            post.run(labels.remove, 2, wrong)
        with pytest.raises(NotFound):
            post.run(labels.change, 2, wrong, NewLabel(name="New"))
    with pytest.raises(NotFound):
        post.run(labels.set_all, 2, own(number), [theirs])


def test_a_label_that_goes_while_it_is_put(post: PostOffice) -> None:
    """Either it is put first and goes with it, or it is not there any more."""
    keys = [own(post.letter(1)) for _ in range(3)]
    for _ in range(8):
        label = make(post, "A")
        failed = at_once(
            partial(post.run, labels.put, 1, label, keys),
            partial(post.run, labels.set_all, 1, keys[0], [label]),
            partial(post.run, labels.remove, 1, label),
        )
        assert {type(error) for error in failed} <= {NotFound}
        assert post.rows(labelled) == []


def test_a_label_that_goes_while_a_letter_comes(post: PostOffice) -> None:
    """Nobody's sending fails because somebody else tidies up."""
    for _ in range(8):
        number = post.letter(2, "anna@uni.example")
        label = post.run(labels.create, 1, NewLabel(name="Otto", addresses=("otto@uni.example",)))
        failed = at_once(
            partial(post.run, labels.put_by_sender, number, "otto@uni.example"),
            partial(post.run, labels.put_on_own, 1, post.letter(1), "otto@uni.example"),
            partial(post.run, labels.remove, 1, label),
        )
        assert failed == []
        assert post.rows(labelled) == []


def test_what_comes_from_the_address_of_a_label_has_the_label(post: PostOffice) -> None:
    """§1b Tags, ``addresses``: by the address alone, in any case, with a name in front or not; from when it is settled on."""
    before = post.came(1, post.letter(2, "anna@uni.example"))
    office = post.run(labels.create, 1, NewLabel(name="Otto", addresses=('"O" <OTTO@uni.example>', "otto@uni.example", "no address")))
    other = post.run(labels.create, 2, NewLabel(name="Anna", addresses=("anna@uni.example",)))
    came = post.came(1, post.letter(2, "anna@uni.example"))
    assert [of(post, before), of(post, came)] == [[], [office]]
    answered = post.letter(1)
    assert [of(post, own(answered)), of(post, post.came(2, answered))] == [[], [other]]
    post.run(labels.change, 1, office, NewLabel(name="Otto", addresses=("somebody@else.example",)))
    assert of(post, post.came(1, post.letter(2, "anna@uni.example"))) == []


def test_other_messages_are_labelled_by_the_address_that_they_bear(post: PostOffice) -> None:
    """Whichever dialect they were written in: by the institutional address, else the primary one, of their author."""
    label = post.run(labels.create, 2, NewLabel(name="Anna", addresses=("anna@uni.example",)))
    desk = post.run(labels.create, 2, NewLabel(name="Office", addresses=("office@uni.example",)))
    office = post.address("office@uni.example", assigned_to=1)
    sent = [post.mail(1, user_ids=[2]), post.mail(1, user_ids=[2], from_address_id=office), post.write(1, 2).message_id]
    assert [of(post, post.came(2, number)) for number in sent] == [[label], [desk], [label]]


def test_a_label_may_name_no_address(post: PostOffice) -> None:
    """What is no address is kept as it was written, and labels nothing."""
    number = post.run(labels.create, 1, NewLabel(name="A", addresses=("nobody",)))
    assert [one.addresses for one in post.run(labels.of_person, 1, number)] == [("nobody",)]
    assert of(post, post.came(1, post.letter(2, "anna@uni.example"))) == []
