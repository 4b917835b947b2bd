"""The error vocabulary of the interface: one shape, and the one place where our errors become it."""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from postroom.dialects.parameters import BadParameter
from postroom.directory.importing import ImportFailed
from postroom.errors import Forbidden, Invalid, NotFound, PostroomError, TooLarge, Unavailable, WrongState

ErrorCode = Literal[
    "unauthenticated",
    "administrative_required",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "unsupported_media_type",
    "invalid",
    "import_failed",
    "wrong_state",
    "too_large",
    "unavailable",
]

STATUSES: Final[Mapping[ErrorCode, int]] = {
    "unauthenticated": 401,
    "administrative_required": 403,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "unsupported_media_type": 415,
    "invalid": 400,
    "import_failed": 400,
    "wrong_state": 409,
    "too_large": 413,
    "unavailable": 503,
}
"""The HTTP status of each."""

ALWAYS: Final[tuple[ErrorCode, ...]] = ("unauthenticated", "administrative_required", "unavailable")
"""What every operation may answer with."""

CODES: Final[tuple[ErrorCode, ...]] = get_args(ErrorCode)


class LineProblem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with an imported file."""

    line: int
    """Counted from 1, the header; 0 when the whole file is meant."""
    reason: str


class ErrorBody(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every answer that is an error; absent keys are left out."""

    error: ErrorCode
    message: str
    """For developers."""
    parameter: str | None = None
    """What is wrong, of the path, the query or the body."""
    problems: list[LineProblem] = []
    """The first problems of an import, by line."""
    omitted: int = 0
    """How many more problems there are."""


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, body: ErrorBody, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body.message)
        self.body = body
        self.status = STATUSES[body.error]
        self.headers = headers or {}

    def encoded(self) -> bytes:
        """Return the body as JSON."""
        return msgspec.json.encode(self.body)


def refusals(*codes: ErrorCode) -> dict[int, str]:
    """Return these errors, and those of every operation, by their status: for the document."""
    found: dict[int, list[str]] = {}
    for code in (*codes, *ALWAYS):
        found.setdefault(STATUSES[code], []).append(code)
    return {status: ", ".join(named) for status, named in found.items()}


def unauthenticated(message: str) -> ApiError:
    """Make the error for a caller who is nobody that we know (RFC 7617)."""
    return ApiError(ErrorBody(error="unauthenticated", message=message), {"WWW-Authenticate": 'Basic realm="Postroom", charset="UTF-8"'})


def administrative_required() -> ApiError:
    """Make the error for a client that is not administrative."""
    return ApiError(ErrorBody(error="administrative_required", message="Only administrative clients may call this interface."))


def unknown_path() -> ApiError:
    """Make the error for a path that leads nowhere."""
    return ApiError(ErrorBody(error="not_found", message="There is nothing at this path; openapi.json lists what there is."))


def wrong_verb(verb: str, allowed: str) -> ApiError:
    """Make the error for a method that a resource does not have; ``allowed`` are those that it has, separated by commas."""
    return ApiError(ErrorBody(error="method_not_allowed", message=f"{verb} is not possible here: {allowed}."), {"Allow": allowed})


def wrong_type(wanted: str) -> ApiError:
    """Make the error for a body of another type than ``wanted``."""
    return ApiError(ErrorBody(error="unsupported_media_type", message=f"The body must be sent as {wanted}."))


def invalid(parameter: str | None, reason: str) -> ApiError:
    """Make the error for a value that breaks a rule; ``parameter`` is ``None`` when the body as a whole cannot be read."""
    return ApiError(ErrorBody(error="invalid", message=f"{parameter or 'body'}: {reason}", parameter=parameter))


def translate(error: PostroomError | BadParameter) -> ApiError:
    """Translate an error of the core, or of the query. Every class is mapped here, once."""
    match error:
        case BadParameter():
            answer = invalid(error.name, error.reason)
        case ImportFailed():
            problems = [LineProblem(line=problem.line, reason=problem.reason) for problem in error.problems]
            message = "Nothing was imported: some lines are not in order."
            answer = ApiError(ErrorBody(error="import_failed", message=message, problems=problems, omitted=error.omitted))
        case NotFound():
            answer = ApiError(ErrorBody(error="not_found", message=f"There is no {error.kind} {error.key!r}."))
        case Invalid():
            answer = invalid(error.parameter, error.reason)
        case TooLarge(parameter="body"):
            answer = ApiError(ErrorBody(error="too_large", message=f"The body is longer than {error.limit} bytes."))
        case TooLarge():
            answer = invalid(error.parameter, f"more than {error.limit}")
        case WrongState():
            answer = ApiError(ErrorBody(error="wrong_state", message=error.reason))
        case Forbidden():
            answer = ApiError(ErrorBody(error="forbidden", message=error.reason))
        case Unavailable():
            message = "The service is not available now, nothing was changed. Try again later."
            answer = ApiError(ErrorBody(error="unavailable", message=message), {"Retry-After": "10"})
        case _:
            raise error
    return answer
