"""Calls about a CRM that is not there (wire/onlyoffice.md §1b Conversations, §8.22)."""

import pytest

from tests.dialects.onlyoffice.conftest import Api

CHANGES = ("/mail/messages/crm/export", "/mail/conversations/crm/link", "/mail/conversations/crm/mark", "/mail/conversations/crm/unmark")


@pytest.mark.parametrize("path", CHANGES)
def test_nothing_is_linked(sqlite_api: Api, path: str) -> None:
    """§8.22: ``{}``; what is wrong with the call is told first."""
    form = {"id_message": 5, "crm_contact_ids[0][id]": 3, "crm_contact_ids[0][type]": 1}
    assert sqlite_api.result("PUT", path, data=form) == {}
    assert sqlite_api.result("PUT", path, json={"id_message": 5, "crm_contact_ids": [{"id": 3, "type": 1}]}) == {}
    invalid = sqlite_api.call("PUT", path, json={"crm_contact_ids": [{"id": 3}]})
    sqlite_api.refused(invalid, 400, "Invalid message id\r\nParameter name: id_message", -2147024809)
    empty = sqlite_api.call("PUT", path, json={"id_message": 5, "crm_contact_ids": []})
    sqlite_api.refused(empty, 400, "Invalid contact ids list\r\nParameter name: crm_contact_ids", -2147024809)


def test_nothing_was_linked(sqlite_api: Api) -> None:
    """§8.22: ``isLinked`` false, and an empty list; with the texts of the original for a wrong number."""
    status = sqlite_api.result("GET", "/mail/conversations/link/crm/status", params={"message_id": 5})
    assert status == {"messageId": 5, "isLinked": False}
    assert sqlite_api.result("GET", "/mail/crm/linked/entities", params={"message_id": 5}) == []
    refused = sqlite_api.call("GET", "/mail/conversations/link/crm/status", params={"message_id": 0})
    sqlite_api.refused(refused, 400, "Invalid message id\r\nParameter name: message_id", -2147024809)
    refused = sqlite_api.call("GET", "/mail/crm/linked/entities")
    sqlite_api.refused(refused, 400, "meesage_id must be positive integer\r\nParameter name: message_id", -2147024809)
