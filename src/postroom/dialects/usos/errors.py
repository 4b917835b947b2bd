"""The error vocabulary of the USOS API (wire/usos.md §3.4 to §3.6), and the one place where our errors become theirs.

Every error body is JSON, whatever format was asked for, has ``message`` for developers, and mostly ``error`` with its own keys.
"""

from collections.abc import Collection, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from postroom.dialects.oauth1 import OAuthError, Refused
from postroom.errors import Forbidden, Invalid, NotFound, PostroomError, TooLarge, Unavailable, WrongState

LangDict = dict[str, str]

_BAD_REQUEST: Final = 400
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_TOO_LARGE: Final = 413
_UNAVAILABLE: Final = 503

_REQUIRED: Final = {"en": "This field is required.", "pl": "To pole jest wymagane."}

_PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "message": ("message_id",),
    "attachment": ("attachment_id",),
    "inst_address": ("from_inst_address_id", "inst_address_id", "inst_address_ids"),
    "primary_group": ("primary_group_ids", "primary_group_id"),
    "custom_group": ("custom_group_ids", "custom_group_id"),
    "own_group": ("custom_group_id",),
    "user": ("user_ids", "user_id"),
    "from_address_id": ("from_inst_address_id",),
    "primary_group_codes": ("primary_group_ids",),
    "callback": ("oauth_callback",),
    "sender_name": ("from_name",),
    "sender_email": ("from_email",),
    "summary_email": ("send_summary_to",),
}
"""Our names of objects and values → their parameters, of which the first that the method has is meant; all other names are the same."""

_MISSING: Final = {
    "message_id": "message",
    "attachment_id": "attachment",
    "from_inst_address_id": "institutional address",
    "inst_address_id": "institutional address",
    "inst_address_ids": "institutional address",
    "primary_group_id": "primary group",
    "primary_group_ids": "primary group",
    "custom_group_id": "custom group",
    "custom_group_ids": "custom group",
    "user_id": "user",
    "user_ids": "user",
    "as_user_id": "user",
    "name": "method or module (names begin with services/)",
}

_STATES: Final = {
    "draft_required": "The message is not a draft any more.",
    "error_required": "Only a message with status error can be sent again.",
    "recipients_outdated": "There is no recipients list yet, or it is outdated: call refresh_recipients first.",
    "recipients_required": "The recipients list is empty.",
    "recipients_group_modified": "The recipients group was changed at the same time, try again.",
    "subject_required": "The subject is empty.",
    "content_required": "The content is empty.",
    "custom_group_limit_exceeded": "The user has as many custom groups as are allowed.",
    "attachment_limit_exceeded": "The message has as many attachments as are allowed.",
}

_RIGHTS: Final = {"inst_address_unassigned": "The institutional address is not assigned to the user."}

FORBIDDEN_REASONS: Final = {
    "consumer_missing": (_UNAUTHORIZED, "This method must be called with a signature of a consumer."),
    "user_missing": (_UNAUTHORIZED, "This method must be called on behalf of a user: with an access token."),
    "scope_missing": (_UNAUTHORIZED, "The access token lacks a scope that this method requires."),
    "trusted_required": (_FORBIDDEN, "This method is for administrative consumers only."),
    "impersonate_required": (_FORBIDDEN, "Only administrative consumers may use as_user_id."),
    "token_present": (_FORBIDDEN, "This method is not called on behalf of a user: without an access token and as_user_id."),
    "secure_required": (
        _FORBIDDEN,
        "This is accepted over HTTPS only: the PLAINTEXT signature method, and methods that answer with secrets.",
    ),
}
"""Reasons of ``method_forbidden``: status (401 where a better signature or token would help, §7) and message."""


class UserMessages(Struct, frozen=True, omit_defaults=True):
    """Texts that an application may show to a person; keys of ``fields`` are parameters."""

    generic_message: LangDict | None = None
    fields: dict[str, LangDict] | None = None


