"""The composer, read back with the standard library's parser: whatever goes in comes out, and nothing else does."""

import re
from email import message_from_bytes, policy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom import clock
from postroom.delivery import composer, contexts, headers
from postroom.delivery.contexts import Context
from postroom.delivery.records import Due
from postroom.errors import Invalid
from postroom.messages import message_ids
from postroom.settings import MailSettings, Settings
from postroom.storage.secrets import Vault
from tests.delivery.letters import add_message
from tests.delivery.mails import CONTEXT, FOREIGN, LINKS, SENT, SETTINGS, VAULT, mail, recipient, text_of, wire
from tests.support import counted


def test_plain_mail() -> None:
    """Date, Message-ID, From, Subject in UTF-8 done right, signature in the language of the message."""
    parsed = mail(to=recipient(name="Ola Łoś"))
    assert parsed["Subject"] == "Zażółć gęślą jaźń"
    assert str(parsed["From"]) == "Łucja Żak <lucja@uni.example>"
    assert str(parsed["To"]) == "Ola Łoś <ola@x.example>"
    assert parsed["Organization"] == "Uniwersytet Łódzki"
    assert parsed["Content-Language"] == "pl"
    assert parsed["Date"].datetime.timestamp() * 1000 == SENT
    assert parsed["List-Id"] is None
    assert parsed["Auto-Submitted"] is None
    assert parsed["Reply-To"] is None
    assert parsed.get_content_type() == "text/plain"
    assert text_of(parsed) == "Dzień dobry.\n\n-- \nWiadomość wysłana przez: Łucja Żak\nUniwersytet Łódzki\n"
    assert "Message sent by: Łucja Żak" in text_of(mail(language="en"))


def test_message_id_is_the_same_each_time_and_nobody_elses() -> None:
    """Design 1.2: a retry carries the same Message-ID."""
    skeleton = composer.skeleton(Context(**CONTEXT), SETTINGS, VAULT, mailing=False)
    assert skeleton.fill(recipient()) == skeleton.fill(recipient())
    identifier = mail()["Message-ID"]
    assert re.fullmatch(r"<7\.9\.[A-Za-z0-9_-]{16}@mail\.uni\.example>", identifier)
    assert message_ids.made(VAULT, "mail.uni.example", 7, 9) == identifier
    assert message_ids.made(VAULT, "mail.uni.example", 7, 10) != identifier
    assert message_ids.made(Vault(b"another key, another installation"), "mail.uni.example", 7, 9) != identifier


@pytest.mark.parametrize(
    ("changes", "own_domains", "sender", "reply_to"),
    [
        ({}, [], "Łucja Żak <lucja@uni.example>", None),
        ({}, ["UNI.example"], "Łucja Żak <lucja@uni.example>", None),
        ({}, ["other.example"], "Łucja Żak <no-reply@mail.uni.example>", "Łucja Żak <lucja@uni.example>"),
        ({"author_email": None}, [], "Łucja Żak <no-reply@mail.uni.example>", None),
        ({"author_id": None, "author_name": "", "author_email": None}, [], "Uniwersytet Łódzki <no-reply@mail.uni.example>", None),
        (
            {"address_id": 4, "address_name": "Dean, Faculty", "address_email": "dean@uni.example"},
            ["other.example"],
            '"Dean, Faculty" <dean@uni.example>',
            None,
        ),
    ],
)
def test_who_it_is_from(changes: dict[str, Any], own_domains: list[str], sender: str, reply_to: str | None) -> None:
    """The institutional address, else the author, else no-reply in the author's name with Reply-To (see docs/delivery.md)."""
    settings = Settings(mail=MailSettings(domain="mail.uni.example", organisation="Uniwersytet Łódzki", own_domains=own_domains))
    parsed = mail(settings, **changes)
    assert str(parsed["From"]) == sender
    assert (None if parsed["Reply-To"] is None else str(parsed["Reply-To"])) == reply_to


