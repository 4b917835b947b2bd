"""Filters over HTTP (wire/onlyoffice.md §1b Filters, §4 Filter)."""

import json
from typing import Any

import pytest

from postroom import clock
from postroom.dialects.onlyoffice.errors import ARGUMENT, EXCEPTION, HTTP
from postroom.messages import filtering, mail_filters
from tests.dialects.onlyoffice.conftest import Api
from tests.dialects.onlyoffice.mailbox import Mailbox
from tests.support import counted

IMPORTANT = {"action": 3, "data": ""}
OF_EWA = {"key": 0, "operation": 2, "value": "Ewa@X.example"}


@pytest.fixture
def box(api: Api) -> Mailbox:
    return Mailbox(api)


@pytest.fixture
def sqlite_box(sqlite_api: Api) -> Mailbox:
    return Mailbox(sqlite_api)


def made(box: Mailbox, **content: Any) -> Any:
    given = {"name": "F", "conditions": [OF_EWA], "actions": [IMPORTANT], **content}
    return box.api.result("POST", "/mail/filters", json={"filter": given})


def acted(box: Mailbox) -> int:
    """How many messages the worker looks at."""
    return int(box.api.write(filtering.act_due, box.api.store.settings, box.api.store.vault, clock.now(), 100))


def test_filters(box: Mailbox) -> None:
    """§4: numbers on output everywhere; what is not said is the default; they stand in the order in which they act."""
    folder = box.api.result("POST", "/mail/userfolders", json={"name": "Ewa"})["id"]
    data = json.dumps({"type": 6, "userFolderId": folder}, separators=(",", ":"))
    first = made(box, position=2, actions=[{"action": 1, "data": data}])
    assert first == {
        "id": first["id"],
        "name": "F",
        "position": 2,
        "enabled": True,
        "conditions": [{"key": 0, "operation": 2, "value": "Ewa@X.example"}],
        "actions": [{"action": 1, "data": data}],
        "options": {
            "matchMultiConditions": 0,
            "applyTo": {"folders": [1], "mailboxes": [], "withAttachments": 0},
            "ignoreOther": False,
        },
    }
    options = {"matchMultiConditions": 2, "applyTo": {"folders": [1, 5], "mailboxes": [4], "withAttachments": 2}, "ignoreOther": True}
    second = made(box, name="x" * 70, position=-1, enabled=False, actions=[IMPORTANT, {"action": 0}], options=options)
    assert (second["name"], second["position"], second["enabled"]) == ("x" * 64, 0, False)
    assert second["actions"] == [{"action": 0, "data": ""}], "deleting stands alone"
    assert second["options"] == options
    assert box.get("filters") == [second, first]
    changed = box.put("filters", filter={**first, "position": 0, "name": "G", "actions": [{"action": 2, "data": "7"}]})
    assert (changed["id"], changed["name"], changed["actions"]) == (first["id"], "G", [{"action": 2, "data": "7"}])
    assert [one["id"] for one in box.get("filters")] == [first["id"], second["id"]]
    hers = box.api.token_of(box.api.ewa)
    assert box.api.result("GET", "/mail/filters", token=hers) == []
    assert box.api.result("DELETE", f"/mail/filters/{first['id']}", token=hers) == first["id"], "a call without effect"
    assert box.api.result("DELETE", f"/mail/filters/{first['id']}") == first["id"]
    assert box.get("filters") == [second]


def test_a_filter_in_a_form(sqlite_box: Mailbox) -> None:
    """§1a.4: as programs write objects into forms."""
    form = {
        "filter[name]": "F",
        "filter[conditions][0][key]": "4",
        "filter[conditions][0][operation]": "2",
        "filter[conditions][0][value]": "hello",
        "filter[actions][0][action]": "4",
        "filter[options][applyTo][folders][]": "5",
    }
    found = sqlite_box.api.result("POST", "/mail/filters", data=form)
    assert found["conditions"] == [{"key": 4, "operation": 2, "value": "hello"}]
    assert (found["actions"], found["options"]["applyTo"]["folders"]) == ([{"action": 4, "data": ""}], [5])


