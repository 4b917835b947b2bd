"""Objects of other modules that mailclient refers to: users, institutional addresses, groups (wire/usos.md §4.6 to §4.9).

What Postroom does not keep of a user is null, or an empty list. Of the split of users/user into primary and secondary fields only
the primary ones of 2014 are known (§4.6); all others count as secondary here. The secondary fields of custom groups are declared so that
selecting one is answered as the contract has it; mailclient shows primary ones only (§4.4).
"""

from typing import Final

from postroom.dialects.endpoint import Field, ObjectType, by_name
from postroom.directory.records import Group, InstitutionalAddress, Person

_PHOTO_SIZES: Final = ("50x50", "100x100", "100x125", "200x200", "200x250", "400x400", "400x500", "original")
_USER: Final = "services/users/user"


def _nothing(_: object) -> None:
    return None


def _none_of_them(_: object) -> list[object]:
    return []


def _absent(name: str, description: str, *, primary: bool = False) -> Field[Person]:
    """Declare a field that Postroom keeps nothing for: always null."""
    return Field(name=name, description=f"{description}; always null", value=_nothing, primary=primary)


def _empty(name: str, description: str, *, primary: bool = False) -> Field[Person]:
    """Declare a list that Postroom keeps nothing for: always empty."""
    return Field(name=name, description=f"{description}; always empty", value=_none_of_them, primary=primary)


def _parts(*names: str) -> ObjectType[object]:
    """Declare a small dictionary that Postroom keeps nothing for."""
    fields = (Field[object](name=name, description=name, value=_nothing) for name in names)
    return ObjectType(method=_USER, fields=by_name(*fields), default="|".join(names))


TITLES: Final = ObjectType[Person](
    method=_USER,
    fields=by_name(
        Field[Person](name="before", description="titles before the name, or null", value=lambda person: person.title_before or None),
        Field[Person](name="after", description="titles after the name, or null", value=lambda person: person.title_after or None),
    ),
    default="before|after",
)

PHOTO_URLS: Final = ObjectType[Person](
    method=_USER,
    fields=by_name(
        *(
            Field[Person](
                name=size, description="URL of the photograph, the same for every size, or null", value=lambda person: person.picture
            )
            for size in _PHOTO_SIZES
        )
    ),
    default="|".join(_PHOTO_SIZES),
)

USER: Final = ObjectType[Person](
    method=_USER,
    fields=by_name(
        Field[Person](name="id", description="user ID", value=lambda person: str(person.id)),
        Field[Person](name="first_name", description="first name", value=lambda person: person.first_name),
        Field[Person](
            name="middle_names", description="middle names, or null", value=lambda person: person.middle_names or None, primary=False
        ),
        Field[Person](name="last_name", description="last name", value=lambda person: person.last_name),
        Field[Person](
            name="previous_names",
            description="earlier names; always empty",
            value=_none_of_them,
            primary=False,
            target=_parts("first_name", "last_name", "until"),
        ),
        _absent("sex", "M or F", primary=True),
        Field[Person](name="titles", description="academic titles", value=lambda person: person, primary=False, target=TITLES),
        _absent("student_status", "whether the user studies"),
        _absent("staff_status", "whether the user works here"),
        _absent("phd_student_status", "whether the user is a doctoral student"),
        Field[Person](
            name="email_access",
            description="plaintext, or no_email for a user without an address",
            value=lambda person: "plaintext" if person.email else "no_email",
            primary=False,
        ),
        Field[Person](name="email", description="primary address, or null", value=lambda person: person.email, primary=False),
        _absent("email_url", "picture of the address"),
        Field[Person](
            name="has_email", description="whether there is a primary address", value=lambda person: bool(person.email), primary=False
        ),
        Field[Person](name="alt_email", description="alternative address, or null", value=lambda person: person.alt_email, primary=False),
        _absent("homepage_url", "home page", primary=True),
        _absent("profile_url", "profile page", primary=True),
        _empty("phone_numbers", "telephone numbers", primary=True),
        _empty("mobile_numbers", "mobile numbers", primary=True),
        _absent("office_hours", "office hours"),
        _absent("interests", "interests"),
        Field[Person](
            name="has_photo", description="whether there is a photograph", value=lambda person: bool(person.picture), primary=False
        ),
        Field[Person](name="photo_urls", description="photographs by size", value=lambda person: person, primary=False, target=PHOTO_URLS),
        _absent("room", "room", primary=True),
        _absent("student_number", "student number"),
        _absent("pesel", "national number"),
        _absent("birth_date", "date of birth"),
        _absent("birth_certificate_data", "birth certificate"),
        _absent("revenue_office_id", "revenue office"),
        Field[Person](name="citizenship", description="citizenship; always null", value=_nothing, primary=False, target=_parts("id")),
        _absent("library_card_id", "library card"),
        _empty("student_programmes", "programmes studied"),
        _empty("employment_functions", "functions held"),
        _empty("employment_positions", "positions held"),
        _empty("course_editions_conducted", "courses taught"),
        _empty("postal_addresses", "postal addresses"),
        Field[Person](name="can_i_debug", description="always false", value=lambda _: False, primary=False),
        Field[Person](
            name="external_ids",
            description="identifiers elsewhere, each null",
            value=lambda person: person,
            primary=False,
            target=_parts("orcid", "pbn_id"),
        ),
    ),
    default="id|first_name|last_name",
)

INSTITUTIONAL_ADDRESS: Final = ObjectType[InstitutionalAddress](
    method="services/instaddr/inst_address",
    fields=by_name(
        Field[InstitutionalAddress](name="id", description="address ID", value=lambda address: str(address.id)),
        Field[InstitutionalAddress](name="name", description="name of the address", value=lambda address: address.name),
        Field[InstitutionalAddress](name="email", description="the address", value=lambda address: address.email),
    ),
    default="id|name|email",
)

PRIMARY_GROUP: Final = ObjectType[Group](
    method="services/prgroups/primary_group",
    fields=by_name(
        Field[Group](name="id", description="group ID; the empty string is the root", value=lambda group: group.code or ""),
        Field[Group](name="name", description="name of the group", value=lambda group: group.name),
    ),
    default="id|name",
)

CUSTOM_GROUP: Final = ObjectType[Group](
    method="services/csgroups/custom_group",
    fields=by_name(
        Field[Group](name="id", description="group ID", value=lambda group: str(group.id)),
        Field[Group](name="name", description="name of the group", value=lambda group: group.name),
        *(
            Field[Group](name=name, description=f"{name} in the group; never shown by mailclient", value=_none_of_them, primary=False)
            for name in ("primary_groups", "custom_groups", "users", "emails")
        ),
    ),
    default="id|name",
)
