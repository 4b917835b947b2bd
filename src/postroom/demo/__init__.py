"""The demonstration: an example organisation, a mail catcher, and one message to some 1,500 people of it, each accounted for."""

from postroom.demo.tour import run

__all__ = ["run"]