MOVE = "of 'Move to' action"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"options": {"applyTo": {"folders": [1, 4]}}}, "Some folder is not accepted in the options"),
        ({"conditions": [{"key": 0, "value": " "}]}, "No condition value"),
        ({"conditions": [{"key": 0, "value": "x" * 201}]}, "Too long condition value (limit is 200)"),
        ({"actions": []}, "No actions"),
        ({"actions": [{"action": 1, "data": ""}]}, f"Empty folder {MOVE}"),
        ({"actions": [{"action": 1, "data": "{"}]}, f"Not json data {MOVE}"),
        ({"actions": [{"action": 1, "data": "[" * 100_000}]}, f"Not json data {MOVE}"),
        ({"actions": [{"action": 1, "data": "{}"}]}, f"Have no values in json data {MOVE}"),
        ({"actions": [{"action": 1, "data": "[1]"}]}, f"Have no values in json data {MOVE}"),
        ({"actions": [{"action": 1, "data": '{"userFolderId":0}'}]}, f"Have no type value in json data {MOVE}"),
        ({"actions": [{"action": 1, "data": '{"type":"x","userFolderId":0}'}]}, f"Not valid type value in json data {MOVE}"),
        ({"actions": [{"action": 1, "data": '{"type":0,"userFolderId":0}'}]}, f"Not valid type value in json data {MOVE}"),
        ({"actions": [{"action": 1, "data": '{"type":8,"userFolderId":0}'}]}, f"Not valid type value in json data {MOVE}"),
        ({"actions": [{"action": 1, "data": '{"type":6}'}]}, f"Have no userFolderId value in json data {MOVE}"),
        ({"actions": [{"action": 1, "data": '{"type":6,"userFolderId":null}'}]}, f"Not valid userFolderId value in json data {MOVE}"),
        ({"actions": [{"action": 1, "data": '{"type":6,"userFolderId":99}'}]}, f"Not valid userFolderId value in json data {MOVE}"),
        ({"actions": [{"action": 2, "data": ""}]}, "Empty tag of 'Add tag' action"),
        ({"actions": [{"action": 2, "data": "x"}]}, "Not numeric tag id of 'Add tag' action"),
        ({"id": 1}, "filterData.Id should be 0"),
        ({"conditions": [OF_EWA] * 101}, "More than 100.\r\nParameter name: conditions"),
    ],
)
def test_what_a_filter_cannot_be(sqlite_box: Mailbox, content: Any, message: str) -> None:
    """§1b: the texts of the original; nothing is made then."""
    answer = sqlite_box.api.call("POST", "/mail/filters", json={"filter": {"name": "F", "actions": [IMPORTANT], **content}})
    sqlite_box.api.refused(answer, 400, message, ARGUMENT)
    assert sqlite_box.get("filters") == []


@pytest.mark.parametrize("data", ['{"type":4}', '{"type":"4","userFolderId":null}', '{"type":4,"userFolderId":""}'])
def test_a_folder_that_is_not_of_ones_own_has_no_second_number(sqlite_box: Mailbox, data: str) -> None:
    """§1b: `userFolderId` is asked for where the type is 6."""
    made(sqlite_box, actions=[{"action": 1, "data": data}])
    came = sqlite_box.came(sqlite_box.api.jan, sqlite_box.letter(sqlite_box.api.ewa))
    acted(sqlite_box)
    assert sqlite_box.get(f"messages/{came}")["folder"] == 4


def test_a_filter_that_is_too_large_costs_nothing(sqlite_box: Mailbox) -> None:
    """Neither is each of its folders looked for, nor do thousands of conditions look at a thousand messages."""
    api = sqlite_box.api
    folder = api.result("POST", "/mail/userfolders", json={"name": "Ewa"})["id"]
    move = {"action": 1, "data": json.dumps({"type": 6, "userFolderId": folder})}
    for path, content, name in (("", {"actions": [move] * 101}, "actions"), ("/check", {"conditions": [OF_EWA] * 101}, "conditions")):
        with counted(api.store) as statements:
            answer = api.call("POST", f"/mail/filters{path}", json={"filter": content})
        api.refused(answer, 400, f"More than 100.\r\nParameter name: {name}", ARGUMENT)
        assert len(statements) == 1, "who calls"


