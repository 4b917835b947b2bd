"""Write the example organisation of the demo: 2,000 invented people of an invented university, as CSV files.

Run as ``python tools/make_organisation.py [FOLDER]``; the same seed gives the same files, byte for byte. All domains are
reserved for examples (RFC 2606 section 3). What it holds on purpose: people without any address or with an alternative one
only, two people who share an address, a tree of primary groups whose codes extend their parent's, course lists, and
custom groups that hold one another in a circle, courses, parts of the tree and bare addresses.
"""

# ruff: noqa: INP001, PLR2004, S311, SIM905 - a script; its numbers are invented shares; dice need no secrecy; names read better as text

import csv
import random
import sys
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

FOLDER: Final = Path(__file__).parents[1] / "src" / "postroom" / "demo" / "organisation"
STUDENTS: Final = 1_620
STAFF: Final = 380
SEED: Final = 20_261_001

WOMEN: Final = (
    "Agnieszka Alicja Amelia Anna Barbara Beata Bożena Celina Dorota Elżbieta Ewa Gabriela Grażyna Halina Hanna Iwona Izabela "
    "Jadwiga Joanna Jolanta Julia Kamila Karolina Katarzyna Lena Łucja Magdalena Małgorzata Maria Marta Monika Natalia Oliwia "
    "Olga Patrycja Róża Sylwia Urszula Weronika Zofia Żaneta Alice Charlotte Emily Grace Hannah Isla Lucy Olivia Sophie"
).split()
MEN: Final = (
    "Adam Aleksander Andrzej Antoni Bartosz Błażej Cezary Damian Dariusz Dominik Filip Franciszek Grzegorz Henryk Hubert Igor "
    "Jacek Jakub Jan Jerzy Kacper Kamil Krzysztof Łukasz Maciej Marcin Marek Michał Mikołaj Oskar Paweł Piotr Radosław Rafał "
    "Robert Sebastian Stanisław Szymon Tomasz Wiktor Wojciech Zbigniew Arthur Edward Frederick Harry Jack Oliver Thomas "
    "William"
).split()
STEMS: Final = (
    "Kowalski Wiśniewski Dąbrowski Lewandowski Zieliński Szymański Kozłowski Jankowski Wojciechowski Kwiatkowski Krawczyński "
    "Piotrowski Grabowski Zając Pawłowski Michalski Król Wieczorek Jabłoński Wróbel Nowakowski Majewski Olszewski Stępień "
    "Malinowski Jaworski Adamczyk Dudek Nowicki Pawlak Górski Witkowski Walczak Sikora Baran Rutkowski Michalak Szewczyk "
    "Ostrowski Tomaszewski Pietrzak Zalewski Wróblewski Marciniak Jasiński Zawadzki Bąk Jakubowski Sadowski Duda Włodarczyk "
    "Wilk Chmielewski Borkowski Sokołowski Szczepański Sawicki Kucharski Lis Maciejewski Kubiak Kalinowski Mazurek Wysocki "
    "Kołodziej Kaźmierczak Czarnecki Konieczny Urbański Głowacki Wasilewski Zakrzewski Krajewski Laskowski Ziółkowski "
    "Gajewski Mróz Brzeziński Szulc Makowski Przybylski Baranowski Kaczmarczyk Błaszczyk Andrzejewski Ashworth Bradley Carter "
    "Dawson Ellis Fletcher Gardner Hughes Ingram Jenkins Marsh Norris Palmer Radcliffe Sutton Turner Whitfield"
).split()
TO_ASCII: Final = str.maketrans("ąćęłńóśźżĄĆĘŁŃÓŚŹŻ", "acelnoszzACELNOSZZ")

FACULTIES: Final = {
    "HUM": ("Wydział Humanistyczny", {"FIL": "Instytut Filologii", "HIS": "Instytut Historii", "PHI": "Instytut Filozofii"}),
    "LAW": ("Wydział Prawa i Administracji", {"CIV": "Katedra Prawa Cywilnego", "ADM": "Katedra Administracji"}),
    "MAT": ("Wydział Matematyki i Informatyki", {"MAT": "Instytut Matematyki", "INF": "Instytut Informatyki", "STA": "Zakład Statystyki"}),
    "NAT": ("Wydział Nauk Przyrodniczych", {"BIO": "Instytut Biologii", "CHE": "Instytut Chemii", "PHY": "Instytut Fizyki"}),
    "ECO": ("Wydział Ekonomii", {"FIN": "Katedra Finansów", "MAN": "Katedra Zarządzania"}),
    "ART": ("Wydział Sztuki", {"MUS": "Instytut Muzyki", "GRA": "Katedra Grafiki"}),
}
COURSES: Final = ("Wstęp do studiów", "Seminarium dyplomowe", "Metodologia badań", "Academic English")
PARTNERS: Final = (
    "biblioteka@partner.example.org",
    "Press.Office@news.example.com",
    "kurator@schools.example.net",
    "sekretariat@fundacja.example.org",
)


