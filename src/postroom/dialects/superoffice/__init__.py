"""SuperOffice WebAPI, its e-mail agent: the interface at ``/api/v1/Agents/EMail``, below a tenant or not (wire/superoffice.md)."""

from postroom.dialects.superoffice.application import mount
from postroom.dialects.superoffice.ports import Ports

__all__ = ["Ports", "mount"]