def test_filters_that_are_not_there(sqlite_box: Mailbox) -> None:
    """§8.9: what a caller did wrong is 400, where the original answers 500."""
    hers = sqlite_box.api.result(
        "POST", "/mail/filters", json={"filter": {"actions": [IMPORTANT]}}, token=sqlite_box.api.token_of(sqlite_box.api.ewa)
    )
    api = sqlite_box.api
    for number in (0, -1):
        given = {"id": number, "actions": [IMPORTANT]}
        api.refused(api.call("PUT", "/mail/filters", json={"filter": given}), 400, "filterData.Id should be more then 0", EXCEPTION)
    for number in (hers["id"], 99):
        answer = api.call("PUT", "/mail/filters", json={"filter": {"id": number, "actions": [IMPORTANT]}})
        api.refused(answer, 404, f"Filter with {number} wasn't found.", HTTP)
        answer = api.call("GET", f"/mail/filters/{number}/apply")
        api.refused(answer, 400, "Internal server error. Try again later.", EXCEPTION)


def test_what_a_filter_would_be_for(box: Mailbox) -> None:
    """§1b: pages from 0, of 10; both verbs; nothing is changed, and no action is needed."""
    came = [box.came(box.api.jan, box.letter(box.api.ewa, subject=f"No {number}")) for number in range(3)]
    box.letter(box.api.jan)
    tried = {"conditions": [OF_EWA, {"key": 4, "operation": 1, "value": "no 1"}]}
    answer = box.api.call("POST", "/mail/filters/check", json={"filter": tried, "page": 0, "pageSize": 1}).json()
    assert ([row["id"] for row in answer["response"]], answer["total"]) == ([came[2]], 2)
    answer = box.api.call("POST", "/mail/filters/check", json={"filter": tried, "page": 1, "pageSize": 1}).json()
    assert [row["id"] for row in answer["response"]] == [came[0]]
    query = {"filter[conditions][0][key]": "4", "filter[conditions][0][value]": "NO 1"}
    (row,) = box.api.result("GET", "/mail/filters/check", params=query)
    assert (row["id"], row["isNew"], row["important"]) == (came[1], True, False)
    sent = {"filter[options][applyTo][folders][]": "2"}
    assert len(box.api.result("GET", "/mail/filters/check", params=sent)) == 1


def test_a_filter_is_applied_to_what_is_there(box: Mailbox) -> None:
    """§1b: the operation of type 6 is over when the answer comes; a filter that is off is applied, too."""
    came = box.came(box.api.jan, box.letter(box.api.ewa))
    other = box.came(box.api.jan, box.letter(box.api.ewa, subject="Stay"))
    tag = box.api.result("POST", "/mail/tags", json={"name": "T"})["id"]
    actions = [{"action": 1, "data": '{"type":"4","userFolderId":"0"}'}, {"action": 2, "data": str(tag)}, IMPORTANT, {"action": 4}]
    number = made(box, enabled=False, conditions=[{"key": 4, "operation": 0, "value": "hello"}], actions=actions)["id"]
    done = box.get(f"filters/{number}/apply")
    assert (done["completed"], done["operationType"], done["percents"], done["error"]) == (True, 6, 100, "")
    assert box.get(f"operations/{done['id']}") == done
    row = box.get(f"messages/{came}")
    assert (row["folder"], row["tagIds"], row["important"], row["wasNew"]) == (4, [tag], True, False)
    assert box.list() == ([other], 1)


def test_filters_act_on_what_comes(box: Mailbox) -> None:
    """From another person of the organisation; in their order, until one lets no other follow."""
    api = box.api
    made(box, position=1, options={"ignoreOther": True})
    made(box, position=2, actions=[{"action": 0}])
    came = box.came(api.jan, box.letter(api.ewa))
    assert not box.get(f"messages/{came}")["important"], "sending only notes what there is to do"
    assert acted(box) == 1
    assert box.get(f"messages/{came}")["important"]
    assert acted(box) == 0


def test_filters_act_on_what_was_sent(box: Mailbox) -> None:
    """§1a.6 step 10: when the letter is done, not before."""
    tag = box.api.result("POST", "/mail/tags", json={"name": "T"})["id"]
    to_ewa = [{"key": 2, "operation": 0, "value": "ewa@x.example"}]
    made(box, conditions=to_ewa, actions=[{"action": 2, "data": str(tag)}], options={"applyTo": {"folders": [2]}})
    number = box.letter(box.api.jan)
    assert acted(box) == 0
    box.api.write(mail_filters.await_sent, [number])
    assert acted(box) == 1
    assert box.get(f"messages/{2 * number}")["tagIds"] == [tag]