class Person(NamedTuple):
    """One line of people.csv, and the institute that the person belongs to."""

    uid: str
    first_name: str
    last_name: str
    middle_names: str
    title_before: str
    title_after: str
    email: str
    alt_email: str
    language: str
    picture: str
    school: str
    active: str
    institute: str


Row = tuple[str, ...]


def feminine(name: str) -> str:
    """Return the feminine form of a Polish surname in -ski, -cki, -dzki, -ny; other surnames have one form."""
    return name[:-1] + "a" if name.endswith(("ski", "cki", "dzki")) else name[:-1] + "a" if name.endswith("ny") else name


class People:
    """Invents people; no two get the same primary address."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.taken: set[str] = set()

    def make(self, uid: str, institute: str, *, staff: bool) -> Person:
        """Invent the person with the key ``uid``."""
        dice = self.dice
        woman = dice.random() < 0.5
        names = WOMEN if woman else MEN
        first = dice.choice(names)
        last = feminine(dice.choice(STEMS)) if woman else dice.choice(STEMS)
        email = self._address(first, last, "example.edu" if staff else "student.example.edu")
        private = f"{last}.{first}{dice.randint(60, 99)}@mail.example.org".translate(TO_ASCII).lower() if dice.random() < 0.6 else ""
        fate = dice.random()
        if fate < 0.02:
            email = private = ""
        elif fate < 0.05:
            email, private = "", private or email
        return Person(
            uid=uid,
            first_name=first,
            last_name=last,
            middle_names=dice.choice(names) if dice.random() < 0.25 else "",
            title_before=dice.choice(["mgr", "dr", "dr", "dr hab.", "prof. dr hab."]) if staff else "",
            title_after="MBA" if staff and dice.random() < 0.03 else "",
            email=email,
            alt_email=private,
            language="en" if dice.random() < 0.12 else "pl",
            picture=f"https://people.example.edu/photo/{uid}.jpg" if staff and dice.random() < 0.5 else "",
            school="Uniwersytet Przykładowy",
            active="false" if dice.random() < 0.003 else "true",
            institute=institute,
        )

    def _address(self, first: str, last: str, domain: str) -> str:
        base = f"{first}.{last}".translate(TO_ASCII).lower()
        for number in count(1):
            address = f"{base}{number if number > 1 else ''}@{domain}"
            if address not in self.taken:
                self.taken.add(address)
                return address
        raise AssertionError("unreachable: numbers never end")


def make_people(dice: random.Random) -> list[Person]:
    """Invent the staff (uids from 1001; the first is the rector, who always has an address) and the students (from 410001)."""
    institutes = [f"{faculty}.{institute}" for faculty, (_, parts) in FACULTIES.items() for institute in parts]
    weights = [dice.uniform(0.7, 1.5) for _ in institutes]
    makers = People(dice)
    staff = [makers.make(str(1001 + n), dice.choices(institutes, weights)[0], staff=True) for n in range(STAFF)]
    students = [makers.make(str(410_001 + n), dice.choices(institutes, weights)[0], staff=False) for n in range(STUDENTS)]
    staff[0] = staff[0]._replace(
        first_name="Łucja",
        last_name="Żółkiewska",
        title_before="prof. dr hab.",
        email="lucja.zolkiewska@example.edu",
        alt_email="zolkiewska.lucja@mail.example.org",
        active="true",
    )
    twin = students[1]._replace(alt_email="rodzina.wysockich@mail.example.org", email="Rodzina.Wysockich@mail.example.org")
    students[0] = students[0]._replace(email="rodzina.wysockich@mail.example.org", last_name="Wysocki")
    students[1] = twin._replace(last_name="Wysocki")
    return [*staff, *students]


def primary_groups() -> Iterator[Row]:
    """Yield the tree: the root, whose code is empty, the faculties, their institutes."""
    yield "primary", "", "Uniwersytet Przykładowy", "", ""
    for code, (name, parts) in FACULTIES.items():
        yield "primary", code, name, "", ""
        for part, part_name in parts.items():
            yield "primary", f"{code}.{part}", part_name, code, ""


def courses(people: list[Person], dice: random.Random) -> Iterator[tuple[Row, list[str]]]:
    """Yield each course with its list: students of one institute, a few from elsewhere, and who teaches it."""
    staff, students = people[:STAFF], people[STAFF:]
    for faculty, (_, parts) in FACULTIES.items():
        for part in parts:
            institute = f"{faculty}.{part}"
            own = [person.uid for person in students if person.institute == institute]
            teachers = [person.uid for person in staff if person.institute == institute]
            for number, title in enumerate(COURSES):
                listed = dice.sample(own, dice.randint(12, 40)) + dice.sample([person.uid for person in students], 3)
                code = f"{faculty}-{part}-{101 + number}/2026Z"
                yield ("course", code, f"{title} ({institute})", "", ""), list(dict.fromkeys([dice.choice(teachers), *listed]))


CUSTOM: Final = {
    "senat": "Senat",
    "kolegium": "Kolegium dziekańskie",
    "samorzad": "Samorząd studencki",
    "starostowie": "Starostowie lat",
    "partnerzy": "Instytucje partnerskie",
    "inauguracja": "Goście inauguracji",
    "chor": "Chór akademicki",
    "absolwenci": "Koło absolwentów",
}
"""The rector's own groups, by code."""

