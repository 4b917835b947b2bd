"""users/user as recipients refer to it: every field of contract §4.6, each with the value that docs/usos.md states."""

from typing import Any

from postroom import clock
from postroom.dialects.usos.objects import USER
from postroom.directory import people
from postroom.directory.people import NewPerson
from tests.dialects.usos.conftest import Installation

PHOTO_SIZES = ("50x50", "100x100", "100x125", "200x200", "200x250", "400x400", "400x500", "original")
NULL = "sex student_status staff_status phd_student_status email_url homepage_url profile_url office_hours interests room student_number "
NULL += "pesel birth_date birth_certificate_data revenue_office_id citizenship library_card_id"
EMPTY = "previous_names phone_numbers mobile_numbers student_programmes employment_functions employment_positions "
EMPTY += "course_editions_conducted postal_addresses"


def shown(usos: Installation, person: NewPerson) -> Any:
    """Put a person on a roll and ask for every field."""
    number = usos.store.database.write_now(people.add, person, clock.now())
    message_id = usos.draft()
    usos.ask("update_recipients_group", message_id=message_id, user_ids=str(number))
    usos.ask("refresh_recipients", message_id=message_id)
    (line,) = usos.ask("recipients", message_id=message_id, fields=f"user[{'|'.join(USER.fields)}]")
    assert line["user"].pop("id") == str(number)
    return line["user"]


def test_every_field_of_a_user_with_everything(usos: Installation) -> None:
    photo = "https://photos.example/zofia.jpg"
    person = NewPerson(
        first_name="Zofia",
        middle_names="Maria",
        last_name="Łoś",
        title_before="prof.",
        title_after="OBE",
        email="zofia@uni.example",
        alt_email="zofia@home.example",
        picture=photo,
    )
    assert shown(usos, person) == {
        "first_name": "Zofia",
        "middle_names": "Maria",
        "last_name": "Łoś",
        "titles": {"before": "prof.", "after": "OBE"},
        "email": "zofia@uni.example",
        "alt_email": "zofia@home.example",
        "email_access": "plaintext",
        "has_email": True,
        "has_photo": True,
        "photo_urls": dict.fromkeys(PHOTO_SIZES, photo),
        "can_i_debug": False,
        "external_ids": {"orcid": None, "pbn_id": None},
        **dict.fromkeys(NULL.split()),
        **{name: [] for name in EMPTY.split()},
    }


def test_every_field_of_a_user_with_nothing_but_a_name(usos: Installation) -> None:
    user = shown(usos, NewPerson(first_name="", last_name="X"))
    assert {
        name: user[name] for name in ("first_name", "middle_names", "email", "alt_email", "email_access", "has_email", "has_photo")
    } == {
        "first_name": "",
        "middle_names": None,
        "email": None,
        "alt_email": None,
        "email_access": "no_email",
        "has_email": False,
        "has_photo": False,
    }
    assert user["titles"] == {"before": None, "after": None}
    assert user["photo_urls"] == dict.fromkeys(PHOTO_SIZES)
