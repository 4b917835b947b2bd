"""Objects that more than one module shows: users, institutional addresses, groups (wire/usos.md §4.6 to §4.9).

What Postroom does not keep of a user is null, or an empty list. Of the split of users/user into primary and secondary fields only
the primary ones of 2014 are known (§4.6); all others count as secondary here. Groups refer to groups, so their declarations refer to
themselves; ``loading`` fetches what a selector chooses of them.
"""

from typing import Any, Final

from msgspec import Struct

from postroom.dialects.endpoint import Field, ObjectType, by_name
from postroom.directory.records import Group, InstitutionalAddress, Person


class UserView(Struct, frozen=True, kw_only=True):
    """A user as the caller may see them."""

    person: Person
    addresses: bool = True
    """Whether the caller may see their addresses."""


class AddressView(Struct, frozen=True, kw_only=True):
    """An institutional address, with those who may send from it if that was asked for."""

    address: InstitutionalAddress
    users: list[UserView] = []


class GroupNode(Struct, frozen=True, kw_only=True):
    """A group with what was asked for of its content."""

    group: Group
    groups: dict[str, list["GroupNode"]] = {}
    """The groups that it refers to, by the name of the field."""
    users: list[UserView] = []
    emails: list[str] = []


_PHOTO_SIZES: Final = ("50x50", "100x100", "100x125", "200x200", "200x250", "400x400", "400x500", "original")
_USER: Final = "services/users/user"


def _nothing(_: object) -> None:
    return None


def _none_of_them(_: object) -> list[object]:
    return []


def _email(view: UserView) -> str | None:
    return view.person.email if view.addresses else None


def _alt_email(view: UserView) -> str | None:
    return view.person.alt_email if view.addresses else None


def _email_access(view: UserView) -> str:
    if not view.person.email:
        return "no_email"
    return "plaintext" if view.addresses else "no_access"


def _absent(name: str, description: str, *, primary: bool = False) -> Field[UserView]:
    """Declare a field that Postroom keeps nothing for: always null."""
    return Field(name=name, description=f"{description}; always null", value=_nothing, primary=primary)


def _empty(name: str, description: str, *, primary: bool = False) -> Field[UserView]:
    """Declare a list that Postroom keeps nothing for: always empty."""
    return Field(name=name, description=f"{description}; always empty", value=_none_of_them, primary=primary)


def _parts(*names: str) -> ObjectType[object]:
    """Declare a small dictionary that Postroom keeps nothing for."""
    fields = (Field[object](name=name, description=name, value=_nothing) for name in names)
    return ObjectType(method=_USER, fields=by_name(*fields), default="|".join(names))


TITLES: Final = ObjectType[UserView](
    method=_USER,
    fields=by_name(
        Field[UserView](name="before", description="titles before the name, or null", value=lambda view: view.person.title_before or None),
        Field[UserView](name="after", description="titles after the name, or null", value=lambda view: view.person.title_after or None),
    ),
    default="before|after",
)

PHOTO_URLS: Final = ObjectType[UserView](
    method=_USER,
    fields=by_name(
        *(
            Field[UserView](
                name=size, description="URL of the photograph, the same for every size, or null", value=lambda view: view.person.picture
            )
            for size in _PHOTO_SIZES
        )
    ),
    default="|".join(_PHOTO_SIZES),
)

