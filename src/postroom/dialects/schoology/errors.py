"""The error vocabulary of the dialect: a status, and a sentence or nothing (wire/schoology.md §3.1). Here alone our errors become theirs.

There is no error object in this interface. A text goes out as a JSON string literal, or as the content of ``result`` in XML; that of a
401 as it is, since clients compare it (§2.2).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from postroom.dialects.oauth1 import Incomplete, Malformed, OAuthError, Replayed, Stale
from postroom.dialects.parameters import BadParameter
from postroom.errors import Forbidden, Invalid, NotFound, PostroomError, TooLarge, Unavailable, WrongState

_BAD_REQUEST: Final = 400
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_WRONG_VERB: Final = 405
_TOO_LARGE: Final = 413
_WRONG_TYPE: Final = 415
_TOO_OFTEN: Final = 429
_UNAVAILABLE: Final = 503

REPLAYED: Final = "Duplicate timestamp/nonce combination, possible replay attack.  Request rejected."
"""With two spaces, as clients compare it (§2.2)."""
SUBJECT: Final = "You must enter a message subject"
RECIPIENTS: Final = "Some or all of the recipients you entered are invalid"
_FIELDS: Final[Mapping[str, str]] = {"content": "message", "links": "attachments", "query": "search"}
"""Parameters of the core that have other names here."""
_UNSIGNED: Final = "Can't verify request, missing oauth_consumer_key or oauth_token"
_CHALLENGE: Final = {"WWW-Authenticate": 'OAuth realm="Schoology API"'}


class SchoologyError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, text: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        """What the body says; ``None``: the body is empty."""
        self.headers = headers or {}


def unauthorized(text: str) -> SchoologyError:
    """Make the error for a signature that is not accepted."""
    return SchoologyError(_UNAUTHORIZED, text, _CHALLENGE)


def unsigned() -> SchoologyError:
    """Make the error for a request without a signature."""
    return unauthorized(_UNSIGNED)


def unknown_caller(key: str, token: str | None) -> SchoologyError:
    """Make the error for a client or token that is not there, or no longer."""
    return unauthorized(f'The consumer_key "{key}" token "{token or ""}" combination does not exist or is not enabled.')


def forbidden() -> SchoologyError:
    """Make the error for a caller who may not do this; the body is an empty text (§3.1)."""
    return SchoologyError(_FORBIDDEN, "")


def not_found() -> SchoologyError:
    """Make the error for what is not there, or not for this caller: the two look alike on purpose."""
    return SchoologyError(_NOT_FOUND)


def wrong_verb(allowed: Sequence[str]) -> SchoologyError:
    """Make the error for a method that the path does not have."""
    return SchoologyError(_WRONG_VERB, headers={"Allow": ", ".join(allowed)})


def form_body() -> SchoologyError:
    """Make the error for the body of a form, which could be signed but is not taken (§2.1)."""
    return SchoologyError(_WRONG_TYPE, "The body must be sent as application/json or text/xml")


def too_often(seconds: int) -> SchoologyError:
    """Make the error for a client that calls too often, and may again in so many seconds."""
    return SchoologyError(_TOO_OFTEN, headers={"Retry-After": str(seconds)})


def invalid(text: str) -> SchoologyError:
    """Make the error for a request that breaks a rule."""
    return SchoologyError(_BAD_REQUEST, text)


def subject_required() -> SchoologyError:
    """Make the error for a message without a subject (§1.4)."""
    return invalid(SUBJECT)


def recipients_invalid() -> SchoologyError:
    """Make the error for recipients that are none, or none whom the sender may write to (§1.4, §7.1)."""
    return invalid(RECIPIENTS)


def translate(error: PostroomError | OAuthError | BadParameter) -> SchoologyError:
    """Translate an error of the core, of the signature, or of the query. Every class is mapped here, once."""
    match error:
        case OAuthError():
            answer = _of_signature(error)
        case BadParameter():
            answer = invalid(f"{error.name or 'query'}: {error.reason}")
        case NotFound():
            answer = not_found()
        case Invalid():
            known = error.parameter == "recipient_ids"
            answer = recipients_invalid() if known else _of_field(error.parameter, error.reason)
        case TooLarge(parameter="body"):
            answer = SchoologyError(_TOO_LARGE, f"The body is longer than {error.limit} bytes")
        case TooLarge():
            answer = _of_field(error.parameter, f"more than {error.limit}")
        case WrongState():
            answer = invalid("The state of the object does not allow this")
        case Forbidden():
            answer = forbidden()
        case Unavailable():
            message = "The service is not available now, nothing was changed. Try again later."
            answer = SchoologyError(_UNAVAILABLE, message, {"Retry-After": "10"})
        case _:
            raise error
    return answer


def _of_field(parameter: str, reason: str) -> SchoologyError:
    return invalid(f"{_FIELDS.get(parameter, parameter)}: {reason}")


def _of_signature(error: OAuthError) -> SchoologyError:
    """Say what is wrong with a signature in the words of §2.2; the base string is never told."""
    match error:
        case Replayed():
            return unauthorized(REPLAYED)
        case Stale():
            return unauthorized(
                f"Timestamp is out of sequence. Request rejected. Got {error.yours} last max is {error.ours} allowed skew is {error.window}"
            )
        case Incomplete() if error.names[0] == "oauth_consumer_key":
            return unsigned()
        case Incomplete():
            return unauthorized(f'Can\'t verify request signature, missing parameter "{error.names[0]}"')
        case Malformed():
            return unauthorized(f"Can't verify request signature. {error.message}")
        case _:
            return unauthorized("Verification of signature failed")
