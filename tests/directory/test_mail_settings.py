"""How a person wants their mailbox shown (directory/mail_settings)."""

import pytest

from postroom.directory import mail_settings
from postroom.directory.mail_settings import MailSettings
from postroom.errors import Invalid, TooLarge
from postroom.storage.store import Store
from tests.messages.conftest import Office


def test_switches(store: Store) -> None:
    office = Office(store)
    assert office.run(mail_settings.of_person, office.author) == MailSettings()
    office.run(mail_settings.change, office.author, {"conversations": False})
    office.run(mail_settings.change, office.author, {"replace_body": True})
    assert office.run(mail_settings.of_person, office.author) == MailSettings(conversations=False, replace_body=True)
    assert office.run(mail_settings.of_person, office.other) == MailSettings()


def test_addresses_of_images(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    office = Office(store)
    for address in ("B@x.example", "a@x.example", "b@X.example"):
        office.run(mail_settings.show_images_of, office.author, address)
    assert office.run(mail_settings.addresses_of_images, office.author) == ["a@x.example", "b@x.example"]
    assert office.run(mail_settings.shows_images_of, office.author, "A@x.example")
    assert not office.run(mail_settings.shows_images_of, office.other, "a@x.example")
    office.run(mail_settings.hide_images_of, office.author, " A@x.example")
    assert not office.run(mail_settings.shows_images_of, office.author, "a@x.example")
    monkeypatch.setattr(mail_settings, "MAX_ADDRESSES", 1)
    for address, error in (("c@x.example", TooLarge), ("", Invalid), ("a\nb", Invalid), ("x" * 321, TooLarge)):
        with pytest.raises(error):
            office.run(mail_settings.show_images_of, office.author, address)
