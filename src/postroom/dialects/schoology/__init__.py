"""The Schoology dialect: private messages of the Schoology REST API v1 (docs/schoology.md)."""

from postroom.dialects.schoology.application import application

__all__ = ["application"]
