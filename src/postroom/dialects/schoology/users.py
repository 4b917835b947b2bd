"""Who there is: the object of a person, and the calls by which clients find out who they are (wire/schoology.md §1.5)."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from postroom.clock import SECOND
from postroom.dialects.operation import Answer, Nothing, Operations, operation
from postroom.dialects.schoology import errors
from postroom.dialects.schoology.call import Call
from postroom.dialects.schoology.paging import Page, links, page_of
from postroom.dialects.schoology.records import Links
from postroom.directory import contact_rules, people
from postroom.directory.records import Person
from postroom.directory.values import MAX_KEY
from postroom.settings import Settings
from postroom.storage.database import Tx


class Permissions(Struct, frozen=True, kw_only=True):
    """What others may do with a person: nothing that is served here."""

    is_directory_public: bool = False
    allow_connections: bool = False


class User(Struct, frozen=True, kw_only=True):
    """Somebody of the organisation. Schools, buildings and roles have no numbers here, so theirs are 0."""

    uid: Annotated[str, Meta(description="The number of the person, in digits.")]
    id: int
    school_id: int = 0
    building_id: int = 0
    school_uid: Annotated[str | None, Meta(description="The person's key in the system that people are imported from, as primary_email.")]
    name_title: str
    name_first: str
    name_middle: str
    name_last: str
    name_display: str
    primary_email: Annotated[str | None, Meta(description="For the person, for staff and for administrative clients; else null.")]
    picture_url: str
    send_message: Annotated[int, Meta(description="1: the caller may write to this person.")]
    role_id: int = 0
    tz_name: str = "UTC"
    tz_offset: int = 0
    child_uids: None = None
    permissions: Permissions = Permissions()
    synced: int = 0
    language: str
    password: str = ""


class UserList(Struct, frozen=True, kw_only=True):
    """A page of people, by number."""

    user: list[User]
    total: int
    links: Links


class AppUserInfo(Struct, frozen=True, kw_only=True):
    """Who calls."""

    web_session_timestamp: Annotated[int, Meta(description="The present time, in seconds: nobody has a session here.")]
    api_uid: int


class UserListParameters(Struct, frozen=True, kw_only=True):
    """Which part of the list; what is no number counts as not given."""

    start: Annotated[str, Meta(description="People before the page.")] = ""
    start_id: Annotated[str, Meta(description="The same.")] = ""
    limit: Annotated[str, Meta(description="People on the page: 20 if not given, 200 at most.")] = ""


class OneUser(Struct, frozen=True, kw_only=True):
    """Which person."""

    user_id: Annotated[int, Meta(ge=1, description="Number of the person.")]


class ForeignKey(Struct, frozen=True, kw_only=True):
    """Which person, by the key of another system."""

    uid: Annotated[str, Meta(max_length=MAX_KEY, description="The person's key in the system that people are imported from.")]


class _Seen(Struct, frozen=True, kw_only=True):
    """A person, and what the caller may know and do."""

    person: Person
    private: bool
    """Address and key are shown."""
    may_write: bool


@operation("GET", "/users/me", parameters=Nothing, answers={303: None})
async def get_me(call: Call, _parameters: Nothing, _body: None) -> Answer:
    """Lead to the person for whom the call is made."""
    return Answer(303, headers={"Location": call.url(f"/users/{call.user_id}")})


@operation("GET", "/users/ext/{uid}", parameters=ForeignKey, answers={303: None})
async def get_user_by_key(call: Call, parameters: ForeignKey, _body: None) -> Answer:
    """Lead to the person with this key in the system that people are imported from."""
    found = await call.read(people.by_uid, parameters.uid)
    if found is None:
        raise errors.not_found()
    return Answer(303, headers={"Location": call.url(f"/users/{found.id}")})


@operation("GET", "/users/{user_id:int}", parameters=OneUser, answers={200: User})
async def get_user(call: Call, parameters: OneUser, _body: None) -> Answer:
    """Show a person."""
    seen = await call.read(_see, call.settings, call.caller.user_id, [parameters.user_id], everything=call.client.administrative)
    if not seen:
        raise errors.not_found()
    return Answer(200, _user(seen[0]))


@operation("GET", "/users", parameters=UserListParameters, answers={200: UserList})
async def list_users(call: Call, parameters: UserListParameters, _body: None) -> Answer:
    """List everybody, for staff and for administrative clients."""
    page = page_of(parameters.start or parameters.start_id, parameters.limit)
    found = await call.read(_page, call.settings, call.caller.user_id, page, everything=call.client.administrative)
    if found is None:
        raise errors.forbidden()
    seen, total = found
    shown = links(call.url("/users"), page, {}, more=page.start + len(seen) < total)
    return Answer(200, UserList(user=[_user(one) for one in seen], total=total, links=shown))


@operation("GET", "/app-user-info", parameters=Nothing, answers={200: AppUserInfo})
async def get_app_user_info(call: Call, _parameters: Nothing, _body: None) -> Answer:
    """Tell for whom the call is made."""
    return Answer(200, AppUserInfo(web_session_timestamp=call.now // SECOND, api_uid=call.user_id))


OPERATIONS: Final[Operations] = (get_me, get_user_by_key, get_user, list_users, get_app_user_info)


def _see(tx: Tx, settings: Settings, viewer_id: int | None, ids: list[int], *, everything: bool) -> list[_Seen]:
    """Look people up, with what the viewer may know of them."""
    asked = {*ids, *([] if viewer_id is None else [viewer_id])}
    found = people.active_by_ids(tx, asked)
    viewer = None if viewer_id is None else found.get(viewer_id)
    return _seen(tx, settings, viewer, [found[number] for number in ids if number in found], everything=everything)


def _page(tx: Tx, settings: Settings, viewer_id: int | None, page: Page, *, everything: bool) -> tuple[list[_Seen], int] | None:
    """Return a page of everybody, and how many there are; ``None`` for a viewer who is not to know."""
    viewer = None if viewer_id is None else people.active_by_ids(tx, [viewer_id]).get(viewer_id)
    if not (everything or _is_staff(settings, viewer)):
        return None
    found, total = people.page(tx, page.start, page.limit)
    return _seen(tx, settings, viewer, found, everything=everything), total


def _seen(tx: Tx, settings: Settings, viewer: Person | None, found: list[Person], *, everything: bool) -> list[_Seen]:
    others = [person.id for person in found if viewer is not None and person.id != viewer.id]
    writable = contact_rules.permitted(tx, settings, viewer.id, others) if viewer is not None and others else set()
    all_private = everything or _is_staff(settings, viewer)
    return [_Seen(person=person, private=all_private or person == viewer, may_write=person.id in writable) for person in found]


def _is_staff(settings: Settings, viewer: Person | None) -> bool:
    return viewer is not None and viewer.role in settings.contacts.staff_roles


def _user(seen: _Seen) -> User:
    person = seen.person
    return User(
        uid=str(person.id),
        id=person.id,
        school_uid=person.uid if seen.private else None,
        name_title=person.title_before,
        name_first=person.first_name,
        name_middle=person.middle_names,
        name_last=person.last_name,
        name_display=f"{person.first_name} {person.last_name}".strip(),
        primary_email=person.email if seen.private else None,
        picture_url=person.picture or "",
        send_message=int(seen.may_write),
        language=person.language,
    )
