"""What became of letters so far (docs/superoffice.md, sending)."""

from sqlalchemy import update

from postroom.messages import letter_outcomes
from postroom.messages.letter_outcomes import Outcome
from postroom.storage.tables import recipients
from tests.messages.conftest import Office
from tests.messages.test_letters import send
from tests.support import counted

WAY = (("delivered", 250, "ok"), ("failed", 550, "no such person"), ("deferred", 451, "later"), ("sending", None, None))


def test_outcomes_count_everybody_by_what_is_known(office: Office) -> None:
    """One statement for all letters; only the words about who was not reached count."""
    many = send(office, to=tuple(f"r{number}@x.example" for number in range(4)))
    fresh = send(office)
    for number, (state, code, text) in enumerate(WAY):
        where = (recipients.c.message_id == many, recipients.c.email == f"r{number}@x.example")
        values = {"state": state, "reply_code": code, "reply_text": text}
        office.run(lambda tx, where=where, values=values: tx.execute(update(recipients).where(*where).values(values)) and None)
    with counted(office.store) as statements:
        found = office.run(letter_outcomes.of, [many, fresh])
    assert found == {
        many: Outcome(delivered=1, untried=1, waiting=2, reply="451 later"),
        fresh: Outcome(delivered=0, untried=1, waiting=1, reply=""),
    }
    assert len(statements) == 1


def test_a_letter_without_a_roll_is_known_of_nothing(office: Office) -> None:
    assert office.run(letter_outcomes.of, [4_711]) == {4_711: Outcome()}
