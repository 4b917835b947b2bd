"""Postroom's own interface, in JSON, for programs that look after an installation (docs/http-api.md): so far the suppression list."""

from postroom.dialects.postroom.application import application

__all__ = ["application"]
