"""services/users: who there is (wire/usos.md §4.6): look people up by number, name or address."""

from typing import Annotated, Final

from msgspec import Struct

from postroom.dialects.endpoint import Access, ErrorCase, Field, ObjectType, by_name, endpoint
from postroom.dialects.usos import errors
from postroom.dialects.usos.arguments import identifier_or_null, identifiers, selector, text, whole_number
from postroom.dialects.usos.call import Call
from postroom.dialects.usos.loading import MOST_IDS, sight_of
from postroom.dialects.usos.matches import highlighted
from postroom.dialects.usos.modules import Module
from postroom.dialects.usos.objects import USER, UserView
from postroom.dialects.usos.selectors import Selection
from postroom.directory import names, people
from postroom.directory.records import Person
from postroom.mailbox import MAX_EMAIL
from postroom.storage.database import Tx

_NAME: Final = "services/users/"
_OPEN: Final = Access(consumer="required", token="optional")  # noqa: S106 - a need, no token
_ADMINISTRATIVE: Final = Access(consumer="required", token="optional", administrative=True)  # noqa: S106
_DEFAULT: Final = "id|first_name|last_name"
_MOST_FOUND: Final = 100
"""Users that a search gives at a time."""
_FURTHEST: Final = 10_000
"""Users that a search passes over at most."""


class Match(Struct, frozen=True, kw_only=True):
    """A user whom a search found."""

    user: UserView
    match: str


class Page(Struct, frozen=True, kw_only=True):
    """A part of what a search found."""

    items: list[Match]
    next_page: bool


MATCH: Final = ObjectType[Match](
    method=_NAME + "search2",
    fields=by_name(
        Field[Match](name="user", description="the user", value=lambda found: found.user, target=USER),
        Field[Match](
            name="match",
            description="the user's name as HTML, with <b> around the words that match",
            value=lambda found: found.match,
        ),
    ),
    default="user|match",
)

PAGE: Final = ObjectType[Page](
    method=_NAME + "search2",
    fields=by_name(
        Field[Page](name="items", description="list of users that were found", value=lambda page: page.items, target=MATCH),
        Field[Page](name="next_page", description="whether there are more", value=lambda page: page.next_page),
    ),
    default="items|next_page",
)


class Shown(Struct, frozen=True):
    """Arguments of ``user``."""

    user_id: Annotated[int | None, identifier_or_null("User ID; the user of the token if absent or empty.")]
    fields: Annotated[Selection, selector(USER, default=_DEFAULT)]


class ShownTogether(Struct, frozen=True):
    """Arguments of ``users``."""

    user_ids: Annotated[dict[str, int], identifiers(f"User IDs, at most {MOST_IDS}.", required=True, most=MOST_IDS)]
    fields: Annotated[Selection, selector(USER, default=_DEFAULT)]


class Searched(Struct, frozen=True):
    """Arguments of ``search2``."""

    query: Annotated[str, text("Beginnings of words of the name; case and accents do not matter.", names.MAX_QUERY, required=True)]
    fields: Annotated[Selection, selector(PAGE, default="items|next_page")]
    num: Annotated[int, whole_number(f"Users wanted, 1 to {_MOST_FOUND}.", 1, _MOST_FOUND, default="20")]
    start: Annotated[int, whole_number(f"Users to pass over, 0 to {_FURTHEST}.", 0, _FURTHEST, default="0")]


class SearchedByEmail(Struct, frozen=True):
    """Arguments of ``search_by_email``."""

    email: Annotated[str, text("Primary or alternative address of the user, in any case of letters.", 2 * MAX_EMAIL, required=True)]
    fields: Annotated[Selection, selector(USER, default=_DEFAULT)]


@endpoint(
    _NAME + "user",
    Shown,
    access=_OPEN,
    brief=True,
    returns="A dictionary of the selected fields and their values.",
    result=USER,
    errors=(ErrorCase(error="object_not_found", param_names=("user_id",), description="the user could not be found"),),
)
async def user(call: Call, given: Shown) -> dict[str, object]:
    """Get information on one user.

    What users do not keep here is null. Addresses of others are null too, and email_access is no_access, unless the caller may see
    them: an administrative consumer, or a token with the scope other_emails. The user's own takes the scope email.
    """
    wanted = given.user_id or call.user_id
    found = await call.read(people.active_by_ids, [wanted])
    if wanted not in found:
        raise errors.object_not_found("user_id", _NAME + "user")
    return given.fields.render(sight_of(call).of(found[wanted]))


@endpoint(
    _NAME + "users",
    ShownTogether,
    access=_OPEN,
    returns="A dictionary: user ID → dictionary of the selected fields, or null for a user that could not be found.",
    result=USER,
)
async def users(call: Call, given: ShownTogether) -> dict[str, object]:
    """Get information on several users."""
    found = await call.read(people.active_by_ids, given.user_ids.values())
    sight = sight_of(call)
    return {key: given.fields.render(sight.of(found[number])) if number in found else None for key, number in given.user_ids.items()}


@endpoint(
    _NAME + "search2",
    Searched,
    access=_OPEN,
    returns="A dictionary of the selected fields and their values.",
    result=PAGE,
)
async def search2(call: Call, given: Searched) -> dict[str, object]:
    """Search for users by their names.

    Each word of the query must begin a word of the name, and one of them must have two letters or digits. Those who are called exactly
    so come first.
    """

    def unit(tx: Tx) -> list[Person]:
        numbers = names.search(tx, given.query, given.start, given.num + 1)
        found = people.active_by_ids(tx, numbers) if numbers else {}
        return [found[number] for number in numbers if number in found]

    found = await call.read(unit)
    sight = sight_of(call)
    items = [Match(user=sight.of(person), match=highlighted(_full_name(person), given.query)) for person in found[: given.num]]
    return given.fields.render(Page(items=items, next_page=len(found) > given.num))


@endpoint(
    _NAME + "search_by_email",
    SearchedByEmail,
    access=_ADMINISTRATIVE,
    returns=f"A list of dictionaries of the selected fields, at most {_MOST_FOUND}.",
    result=USER,
)
async def search_by_email(call: Call, given: SearchedByEmail) -> list[dict[str, object]]:
    """Find users by an address of theirs."""
    found = await call.read(people.by_email, given.email, _MOST_FOUND)
    sight = sight_of(call)
    return [given.fields.render(sight.of(person)) for person in found]


def _full_name(person: Person) -> str:
    return " ".join(filter(None, (person.first_name, person.middle_names, person.last_name)))


MODULE: Final = Module(
    name="services/users",
    title="Users",
    summary="Look users up.",
    description="Users are the people of the organisation who are active. IDs are those of the import, or given by Postroom.",
    endpoints=(search2, search_by_email, user, users),
)
"""The module; its methods in the order of its page."""
