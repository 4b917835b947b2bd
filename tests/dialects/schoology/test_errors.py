"""The error vocabulary (wire/schoology.md §2.2, §3.1): every class of ours is mapped, once."""

import pytest

from postroom import errors as core
from postroom.dialects import oauth1
from postroom.dialects.parameters import BadParameter
from postroom.dialects.schoology import errors
from tests.dialects.conftest import every_error

EXAMPLES: dict[type[Exception], tuple[Exception, int, str | None]] = {
    core.NotFound: (core.NotFound("thread", 1), 404, None),
    core.Invalid: (core.Invalid("uploads", "used already"), 400, "file-attachment: used already"),
    core.WrongState: (core.WrongState("draft_required"), 400, "The state of the object does not allow this"),
    core.Forbidden: (core.Forbidden("x"), 403, ""),
    core.TooLarge: (core.TooLarge("subject", 200), 400, "subject: more than 200"),
    core.Unavailable: (
        core.Unavailable("disk full"),
        503,
        "The service is not available now, nothing was changed. Try again later.",
    ),
    oauth1.Malformed: (oauth1.Malformed("Why."), 401, "Can't verify request signature. Why."),
    oauth1.Incomplete: (oauth1.Incomplete(["oauth_nonce", "x"]), 401, 'Can\'t verify request signature, missing parameter "oauth_nonce"'),
    oauth1.Stale: (
        oauth1.Stale(1, 9, 5),
        401,
        "Timestamp is out of sequence. Request rejected. Got 1 last max is 9 allowed skew is 5",
    ),
    oauth1.Replayed: (oauth1.Replayed("n"), 401, "Duplicate timestamp/nonce combination, possible replay attack.  Request rejected."),
    oauth1.Refused: (oauth1.Refused("x"), 401, "Verification of signature failed"),
}


def test_every_error_of_the_core_and_of_signatures_has_an_example_here() -> None:
    assert every_error() == set(EXAMPLES)


@pytest.mark.parametrize("kind", EXAMPLES, ids=lambda kind: kind.__name__)
def test_each_is_translated(kind: type[Exception]) -> None:
    error, status, text = EXAMPLES[kind]
    assert isinstance(error, core.PostroomError | oauth1.OAuthError)
    answer = errors.translate(error)
    assert (answer.status, answer.text) == (status, text)


def test_a_parameter_that_cannot_be_decoded() -> None:
    assert errors.translate(BadParameter("a", "why")).text == "a: why"
    assert errors.translate(BadParameter(None, "why")).text == "query: why"


def test_recipients_have_the_words_of_the_contract() -> None:
    """§1.4, §7.1: the same for one who is not there and for one who may not be written to."""
    assert errors.translate(core.Invalid("recipient_ids", "x")).text == "Some or all of the recipients you entered are invalid"


def test_a_body_that_is_too_long_is_413() -> None:
    assert errors.translate(core.TooLarge("body", 9)).status == 413


def test_a_new_kind_of_error_is_not_swallowed() -> None:
    class New(core.PostroomError):
        pass

    with pytest.raises(New):
        errors.translate(New())
