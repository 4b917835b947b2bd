"""The errors of the interface (wire/superoffice.md §3.5): never 200 with an error inside, which no client notices (§7.1).

A request that cannot be read has the form of the framework, ``{"Message", "MessageDetail"}``; all others the error object of the
interface, ``{"Error", "ErrorType", "ErrorMessage", "ErrorSource"}``.
"""

from collections.abc import Mapping
from typing import Final

from postroom.dialects.parameters import BadParameter
from postroom.errors import Forbidden, Invalid, NotFound, PostroomError, TooLarge, Unavailable, WrongState

_RETRY_AFTER: Final = "10"


class Refusal(Exception):
    """An answer that is an error; ``content`` holds its members."""

    def __init__(self, status: int, content: Mapping[str, str | bool], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(status))
        self.status = status
        self.content = content
        self.headers = headers or {}


class SuperOfficeError(Refusal):
    """A call that failed; ``error_type``: the name of the exception behind it, as .NET has it."""

    def __init__(self, status: int, error_type: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        content: dict[str, str | bool] = {"Error": True, "ErrorType": error_type, "ErrorMessage": message, "ErrorSource": "Postroom"}
        super().__init__(status, content, headers)
        self.error_type = error_type
        self.message = message


def framework(status: int, message: str, headers: Mapping[str, str] | None = None) -> Refusal:
    """Make an error of the framework: no such path, another verb, a body of a kind that is not read, nobody known."""
    return Refusal(status, {"Message": message}, headers)


def malformed(detail: str) -> Refusal:
    """Make the error for a request that cannot be read: 400."""
    return Refusal(400, {"Message": "The request is invalid.", "MessageDetail": detail})


def unauthorized(challenge: str | None) -> Refusal:
    """Make the error for nobody known: 401."""
    headers = {} if challenge is None else {"WWW-Authenticate": challenge}
    return framework(401, "Authorization has been denied for this request.", headers)


def too_early(wait: int) -> Refusal:
    """Make the error for who asks too often; ``wait``: seconds until it may be tried again (§7.1)."""
    return framework(429, "Too many requests.", {"Retry-After": str(wait)})


def not_served(name: str) -> SuperOfficeError:
    """Make the error for a method of the agent that has no meaning here: 501."""
    return SuperOfficeError(501, "NotImplementedException", f"{name} is not served here.")


def translate(error: PostroomError | BadParameter) -> Refusal:  # noqa: PLR0911 - one for each class
    """Translate an error of the core, or of a query. Every class is mapped here, once; a call with texts of its own maps them itself."""
    match error:
        case BadParameter():
            return malformed(f"{error.name or 'The query'}: {error.reason}.")
        case NotFound():
            return SuperOfficeError(404, "SoNotFoundException", f"{error.kind.replace('_', ' ').capitalize()} {error.key} not found")
        case Invalid():
            return SuperOfficeError(400, "ArgumentException", f"{error.parameter}: {error.reason}")
        case TooLarge(parameter="body"):
            return framework(413, f"The request is longer than {error.limit} bytes.")
        case TooLarge():
            return SuperOfficeError(400, "ArgumentOutOfRangeException", f"{error.parameter}: more than {error.limit}")
        case WrongState():
            return SuperOfficeError(409, "InvalidOperationException", f"{error.reason.replace('_', ' ').capitalize()}.")
        case Forbidden():
            return SuperOfficeError(403, "SoSentryException", f"{error.reason.replace('_', ' ').capitalize()}.")
        case Unavailable():
            message = "The server cannot take this now."
            return SuperOfficeError(503, "ServiceUnavailableException", message, {"Retry-After": _RETRY_AFTER})
        case _:
            raise error
