"""Items by Message-ID (SuperOffice contract §1.4: GetMailFromMessageId, GetMailFromInReplyTo, SetRepliedAt)."""

import pytest

from postroom.messages import filing, identified, items
from postroom.messages.item_details import load
from postroom.messages.items import Key
from postroom.storage.store import Store
from tests.messages.conftest import NOW
from tests.messages.post_office import PostOffice
from tests.support import counted


@pytest.fixture
def post(store: Store) -> PostOffice:
    return PostOffice(store)


def found(post: PostOffice, user_id: int, identifier: str) -> Key | None:
    one = post.run(identified.find, post.store.vault, user_id, identifier)
    return None if one is None else one.key


def answering(post: PostOffice, user_id: int, identifier: str) -> Key | None:
    one = post.run(identified.answering, post.store.vault, user_id, identifier)
    return None if one is None else one.key


def test_a_message_id_leads_its_author_and_its_recipient_to_their_own_item(post: PostOffice) -> None:
    number = post.letter(1)
    stranger = post.person("Max", email="max@uni.example")
    identifier = post.identifier(1, Key(own=True, id=number))
    assert found(post, 1, identifier) == found(post, 1, f" <{identifier}> ") == Key(own=True, id=number)
    assert found(post, 2, identifier) == post.came(2, number)
    assert found(post, stranger, identifier) is None
    assert found(post, 1, identifier.replace(".", ".x", 1)) is None  # forged
    assert found(post, 1, "") is found(post, 1, "x\0y@z") is found(post, 1, "other@elsewhere.example") is None


def test_what_one_sent_to_oneself_is_what_came(post: PostOffice) -> None:
    number = post.letter(1, "anna@uni.example")
    assert found(post, 1, post.identifier(1, Key(own=True, id=number))) == post.came(1, number)


def test_answers_are_found_by_what_they_answer(post: PostOffice) -> None:
    first = post.letter(1)
    identifier = post.identifier(2, post.came(2, first))
    assert answering(post, 1, identifier) is None
    post.letter(2, "anna@uni.example", subject="Re: Hello", mime_reply_to=identifier)
    second = post.letter(2, "anna@uni.example", subject="Re: Hello", mime_reply_to=f"<{identifier}>")
    assert answering(post, 1, identifier) == post.came(1, second)
    assert answering(post, 2, f"<{identifier}>") == Key(own=True, id=second)
    assert answering(post, post.person("Max"), identifier) is None


def test_answers_to_foreign_mails_are_found_by_their_author(post: PostOffice) -> None:
    number = post.letter(1, subject="Re: X", mime_reply_to="<a.b@elsewhere.example>")
    assert answering(post, 1, "a.b@elsewhere.example") == Key(own=True, id=number)
    assert answering(post, 2, "<a.b@elsewhere.example>") is None
    assert answering(post, 1, "a\0b") is None


def test_finding_takes_a_few_statements(post: PostOffice) -> None:
    number = post.letter(1)
    identifier = post.identifier(1, Key(own=True, id=number))
    post.letter(2, "anna@uni.example", subject="Re: Hello", mime_reply_to=identifier)
    with counted(post.store) as statements:
        found(post, 2, identifier)
    assert len(statements) <= 4
    with counted(post.store) as statements:
        answering(post, 1, identifier)
    assert len(statements) <= 5


def test_what_somebody_says_to_have_answered_counts_as_answered(post: PostOffice) -> None:
    """SetRepliedAt: for this person alone; and what is none of theirs stays as it is."""
    number = post.letter(1)
    came = post.came(2, number)
    assert not post.details(2, [came])[0].answered
    post.run(filing.mark_replied, 1, [came], NOW)  # of somebody else
    assert post.details(2, [came])[0].replied_at is None
    post.run(filing.mark_replied, 2, [came], NOW + 5)
    assert post.details(2, [came])[0].replied_at == NOW + 5
    assert not post.details(1, [Key(own=True, id=number)])[0].answered


def test_an_answer_of_ours_tells_when_it_was_sent(post: PostOffice) -> None:
    number = post.letter(1)
    came = post.came(2, number)
    post.letter(2, "anna@uni.example", subject="Re: Hello", mime_reply_to=post.identifier(2, came))
    assert post.details(2, [came])[0].replied_at == post.now


def test_html_is_as_it_was_written_for_those_who_ask_so(post: PostOffice) -> None:
    """GetUnsanitizedEMail beside GetEMail."""
    number = post.letter(1, body="<p onclick='x()'>Hi</p><script>evil()</script>")
    one = post.run(items.get, 1, Key(own=True, id=number))
    (safe,) = post.run(load, post.reader, [one], whole=True)
    (raw,) = post.run(load, post.reader, [one], whole=True, safe=False)
    assert safe.content == "<p>Hi</p>"
    assert raw.content == "<p onclick='x()'>Hi</p><script>evil()</script>"


def test_message_ids_that_programs_gave_lead_to_their_mails(post: PostOffice) -> None:
    """And answers to such mails belong to them: in the thread of the mail, for whoever got it."""
    number = post.letter(1, identifier="order-7@crm.example")
    came = post.came(2, number)
    assert found(post, 2, "<order-7@crm.example>") == came
    assert found(post, 1, "order-7@crm.example") == Key(own=True, id=number)
    assert found(post, post.person("Max"), "order-7@crm.example") is None
    answer = post.letter(2, "anna@uni.example", subject="Re: Hello", mime_reply_to="<order-7@crm.example>")
    assert answering(post, 1, "order-7@crm.example") == post.came(1, answer)
    assert post.details(2, [came])[0].answered
    assert post.details(1, [post.came(1, answer)])[0].thread_id == number