class ErrorBody(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The JSON dictionary of an error; absent keys are left out."""

    message: str
    error: str | None = None
    param_name: str | None = None
    reason: str | None = None
    field_name: str | None = None
    method_name: str | None = None
    missing_scopes: list[str] | None = None
    user_messages: UserMessages | None = None


class UsosError(Exception):
    """An answer that is an error."""

    def __init__(self, body: ErrorBody, status: int = _BAD_REQUEST) -> None:
        super().__init__(body.message)
        self.body = body
        self.status = status

    def encoded(self) -> bytes:
        """Return the body as JSON."""
        return msgspec.json.encode(self.body)


def unknown_method(name: str) -> UsosError:
    """Make the error for a path that leads to no method."""
    return UsosError(ErrorBody(message=f"There is no method {name}.", error="method_not_found", method_name=name), 404)


def wrong_verb(verb: str) -> UsosError:
    """Make the error for an HTTP method other than GET and POST."""
    return UsosError(ErrorBody(message=f"Methods are called with GET or POST, not {verb}."), 405)


def bad_request(message: str) -> UsosError:
    """Make an error of the whole request, which no key of the vocabulary describes."""
    return UsosError(ErrorBody(message=message))


def method_forbidden(reason: str, missing_scopes: list[str] | None = None) -> UsosError:
    """Make the error for a caller who may not call the method; ``reason`` is one of ``FORBIDDEN_REASONS``."""
    status, message = FORBIDDEN_REASONS[reason]
    return UsosError(ErrorBody(message=message, error="method_forbidden", reason=reason, missing_scopes=missing_scopes), status)


def param_missing(name: str) -> UsosError:
    """Make the error for a required parameter that is absent."""
    texts = UserMessages(fields={name: _REQUIRED})
    return UsosError(
        ErrorBody(message=f"Required parameter {name} is missing.", error="param_missing", param_name=name, user_messages=texts)
    )


def param_invalid(name: str, why: str) -> UsosError:
    """Make the error for a value that breaks a rule of its parameter; ``why`` says which, without a full stop."""
    return UsosError(ErrorBody(message=f"Parameter {name} has invalid value: {why}.", error="param_invalid", param_name=name))


def param_forbidden(name: str, reason: str, why: str) -> UsosError:
    """Make the error for a parameter that this caller may not use now."""
    return UsosError(
        ErrorBody(message=f"Parameter {name} is forbidden: {why}.", error="param_forbidden", param_name=name, reason=reason), _FORBIDDEN
    )


def field_not_found(field: str, method: str) -> UsosError:
    """Make the error for a selector that names a field which the objects of ``method`` do not have."""
    return UsosError(
        ErrorBody(message=f"There is no field {field} in {method}.", error="field_not_found", field_name=field, method_name=method)
    )


def field_invalid(field: str, method: str, why: str) -> UsosError:
    """Make the error for a selector that uses a field in a way that it cannot be used."""
    return UsosError(
        ErrorBody(message=f"Field {field} of {method} is invalid here: {why}.", error="field_invalid", field_name=field, method_name=method)
    )


def field_forbidden(field: str, method: str, reason: str) -> UsosError:
    """Make the error for a field that this caller may not choose; ``reason`` is one of ``FORBIDDEN_REASONS``."""
    message = f"Field {field} of {method} is for administrative consumers only."
    body = ErrorBody(message=message, error="field_forbidden", field_name=field, method_name=method, reason=reason)
    return UsosError(body, _FORBIDDEN)


def object_not_found(param: str, method: str) -> UsosError:
    """Make the error for a reference to what does not exist, or is not the caller's."""
    message = f"Referenced {_MISSING.get(param, 'object')} does not exist."
    return UsosError(ErrorBody(message=message, error="object_not_found", param_name=param, method_name=method))


def of_signature(error: OAuthError) -> UsosError:
    """Translate an error of the signature: only a message, 400 if malformed, 401 if refused (§2.4)."""
    return UsosError(ErrorBody(message=error.message), _UNAUTHORIZED if isinstance(error, Refused) else _BAD_REQUEST)


def translate(error: PostroomError | OAuthError, method: str, arguments: Collection[str] = ()) -> UsosError:
    """Translate an error of the core, or of the signature, met while serving ``method``, which has these arguments.

    Every class is mapped here, once.
    """
    match error:
        case OAuthError():
            answer = of_signature(error)
        case NotFound():
            answer = object_not_found(_parameter(error.kind, arguments), method)
        case Invalid():
            answer = param_invalid(_parameter(error.parameter, arguments), error.reason)
        case TooLarge(parameter="body"):
            answer = UsosError(ErrorBody(message=f"The request body is longer than {error.limit} bytes, files not counted."), _TOO_LARGE)
        case TooLarge():
            answer = param_invalid(_parameter(error.parameter, arguments), f"more than {error.limit}")
        case WrongState():
            message = _STATES.get(error.reason, "The state of the object does not allow this.")
            answer = UsosError(ErrorBody(message=message, error="object_invalid", reason=error.reason))
        case Forbidden():
            message = _RIGHTS.get(error.reason, "The user has no right to this object.")
            answer = UsosError(ErrorBody(message=message, error="object_forbidden", reason=error.reason))
        case Unavailable():
            message = "The service is not available now, nothing was changed. Try again later."
            answer = UsosError(ErrorBody(message=message), _UNAVAILABLE)
        case _:
            raise error
    return answer


def _parameter(name: str, arguments: Collection[str]) -> str:
    possible = _PARAMETERS.get(name, (name,))
    return next((one for one in possible if one in arguments), possible[0])