def test_mailings_carry_a_list_id_of_their_sender() -> None:
    """RFC 2919: one identifier for what comes from one office, whatever the message."""
    office = {"address_id": 4, "address_name": "Dean", "address_email": "dean@uni.example"}
    assert mail(mailing=True, **office)["List-Id"] == "Dean <address-4.mailings.mail.uni.example>"
    assert mail(mailing=True, message_id=8)["List-Id"].endswith("<author-3.mailings.mail.uni.example>")


def test_reports_say_that_nobody_wrote_them() -> None:
    """RFC 3834: Auto-Submitted, and no signature."""
    parsed = mail(author_id=None, author_name="", author_email=None)
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert text_of(parsed) == "Dzień dobry.\n"


def test_links_instead_of_attached_files() -> None:
    """Contract 1.3: a list of links is appended; everything in it is escaped in HTML."""
    plain = text_of(mail(links=LINKS))
    assert 'Załączniki:\n* a <b>&.pdf (1.2 MB): the "plan" & <more>\n  https://post.example/links/1/x/a\n* żółw.txt (17 B)\n' in plain
    assert "Do pobrania do 2026-05-28 20:26 (UTC)." in plain
    assert plain.index("Załączniki") < plain.index("\n-- \n")
    parsed = mail(links=LINKS, content="<p>Cześć</p>", content_format="html", language="en")
    html = text_of(parsed, "html")
    assert '<a href="https://post.example/links/1/x/a">a &lt;b&gt;&amp;.pdf</a> (1.2 MB): the &quot;plan&quot; &amp; &lt;more&gt;' in html
    assert html.index("Attachments:") < html.index("</body>")
    assert "https://post.example/links/2/y/b" in text_of(parsed)


@pytest.mark.parametrize(
    ("content", "before_end"),
    [
        ("<p>x</p>", "</body>\n</html>\n"),
        ("<html><body><p>x</p></BODY ></html>", "</BODY ></html>\n"),
        ("<html><body>unclosed", ""),
        ("<pre></body></pre><body>x</body>", "</body>\n"),
    ],
)
def test_links_stand_inside_the_body(content: str, before_end: str) -> None:
    html = text_of(mail(links=LINKS, content=content, content_format="html"), "html")
    assert html.endswith(f"Uniwersytet Łódzki</p>\n{before_end}")
    assert html.count("Załączniki:") == 1


def test_html_mail_has_a_text_part() -> None:
    """Multipart/alternative, the text first, with the addresses of links."""
    parsed = mail(content='<h1>Cześć</h1><p>See <a href="https://x.example/y">this</a>.</p>', content_format="html")
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert "Cześć" in text_of(parsed)
    assert "https://x.example/y" in text_of(parsed)
    assert "<title>Zażółć gęślą jaźń</title>" in text_of(parsed, "html")


@pytest.mark.parametrize(
    "html", ["", "<b>" * 3000 + "deep", "<?xml version='1.0' encoding='utf-16'?><p>x</p>", "<!-- only -->", "<", "&#0;&#xD800;"]
)
def test_odd_html_still_makes_a_mail(html: str) -> None:
    parsed = mail(content=html, content_format="html")
    assert ("deep" in text_of(parsed)) == ("deep" in html)


@pytest.mark.parametrize("name", ["subject", "author_name"])
@pytest.mark.parametrize("attack", ["x\r\nBcc: all@x.example", "x\nBcc: all@x.example", "x\rBcc: all@x.example", "x\0y"])
def test_header_injection_is_refused(name: str, attack: str) -> None:
    """Design 1.5: CR, LF and NUL never reach a header."""
    with pytest.raises(Invalid):
        mail(**{name: attack})


@pytest.mark.parametrize("name", ["a\r\nBcc: x@y", "a\nb"])
def test_injection_through_a_recipient_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        mail(to=recipient(name=name))
    with pytest.raises(Invalid):
        mail(to=recipient(email="a@b>\r\nBcc: <x@y"))


