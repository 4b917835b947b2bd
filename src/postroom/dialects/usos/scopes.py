"""Scopes: what an access token lets a consumer do for a person (wire/usos.md §2.5).

Postroom asks for ``email``, ``mailclient``, ``offline_access`` and ``other_emails`` itself. The other scopes belong to services of a
USOS API that it does not serve; they are known all the same, since programs ask for all that they use anywhere in one request.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from postroom.dialects.usos.errors import LangDict

OFFLINE: Final = "offline_access"
"""The scope with which an access token holds until it is revoked."""


class Scope(Struct, frozen=True, kw_only=True):
    """One scope."""

    key: str
    allows: LangDict
    """What a person allows with it, as one line of the consent page: plain text in ``pl`` and ``en``."""
    developers_description: str
    """What somebody who writes a program must know of it: plain text."""


def _scope(key: str, pl: str, en: str, description: str) -> Scope:
    return Scope(key=key, allows={"pl": pl, "en": en}, developers_description=description)


SCOPES: Final[Mapping[str, Scope]] = {
    scope.key: scope
    for scope in (
        _scope("adm_documents", "dostęp do Twoich pism urzędowych", "access your administrative documents", "Administrative documents."),
        _scope("cards", "dostęp do danych Twoich legitymacji", "access the data of your identity cards", "Student and staff cards."),
        _scope(
            "change_all_preferences",
            "zmianę wszystkich Twoich ustawień",
            "change all your preferences",
            "Write access to every preference of the user.",
        ),
        _scope(
            "crstests",
            "dostęp do Twoich sprawdzianów i ich wyników",
            "access your tests and their results",
            "Course tests of the user, with results.",
        ),
        _scope("dorm_admin", "zarządzanie domami studenckimi", "administer dormitories", "Administration of dormitories."),
        _scope(
            "edit_user_attrs", "zmianę Twoich danych na profilu", "edit the data of your profile", "Write access to the user's profile."
        ),
        _scope("email", "odczytanie Twojego adresu e-mail", "read your e-mail address", "The user's own address."),
        _scope("events", "dostęp do Twoich wydarzeń", "access your events", "Events that the user takes part in."),
        _scope("grades", "odczytanie Twoich ocen", "read your grades", "Grades of the user, read only."),
        _scope(
            "grades_write", "wystawianie ocen w Twoim imieniu", "give grades in your name", "Write access to grades of examination reports."
        ),
        _scope(
            "mailclient",
            "czytanie, pisanie i wysyłanie wiadomości w Twoim imieniu",
            "read, write and send messages in your name",
            "The module services/mailclient in the name of the user, and custom groups of recipients.",
        ),
        _scope("mobile_numbers", "odczytanie Twoich numerów telefonów komórkowych", "read your mobile numbers", "Mobile numbers."),
        _scope(
            OFFLINE,
            "korzystanie z tych praw także wtedy, gdy Cię nie ma, bez ograniczenia czasu",
            "use these rights while you are away, without a limit in time",
            "The access token holds until it is revoked. Without this scope it holds for a short time only.",
        ),
        _scope(
            "other_emails",
            "odczytanie adresów e-mail osób z Tobą związanych",
            "read the e-mail addresses of people related to you",
            "Addresses of users related to the user.",
        ),
        _scope("payments", "dostęp do Twoich płatności", "access your payments", "Payments of the user."),
        _scope(
            "personal", "dostęp do Twoich danych osobowych", "access your personal data", "Personal data, such as numbers and addresses."
        ),
        _scope("photo", "dostęp do Twojego zdjęcia", "access your photograph", "The user's photograph, whoever may see it otherwise."),
        _scope("placement_tests", "dostęp do Twoich testów poziomujących", "access your placement tests", "Placement tests of the user."),
        _scope(
            "session_debugging_perms",
            "używanie Twoich uprawnień do diagnostyki",
            "use your permissions for debugging",
            "Debugging permissions of the session; for administrative consumers only.",
        ),
        _scope("slips", "dostęp do Twoich obiegówek", "access your clearance slips", "Clearance slips of the user."),
        _scope(
            "slips_admin", "zarządzanie obiegówkami w Twoim imieniu", "administer clearance slips in your name", "Administration of slips."
        ),
        _scope(
            "staff_perspective",
            "dostęp do danych studentów, które widzisz jako pracownik",
            "access data of students that you see as a member of staff",
            "Data of students as far as the user, a member of staff, may see them.",
        ),
        _scope(
            "student_exams",
            "odczytanie Twoich egzaminów i zapisów na nie",
            "read your examinations and registrations for them",
            "Examinations of the user, read only.",
        ),
        _scope(
            "student_exams_write",
            "zapisywanie Cię na egzaminy i wypisywanie z nich",
            "register you for examinations and unregister you",
            "Write access to registrations for examinations.",
        ),
        _scope(
            "studies",
            "odczytanie Twoich przedmiotów, grup i toku studiów",
            "read your courses, groups and programmes",
            "Courses, groups and programmes of the user.",
        ),
        _scope(
            "surveys_filling", "wypełnianie ankiet w Twoim imieniu", "fill in surveys in your name", "Surveys that the user may fill in."
        ),
        _scope(
            "surveys_reports",
            "dostęp do raportów z ankiet",
            "access reports of surveys",
            "Reports of surveys, as far as the user may see them.",
        ),
        _scope(
            "theses_protocols_write",
            "zmianę protokołów egzaminów dyplomowych w Twoim imieniu",
            "change reports of diploma examinations in your name",
            "Write access to reports of diploma examinations.",
        ),
    )
}
"""Every scope by its key, in alphabetical order."""
