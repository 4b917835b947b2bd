"""The USOS API dialect: ``services/mailclient`` and what it refers to, as wire/usos.md has it."""

from postroom.dialects.usos.application import application

__all__ = ["application"]
