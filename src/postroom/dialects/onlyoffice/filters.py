"""Filters (wire/onlyoffice.md §1b, §4 Filter). They act on what comes and on what was sent, whichever dialect it was written in."""

import json
import re
from enum import IntEnum
from typing import Any, Final, get_args

from msgspec import Struct, field, structs

from postroom.dialects.onlyoffice import mail_objects
from postroom.dialects.onlyoffice.background import FILTER_APPLIED, Operation, done
from postroom.dialects.onlyoffice.call import Call
from postroom.dialects.onlyoffice.errors import EXCEPTION, ApiError, argument, not_found
from postroom.dialects.onlyoffice.lists import Listing
from postroom.dialects.onlyoffice.mail_objects import MailMessage
from postroom.dialects.onlyoffice.messages import clock, reader
from postroom.dialects.onlyoffice.numbers import FOLDERS, folder_of
from postroom.dialects.onlyoffice.operation import Nothing, Operations, Verb, operation
from postroom.dialects.onlyoffice.operation import Operation as Declared
from postroom.directory.values import chunks
from postroom.errors import NotFound
from postroom.messages import filtering, folders, mail_filters
from postroom.messages.item_details import Item, Reader
from postroom.messages.items import Key
from postroom.messages.mail_filters import MAX_VALUE, Action, Condition, Deed, Filter, NewFilter, Place, Rule, Test
from postroom.storage.database import Tx

PAGE_SIZE: Final = 10
MAX_PAGE_SIZE: Final = 1_000

_INBOX: Final = FOLDERS.index("inbox")
_OWN: Final = FOLDERS.index("own")
_FILTERED: Final = frozenset({_INBOX, FOLDERS.index("sent"), FOLDERS.index("spam")})
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}", re.ASCII)


class ConditionKey(IntEnum):
    """Where a condition looks."""

    FROM = 0
    TOORCC = 1
    TO = 2
    CC = 3
    SUBJECT = 4


class ConditionOperation(IntEnum):
    """What it looks for: the whole, or a piece."""

    MATCHES = 0
    NOTMATCHES = 1
    CONTAINS = 2
    NOTCONTAINS = 3


class ActionType(IntEnum):
    """What is to be done."""

    DELETEFOREVER = 0
    MOVETO = 1
    MARKTAG = 2
    MARKASIMPORTANT = 3
    MARKASREAD = 4


class MatchMulti(IntEnum):
    """How several conditions go together."""

    NONE = 0
    MATCHALL = 1
    MATCHATLEASTONE = 2


class WithAttachments(IntEnum):
    """Whether messages must have files."""

    WITHANDWITHOUT = 0
    WITH = 1
    WITHOUT = 2


_PLACES: Final[tuple[Place, ...]] = get_args(Place)
_TESTS: Final[tuple[Test, ...]] = get_args(Test)
_DEEDS: Final[tuple[Deed, ...]] = get_args(Deed)
"""In the order of the enumerations, as the next."""
_COMBINED: Final = ("single", "all", "any")
_WITH_FILES: Final = (None, True, False)


class FilterCondition(Struct, frozen=True, kw_only=True):
    """What must hold of a message."""

    key: ConditionKey = ConditionKey.FROM
    operation: ConditionOperation = ConditionOperation.MATCHES
    value: str = ""


class FilterAction(Struct, frozen=True, kw_only=True):
    """What is to be done with it. ``data``: the number of a tag, or a folder in JSON: ``{"type":6,"userFolderId":5}``, ``{"type":4}``."""

    action: ActionType = ActionType.DELETEFOREVER
    data: str = ""