INSIDE: Final = [
    ("senat", "custom:kolegium"),
    ("kolegium", "custom:samorzad"),
    ("samorzad", "custom:starostowie"),
    ("samorzad", "custom:senat"),  # closes the circle
    ("starostowie", "course:MAT-INF-102/2026Z"),
    ("partnerzy", "custom:absolwenci"),
    ("inauguracja", "custom:senat"),
    ("inauguracja", "custom:partnerzy"),
    ("inauguracja", "custom:chor"),
    ("inauguracja", "primary:ART"),
    ("inauguracja", "course:HUM-HIS-101/2026Z"),
]
"""Which group holds which."""


def custom_members(people: list[Person], dice: random.Random) -> Iterator[Row]:
    """Yield the members of the custom groups: people, other groups, bare addresses (one of them somebody's, in capitals)."""
    staff, students = [person.uid for person in people[:STAFF]], [person.uid for person in people[STAFF:]]
    crowds = {
        "senat": (staff, 20),
        "kolegium": (staff, 12),
        "samorzad": (students, 24),
        "starostowie": (students, 40),
        "chor": (students, 35),
    }
    for code, (crowd, size) in crowds.items():
        for uid in sorted(dice.sample(crowd, size)):
            yield "custom", code, "user", uid
    for code, inner in INSIDE:
        yield "custom", code, "group", inner
    for address in PARTNERS:
        yield "custom", "partnerzy", "email", address
    for number in range(1, 31):
        yield "custom", "absolwenci", "email", f"absolwent{number:02}@alumni.example.com"
    somebody = next(person for person in people[STAFF + 10 :] if person.email)
    yield "custom", "chor", "email", somebody.email.upper()


def addresses(people: list[Person], dice: random.Random) -> Iterator[Row]:
    """Yield the institutional addresses and who may send from each; the rector may send from her office's."""
    staff = [person.uid for person in people[1:STAFF]]
    yield "rektorat@example.edu", "Rektorat Uniwersytetu Przykładowego", "|".join([people[0].uid, *dice.sample(staff, 2)])
    yield "biuro.karier@example.edu", "Biuro Karier", "|".join(dice.sample(staff, 3))
    for code, (name, _) in FACULTIES.items():
        yield f"dziekanat.{code.lower()}@example.edu", f"Dziekanat, {name}", "|".join(dice.sample(staff, 3))


def write(path: Path, header: str, rows: Iterable[Row]) -> None:
    """Write one file: UTF-8, a header line, line feeds."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def main() -> None:
    """Write the four files."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(SEED)
    people = make_people(dice)
    lists = list(courses(people, dice))
    custom = [("custom", code, name, "", people[0].uid) for code, name in CUSTOM.items()]
    institutes = [("primary", person.institute, "user", person.uid) for person in people]
    seconds = [("primary", dice.choice(people).institute, "user", person.uid) for person in people[STAFF:] if dice.random() < 0.04]
    listed = [("course", group[1], "user", uid) for group, uids in lists for uid in uids]
    memberships = [*institutes, *seconds, *listed, *custom_members(people, dice)]
    write(folder / "people.csv", ",".join(Person._fields[:-1]), (person[:-1] for person in people))
    write(folder / "groups.csv", "kind,code,name,parent_code,owner_uid", [*primary_groups(), *(group for group, _ in lists), *custom])
    write(folder / "memberships.csv", "group_kind,group_code,member_kind,member", dict.fromkeys(memberships))
    write(folder / "addresses.csv", "email,name,assigned_uids", addresses(people, dice))


if __name__ == "__main__":
    main()
