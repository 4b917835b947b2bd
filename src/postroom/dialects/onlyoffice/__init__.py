"""ONLYOFFICE Workspace, its mail: the interface at ``/api/2.0`` (wire/onlyoffice.md)."""

from postroom.dialects.onlyoffice.application import mount

__all__ = ["mount"]
