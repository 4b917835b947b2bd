"""The errors of the interface: a text and the number of the .NET exception behind it, in one envelope (wire/onlyoffice.md §3.3).

Programs read the text, so those that the contract names are never worded anew; where a rule is our own, so is its text.
"""

from collections.abc import Mapping
from typing import Final

from postroom.dialects.multipart import BadMultipart
from postroom.dialects.parameters import BadParameter
from postroom.errors import Forbidden, Invalid, NotFound, PostroomError, TooLarge, Unavailable, WrongState

ARGUMENT: Final = -2147024809
ARGUMENT_NULL: Final = -2147467261
"""Of a missing argument, and of an object that is not there."""
INVALID_OPERATION: Final = -2146233079
EXCEPTION: Final = -2146233088
AUTHENTICATION: Final = -2146233087
HTTP: Final = -2147467259
"""Of a record that is not there, and of what concerns the request as a whole."""
FORMAT: Final = -2146233033
OVERFLOW: Final = -2146233066

_RETRY_AFTER: Final = "10"


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str, hresult: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hresult = hresult
        self.headers = headers or {}


class Unauthorized(Exception):
    """Nobody that we know is calling; answered without an envelope (§2)."""


def argument(text: str, parameter: str | None = None) -> ApiError:
    """Make the error for a value that breaks a rule (``ArgumentException``): 400."""
    return ApiError(400, text if parameter is None else f"{text}\r\nParameter name: {parameter}", ARGUMENT)


def missing(parameter: str) -> ApiError:
    """Make the error for a value that is not there (``ArgumentNullException``): 400."""
    return ApiError(400, f"Value cannot be null.\r\nParameter name: {parameter}", ARGUMENT_NULL)


def misformed(text: str) -> ApiError:
    """Make the error for text of the wrong form (``FormatException``): 400."""
    return ApiError(400, text, FORMAT)


def forbidden(text: str) -> ApiError:
    """Make the error for what cannot be done now, or by this person (``InvalidOperationException``): 403."""
    return ApiError(403, text, INVALID_OPERATION)


def not_found(text: str) -> ApiError:
    """Make the error for a record that is not there, or not the caller's (``ItemNotFoundException``): 404."""
    return ApiError(404, text, HTTP)


def unknown_path() -> ApiError:
    """Make the error for a path that leads nowhere, or not with this verb: in the envelope, where the original answers HTML (§8.12)."""
    return ApiError(404, "Method not found", HTTP)


def authentication_failed() -> ApiError:
    """Make the error for a wrong name, password or code: 500, on which clients depend (§8.10)."""
    return ApiError(500, "User authentication failed", AUTHENTICATION)


def too_many_attempts(wait: int) -> ApiError:
    """Make the error for a login that is tried too soon; ``wait``: seconds until it may be."""
    return ApiError(500, "Login Fail. Too many attempts", AUTHENTICATION, {"Retry-After": str(wait)})


def too_many_requests(wait: int) -> ApiError:
    """Make the error for a caller that asks too often; ``wait``: seconds until it may ask again (§8.32)."""
    return ApiError(503, "Too many requests", HTTP, {"Retry-After": str(wait)})


def translate(error: PostroomError | BadParameter | BadMultipart) -> ApiError:
    """Translate an error of the core, or of a form. Every class is mapped here, once; a call with texts of its own maps them itself."""
    match error:
        case BadParameter():
            answer = argument(f"{error.reason[:1].upper()}{error.reason[1:]}.", error.name)
        case BadMultipart():
            answer = argument(str(error))
        case NotFound():
            answer = not_found(f"{error.kind.replace('_', ' ').capitalize()} with {error.key} wasn't found.")
        case Invalid():
            answer = argument(f"{error.reason[:1].upper()}{error.reason[1:]}.", error.parameter)
        case TooLarge(parameter="body"):
            answer = ApiError(413, f"The request is longer than {error.limit} bytes.", HTTP)
        case TooLarge():
            answer = argument(f"More than {error.limit}.", error.parameter)
        case WrongState() | Forbidden():
            answer = forbidden(f"{error.reason.replace('_', ' ').capitalize()}.")
        case Unavailable():
            answer = ApiError(503, "ServiceUnavailable", HTTP, {"Retry-After": _RETRY_AFTER})
        case _:
            raise error
    return answer
