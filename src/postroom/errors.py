"""The few errors that the core raises: data, no wire text.

    PostroomError
    ├── NotFound(kind, key)           no such thing, or not the caller's: the two look alike on purpose
    ├── Invalid(parameter, reason)    a value breaks a rule of that parameter
    ├── WrongState(reason)            the thing exists, but its state forbids the call
    ├── Forbidden(reason)             the caller lacks a right to something it may know of
    ├── TooLarge(parameter, limit)    longer, larger or more than the limit
    └── Unavailable(reason)           the store cannot answer now: full disk, lost connection, queue too long

Each dialect maps every one of them once, in its ``errors.py``.
"""


class PostroomError(Exception):
    """Base of everything the core raises on purpose."""


class NotFound(PostroomError):
    """No such object, or none that the caller may see.

    ``kind`` is the noun (``message``, ``attachment``, ``user``, ``primary_group``, ``custom_group``, ``inst_address``),
    ``key`` the identifier as it was asked for.
    """

    def __init__(self, kind: str, key: object) -> None:
        super().__init__(f"{kind} {key!r} not found")
        self.kind = kind
        self.key = key


class Invalid(PostroomError):
    """A value breaks a rule of the named parameter; ``reason`` says which, for developers."""

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter
        self.reason = reason


class WrongState(PostroomError):
    """The state of the object forbids the call; ``reason`` is a stable word such as ``draft_required``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Forbidden(PostroomError):
    """The caller lacks a right; ``reason`` is a stable word such as ``inst_address_unassigned``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TooLarge(PostroomError):
    """The named parameter is longer, larger or more than ``limit`` (characters, bytes or items: as the parameter counts)."""

    def __init__(self, parameter: str, limit: int) -> None:
        super().__init__(f"{parameter}: more than {limit}")
        self.parameter = parameter
        self.limit = limit


class Unavailable(PostroomError):
    """The store cannot take the work now; nothing was changed and the caller may try again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