class ApplyTo(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which messages are looked at: in these folders, of these accounts (none: all)."""

    folders: list[int] = field(default_factory=lambda: [_INBOX])
    mailboxes: list[int] = []
    with_attachments: WithAttachments = WithAttachments.WITHANDWITHOUT


class FilterOptions(Struct, frozen=True, kw_only=True, rename="camel"):
    """How a filter goes about it. ``ignore_other``: no filter behind it looks at what it was for."""

    match_multi_conditions: MatchMulti = MatchMulti.NONE
    apply_to: ApplyTo = field(default_factory=ApplyTo)
    ignore_other: bool = False


class FilterData(Struct, frozen=True, kw_only=True):
    """A filter."""

    id: int = 0
    name: str = ""
    position: int = 0
    enabled: bool = True
    conditions: list[FilterCondition] = []
    actions: list[FilterAction] = []
    options: FilterOptions = field(default_factory=FilterOptions)


class GivenFilter(Struct, frozen=True, kw_only=True):
    """A filter as it is to be."""

    filter: FilterData = field(default_factory=FilterData)


class TriedFilter(GivenFilter, frozen=True, kw_only=True, rename="camel"):
    """A filter, and a page of what it would be for."""

    page: int = 0
    page_size: int = PAGE_SIZE


class FilterId(Struct, frozen=True, kw_only=True):
    """Which filter."""

    id: int


@operation("GET", "/mail/filters", Nothing, result=list[FilterData])
async def get_filters(call: Call, given: Nothing) -> list[FilterData]:
    """List the filters of the caller in the order in which they act."""
    del given
    return [_shown(one) for one in await call.read(mail_filters.of_person, call.user_id)]


@operation("POST", "/mail/filters", GivenFilter, result=FilterData)
async def create_filter(call: Call, given: GivenFilter) -> FilterData:
    """Make a filter."""
    if given.filter.id:
        raise argument("filterData.Id should be 0")
    _check(given.filter)
    return _shown(await call.write(_create, call.user_id, given.filter))


def _create(tx: Tx, user_id: int, given: FilterData) -> Filter:
    return mail_filters.create(tx, user_id, _filter(tx, user_id, given))


@operation("PUT", "/mail/filters", GivenFilter, result=FilterData)
async def update_filter(call: Call, given: GivenFilter) -> FilterData:
    """Make another one of a filter."""
    if given.filter.id <= 0:
        raise ApiError(400, "filterData.Id should be more then 0", EXCEPTION)
    _check(given.filter)
    try:
        return _shown(await call.write(_change, call.user_id, given.filter))
    except NotFound:
        raise not_found(f"Filter with {given.filter.id} wasn't found.") from None


def _change(tx: Tx, user_id: int, given: FilterData) -> Filter:
    return mail_filters.change(tx, user_id, given.id, _filter(tx, user_id, given))


@operation("DELETE", "/mail/filters/{id:-?[0-9]+}", FilterId, result=int)
async def delete_filter(call: Call, given: FilterId) -> int:
    """Delete a filter. One that is not there is gone already."""
    await call.write(mail_filters.remove, call.user_id, given.id)
    return given.id


async def _tried(call: Call, given: TriedFilter) -> Listing:
    _check_options(given.filter.options)
    _check_conditions(given.filter.conditions)
    fit = await call.read(_fitting, reader(call), given.filter)
    limit = min(max(given.page_size, 1), MAX_PAGE_SIZE)
    start = max(given.page, 0) * limit
    rows = [mail_objects.in_list(item, clock(call)) for item in fit[start : start + limit]]
    return Listing(items=rows, total=len(fit), paged=True)


def _fitting(tx: Tx, who: Reader, given: FilterData) -> list[Item]:
    rule = _rule(given, ())
    return filtering.fitting(tx, who, rule, filtering.standing(tx, who.user_id, rule, filtering.SHOWN_OF))


@operation("GET", "/mail/filters/{id:[0-9]+}/apply", FilterId, result=Operation)
async def apply_filter(call: Call, given: FilterId) -> Operation:
    """Let a filter act on what stands in its folders: on the newest 10,000 messages of each."""
    try:
        rule, keys = await call.read(_standing, call.user_id, given.id)
    except NotFound:
        raise ApiError(400, "Internal server error. Try again later.", EXCEPTION) from None
    for some in chunks(keys):  # in short transactions, so that nobody waits for all of them
        await call.write(filtering.apply, reader(call), rule, some, call.now)
    return done(FILTER_APPLIED)


def _standing(tx: Tx, user_id: int, number: int) -> tuple[Rule, list[Key]]:
    rule = mail_filters.get(tx, user_id, number).rule
    return rule, [one.key for one in filtering.standing(tx, user_id, rule, filtering.LOOKED_THROUGH)]


def _check(given: FilterData) -> None:
    """Check a filter in the order of the original. Raises ``ApiError`` 400."""
    _check_options(given.options)
    _check_conditions(given.conditions)
    if not given.actions:
        raise argument("No actions")
    for action in given.actions:
        if action.action == ActionType.MOVETO:
            _target(action.data)
        elif action.action == ActionType.MARKTAG:
            _tag(action.data)


def _check_options(options: FilterOptions) -> None:
    if not _FILTERED.issuperset(options.apply_to.folders):
        raise argument("Some folder is not accepted in the options")


def _check_conditions(conditions: list[FilterCondition]) -> None:
    for condition in conditions:
        if not condition.value.strip():
            raise argument("No condition value")
        if len(condition.value) > MAX_VALUE:
            raise argument(f"Too long condition value (limit is {MAX_VALUE})")


def _target(data: str) -> tuple[int, int]:
    """Read where messages are to be moved: the number of the folder, and, if it is 6, of the folder of one's own."""
    of = "of 'Move to' action"
    if not data.strip():
        raise argument(f"Empty folder {of}")
    try:
        content = json.loads(data, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise argument(f"Not json data {of}") from None
    if not isinstance(content, dict) or not content:
        raise argument(f"Have no values in json data {of}")
    folder = _number(content, "type", of)
    if folder_of(folder) in {None, "sending"}:
        raise argument(f"Not valid type value in json data {of}")
    return folder, _number(content, "userFolderId", of) if folder == _OWN else 0


def _number(content: dict[str, Any], name: str, of: str) -> int:
    if name not in content:
        raise argument(f"Have no {name} value in json data {of}")
    if not _NUMBER.fullmatch(str(content[name])):
        raise argument(f"Not valid {name} value in json data {of}")
    return int(content[name])


def _tag(data: str) -> int:
    if not data.strip():
        raise argument("Empty tag of 'Add tag' action")
    if not _NUMBER.fullmatch(data.strip()):
        raise argument("Not numeric tag id of 'Add tag' action")
    return int(data)


def _filter(tx: Tx, user_id: int, given: FilterData) -> NewFilter:
    rule = _rule(given, tuple(map(_action, given.actions)))
    for action in rule.actions:
        if action.deed == "move" and action.folder == "own":
            try:
                folders.check(tx, user_id, action.folder_id)
            except NotFound:
                raise argument("Not valid userFolderId value in json data of 'Move to' action") from None
    if any(action.deed == "remove" for action in rule.actions):
        rule = structs.replace(rule, actions=(Action(deed="remove"),))
    return NewFilter(name=given.name, position=given.position, enabled=given.enabled, rule=rule)


def _rule(given: FilterData, actions: tuple[Action, ...]) -> Rule:
    applied = given.options.apply_to
    rule = Rule(
        conditions=tuple(
            Condition(place=_PLACES[one.key], test=_TESTS[one.operation], value=one.value.strip()) for one in given.conditions
        ),
        combined=_COMBINED[given.options.match_multi_conditions],
        actions=actions,
        folders=tuple(FOLDERS[number] for number in dict.fromkeys(applied.folders)),
        account_ids=tuple(dict.fromkeys(applied.mailboxes)),
        with_files=_WITH_FILES[applied.with_attachments],
        is_last=given.options.ignore_other,
    )
    mail_filters.check(rule)  # before anything is read for each of its parts
    return rule


def _action(given: FilterAction) -> Action:
    deed = _DEEDS[given.action]
    if given.action == ActionType.MOVETO:
        number, folder_id = _target(given.data)
        return Action(deed=deed, folder=FOLDERS[number], folder_id=folder_id if number == _OWN else 0)
    return Action(deed=deed, label_id=_tag(given.data) if given.action == ActionType.MARKTAG else 0)


def _shown(one: Filter) -> FilterData:
    rule = one.rule
    return FilterData(
        id=one.id,
        name=one.name,
        position=one.position,
        enabled=one.enabled,
        conditions=[
            FilterCondition(
                key=ConditionKey(_PLACES.index(condition.place)),
                operation=ConditionOperation(_TESTS.index(condition.test)),
                value=condition.value,
            )
            for condition in rule.conditions
        ],
        actions=[FilterAction(action=ActionType(_DEEDS.index(action.deed)), data=_data(action)) for action in rule.actions],
        options=FilterOptions(
            match_multi_conditions=MatchMulti(_COMBINED.index(rule.combined)),
            apply_to=ApplyTo(
                folders=[FOLDERS.index(folder) for folder in rule.folders],
                mailboxes=list(rule.account_ids),
                with_attachments=WithAttachments(_WITH_FILES.index(rule.with_files)),
            ),
            ignore_other=rule.is_last,
        ),
    )


def _data(action: Action) -> str:
    match action.deed:
        case "move":
            return json.dumps({"type": FOLDERS.index(action.folder), "userFolderId": action.folder_id}, separators=(",", ":"))
        case "label":
            return str(action.label_id)
        case _:
            return ""


def _trying(verb: Verb, name: str) -> Declared[TriedFilter]:
    """Declare a call that shows what a filter would be for."""

    async def check(call: Call, given: TriedFilter) -> Listing:
        return await _tried(call, given)

    check.__name__, check.__doc__ = name, "List what a filter would be for: of the newest 1,000 messages of each of its folders."
    return operation(verb, "/mail/filters/check", TriedFilter, result=list[MailMessage])(check)


OPERATIONS: Final[Operations] = (
    get_filters,
    create_filter,
    update_filter,
    delete_filter,
    _trying("POST", "check_filter"),
    _trying("GET", "check_filter_by_query"),
    apply_filter,
)
