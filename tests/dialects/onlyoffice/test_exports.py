"""Files that are to become documents (wire/onlyoffice.md §1b Attachments, §8.22)."""

from tests.dialects.onlyoffice.conftest import Api


def test_no_file_becomes_a_document(sqlite_api: Api) -> None:
    """None of a message; and one alone is refused, since there would have to be a number for it."""
    assert sqlite_api.result("PUT", "/mail/messages/attachments/export", data={"id_message": 4}) == 0
    refused = sqlite_api.call("PUT", "/mail/messages/attachments/export", data={"id_message": 0})
    sqlite_api.refused(refused, 400, "Invalid message id\r\nParameter name: id_message", -2147024809)
    refused = sqlite_api.call("PUT", "/mail/messages/attachment/export", json={})
    sqlite_api.refused(refused, 400, "Invalid attachment id\r\nParameter name: id_attachment", -2147024809)
    refused = sqlite_api.call("PUT", "/mail/messages/attachment/export", json={"id_attachment": 4, "id_folder": "1"})
    sqlite_api.refused(refused, 403, "There are no documents here.", -2146233079)
