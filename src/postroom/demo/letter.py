"""What is said in the demonstration, and to whom: an invitation in Polish from the rector's office to some 1,500 people."""

from typing import Final

AUTHOR_UID: Final = "1001"
"""The rector, in the system that people are imported from."""

AUTHOR_EMAIL: Final = "lucja.zolkiewska@example.edu"
"""Her address, where the copy and the summary report go."""

FROM_ADDRESS: Final = "rektorat@example.edu"

FACULTIES: Final = ("HUM", "MAT", "NAT")
"""Primary groups: everybody of these faculties and their institutes."""

GROUPS: Final = ("Goście inauguracji",)
"""The rector's custom group; it holds others, one of them in a circle, course lists, another faculty and bare addresses."""

GUEST_UIDS: Final = ("1002", "1003", "410777")
EMAILS: Final = ("Ambasada@culture.example.net", "Konsulat.RP@culture.example.com")

SUBJECT: Final = "Zaproszenie na inaugurację roku akademickiego 2026/2027"

CONTENT: Final = """\
<p>Szanowni Państwo, Drodzy Studenci,</p>
<p>serdecznie zapraszam na uroczystą <b>inaugurację roku akademickiego 2026/2027</b>. Wykład inauguracyjny
„Źdźbło, chrząszcz i gęś: o brzmieniu języka” wygłosi prof. dr hab. Bożena Ciepłowska.</p>
<ul>
  <li>czwartek, 1 października 2026, godz. 10:00</li>
  <li>Aula Główna, ul. Źródlana 5</li>
</ul>
<p>Program w załączniku; potwierdzenia przyjmuje
<a href="https://www.example.edu/inauguracja?rok=2026&amp;jezyk=pl">formularz</a>.</p>
<p>Z wyrazami szacunku<br>Łucja Żółkiewska, Rektor</p>
"""

ATTACHMENT_NAME: Final = "Program uroczystości.ics"
ATTACHMENT_TYPE: Final = "text/calendar"
ATTACHMENT_DESCRIPTION: Final = "Program do dodania do kalendarza"
ATTACHMENT: Final = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Uniwersytet Przykładowy//Rektorat//PL
BEGIN:VEVENT
UID:inauguracja-2026@example.edu
DTSTAMP:20260901T080000Z
DTSTART:20261001T080000Z
DTEND:20261001T103000Z
SUMMARY:Inauguracja roku akademickiego 2026/2027
LOCATION:Aula Główna\\, ul. Źródlana 5
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n").encode()
