"""Empty objects to fill in: the CreateDefault methods (wire/superoffice.md §1.4), which take no ``$select``."""

from typing import Final

from postroom.dialects.superoffice import carriers
from postroom.dialects.superoffice.call import Call
from postroom.dialects.superoffice.operation import Method, Methods, method
from postroom.dialects.superoffice.wire_types import Carrier, Nothing


def _creating(kind: type[Carrier]) -> Method[Nothing]:
    async def create(call: Call, request: Nothing) -> Carrier:  # noqa: ARG001 - as every handler
        return kind()

    create.__doc__ = f"Return an empty {kind.__name__} to fill in."
    return method(f"CreateDefault{kind.__name__}", Nothing, kind)(create)


METHODS: Final[Methods] = tuple(
    _creating(kind)
    for kind in (
        carriers.EMailEnvelope,
        carriers.EMailFolder,
        carriers.EMailSOInfo,
        carriers.EMailAccount,
        carriers.EMailAddress,
        carriers.EMailAppointment,
        carriers.EMailAttachment,
        carriers.EMailConnectionInfo,
        carriers.EMailConnectionInfoExtended,
        carriers.EMailCustomHeader,
        carriers.EMailEntity,
    )
)