@given(FOREIGN)
def test_any_subject_comes_back(subject: str) -> None:
    parsed = str(mail(subject=subject)["Subject"])
    visible = "".join(character if ord(character) >= 32 else " " for character in subject)
    assert " ".join(parsed.split()) == " ".join(visible.split())


@given(FOREIGN)
def test_any_name_comes_back_as_a_name(name: str) -> None:
    """Whatever somebody is called, there is one address in To, and it is the right one."""
    data = wire(composer.skeleton(Context(**CONTEXT), SETTINGS, VAULT, mailing=False).fill(recipient(name=name)))
    to = message_from_bytes(data, policy=policy.default)["To"]
    assert [address.addr_spec for address in to.addresses] == ["ola@x.example"]


@pytest.mark.parametrize(
    "subject", ["=?utf-8?B?eA==?=", "x" * 200, "a " * 100, " lead", "trail ", "a  b", "\t", "Re: 100 % \U0001f4e8", "\u202eRTL", ""]
)
def test_odd_subjects(subject: str) -> None:
    assert str(mail(subject=subject)["Subject"]).strip() == subject.strip()


@given(st.text(alphabet=st.sampled_from("ab .\t-żé\U0001f600\u2028\r\n>From \x0c"), max_size=400))
def test_any_plain_content_comes_back(content: str) -> None:
    """Only line breaks change: their form, where long lines are wrapped, and at the end."""
    body = text_of(mail(content=content, author_id=None))
    assert body.split() == re.sub(r"[\x0c\u2028]", "\n", content).split()


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=300))
def test_any_html_content_makes_a_mail(content: str) -> None:
    mail(content=content, content_format="html", links=LINKS, mailing=True)


def test_encoding_is_what_every_relay_takes() -> None:
    assert mail(content="plain words\n", author_id=None)["Content-Transfer-Encoding"] == "7bit"
    assert mail(content="żółw\n", author_id=None)["Content-Transfer-Encoding"] == "quoted-printable"
    assert mail(content="x" * 2000, author_id=None)["Content-Transfer-Encoding"] == "quoted-printable"
    data = composer.skeleton(Context(**{**CONTEXT, "content": "From me\nto you", "author_id": None}), SETTINGS, VAULT, mailing=False)
    assert b"\r\nFrom me" not in wire(data.fill(recipient()))
    assert text_of(mail(content="From me\nto you", author_id=None)) == "From me\nto you\n"


def test_an_author_cannot_end_a_part() -> None:
    """The boundary is signed, so no content can hold it by chance or by intent."""
    content = "<p>--=_7_\r\n--=_7--\r\n</p>"
    assert len(list(mail(content=content, content_format="html").iter_parts())) == 2


def test_a_recipient_without_an_address_gets_no_mail() -> None:
    with pytest.raises(Invalid):
        composer.skeleton(Context(**CONTEXT), SETTINGS, VAULT, mailing=False).fill(
            Due(id=1, message_id=7, email=None, name="", role="to", lane="single", attempts=1, ambiguous=False, expires_at=None)
        )


def test_long_fields_are_folded() -> None:
    field = headers.unstructured("Subject", "word " * 39 + "end")
    assert max(len(line) for line in field.split(b"\r\n")) <= 76
    assert all(line.startswith(b" word") for line in field.split(b"\r\n")[1:-1])


def test_contexts_of_a_batch_cost_two_statements(store: Any) -> None:
    """A claim's messages are read together, whatever their number."""
    ids = [store.database.write_now(add_message, ["a@x.example"]) for _ in range(20)]
    with counted(store) as statements:
        found = store.database.read_now(contexts.load, store.settings, store.vault, [*ids, 10**6])
    assert len(statements) == 2
    assert sorted(found) == ids
    assert (found[ids[0]].author_name, found[ids[0]].author_email) == ("Ala Kot", "ala@uni.example")
    assert clock.now() - found[ids[0]].date < clock.MINUTE
