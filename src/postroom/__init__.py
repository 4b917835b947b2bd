"""Postroom: the post office of an organisation behind an HTTP door."""

__version__ = "0.1.0"