USER: Final = ObjectType[UserView](
    method=_USER,
    fields=by_name(
        Field[UserView](name="id", description="user ID", value=lambda view: str(view.person.id)),
        Field[UserView](name="first_name", description="first name", value=lambda view: view.person.first_name),
        Field[UserView](
            name="middle_names", description="middle names, or null", value=lambda view: view.person.middle_names or None, primary=False
        ),
        Field[UserView](name="last_name", description="last name", value=lambda view: view.person.last_name),
        Field[UserView](
            name="previous_names",
            description="earlier names; always empty",
            value=_none_of_them,
            primary=False,
            target=_parts("first_name", "last_name", "until"),
        ),
        _absent("sex", "M or F", primary=True),
        Field[UserView](name="titles", description="academic titles", value=lambda view: view, primary=False, target=TITLES),
        _absent("student_status", "whether the user studies"),
        _absent("staff_status", "whether the user works here"),
        _absent("phd_student_status", "whether the user is a doctoral student"),
        Field[UserView](
            name="email_access",
            description="plaintext; no_access: the caller may not see the address; no_email: there is none",
            value=_email_access,
            primary=False,
        ),
        Field[UserView](
            name="email",
            description="primary address, or null",
            value=_email,
            primary=False,
        ),
        _absent("email_url", "picture of the address"),
        Field[UserView](
            name="has_email", description="whether there is a primary address", value=lambda view: bool(view.person.email), primary=False
        ),
        Field[UserView](
            name="alt_email",
            description="alternative address, or null",
            value=_alt_email,
            primary=False,
        ),
        _absent("homepage_url", "home page", primary=True),
        _absent("profile_url", "profile page", primary=True),
        _empty("phone_numbers", "telephone numbers", primary=True),
        _empty("mobile_numbers", "mobile numbers", primary=True),
        _absent("office_hours", "office hours"),
        _absent("interests", "interests"),
        Field[UserView](
            name="has_photo", description="whether there is a photograph", value=lambda view: bool(view.person.picture), primary=False
        ),
        Field[UserView](name="photo_urls", description="photographs by size", value=lambda view: view, primary=False, target=PHOTO_URLS),
        _absent("room", "room", primary=True),
        _absent("student_number", "student number"),
        _absent("pesel", "national number"),
        _absent("birth_date", "date of birth"),
        _absent("birth_certificate_data", "birth certificate"),
        _absent("revenue_office_id", "revenue office"),
        Field[UserView](name="citizenship", description="citizenship; always null", value=_nothing, primary=False, target=_parts("id")),
        _absent("library_card_id", "library card"),
        _empty("student_programmes", "programmes studied"),
        _empty("employment_functions", "functions held"),
        _empty("employment_positions", "positions held"),
        _empty("course_editions_conducted", "courses taught"),
        _empty("postal_addresses", "postal addresses"),
        Field[UserView](name="can_i_debug", description="always false", value=lambda _: False, primary=False),
        Field[UserView](
            name="external_ids",
            description="identifiers elsewhere, each null",
            value=lambda view: view,
            primary=False,
            target=_parts("orcid", "pbn_id"),
        ),
    ),
    default="id|first_name|last_name",
)

INSTITUTIONAL_ADDRESS: Final = ObjectType[AddressView](
    method="services/instaddr/inst_address",
    fields=by_name(
        Field[AddressView](name="id", description="address ID", value=lambda view: str(view.address.id)),
        Field[AddressView](name="name", description="name of the address", value=lambda view: view.address.name),
        Field[AddressView](name="email", description="the address", value=lambda view: view.address.email),
        Field[AddressView](
            name="users",
            description="list of users who may send from it; for administrative consumers only",
            value=lambda view: view.users,
            primary=False,
            target=USER,
            administrative=True,
        ),
    ),
    default="id|name|email",
)

_primary_group_fields: Final[dict[str, Field[GroupNode]]] = {}
_custom_group_fields: Final[dict[str, Field[GroupNode]]] = {}

PRIMARY_GROUP: Final = ObjectType[GroupNode](method="services/prgroups/primary_group", fields=_primary_group_fields, default="id|name")
CUSTOM_GROUP: Final = ObjectType[GroupNode](method="services/csgroups/custom_group", fields=_custom_group_fields, default="id|name")


def _referring(name: str, description: str, target: ObjectType[Any]) -> Field[GroupNode]:
    """Declare a secondary field that lists other groups."""
    return Field(name=name, description=description, value=lambda node: node.groups[name], primary=False, target=target)


_primary_group_fields.update(
    by_name(
        Field[GroupNode](name="id", description="group ID; the empty string is the root", value=lambda node: node.group.code or ""),
        Field[GroupNode](name="name", description="name of the group", value=lambda node: node.group.name),
        Field[GroupNode](
            name="parent",
            description="the primary group above, or null",
            value=lambda node: next(iter(node.groups["parent"]), None),
            primary=False,
            target=PRIMARY_GROUP,
        ),
        _referring("subgroups", "list of the primary groups just below, by ID", PRIMARY_GROUP),
        Field[GroupNode](
            name="users",
            description="list of users in the group itself, not in its subgroups; for administrative consumers only",
            value=lambda node: node.users,
            primary=False,
            target=USER,
            administrative=True,
        ),
    )
)

_custom_group_fields.update(
    by_name(
        Field[GroupNode](name="id", description="group ID", value=lambda node: str(node.group.id)),
        Field[GroupNode](name="name", description="name of the group", value=lambda node: node.group.name),
        _referring("primary_groups", "list of primary groups in the group", PRIMARY_GROUP),
        _referring("custom_groups", "list of custom and course groups in the group", CUSTOM_GROUP),
        Field[GroupNode](name="users", description="list of users in the group", value=lambda node: node.users, primary=False, target=USER),
        Field[GroupNode](name="emails", description="list of single addresses in the group", value=lambda node: node.emails, primary=False),
    )
)
