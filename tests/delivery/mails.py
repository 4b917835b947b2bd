"""Mails made by the composer and read back with the standard library's parser."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from hypothesis import strategies as st

from postroom.delivery import composer, mime
from postroom.delivery.composer import Skeleton
from postroom.delivery.contexts import Context, File, Link
from postroom.delivery.mail import Mail
from postroom.delivery.records import Due
from postroom.messages import options
from postroom.messages.records import MailOptions
from postroom.settings import MailSettings, Settings
from postroom.storage.secrets import Vault

VAULT = Vault(b"a key for tests only, of no worth")
SETTINGS = Settings(mail=MailSettings(domain="mail.uni.example", organisation="Uniwersytet Łódzki"))
SENT = 1_780_000_000_000

CONTEXT: dict[str, Any] = {
    "message_id": 7,
    "subject": "Zażółć gęślą jaźń",
    "content": "Dzień dobry.\n",
    "content_format": "plain",
    "language": "pl",
    "date": SENT,
    "author_id": 3,
    "author_name": "Łucja Żak",
    "author_email": "lucja@uni.example",
    "address_id": None,
    "address_name": "",
    "address_email": "",
    "links": (),
}

LINKS = (
    Link(filename="a <b>&.pdf", url="https://post.example/links/1/x/a", size=1_300_000, description='the "plan" & <more>', expires_at=SENT),
    Link(filename="żółw.txt", url="https://post.example/links/2/y/b", size=17, description="", expires_at=SENT),
)

FOREIGN = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\r\n\0"), max_size=120)


HEADERS = ("Date", "From", "To", "Message-ID", "Subject", "MIME-Version", "Organization", "Content-Language")


def recipient(email: str = "ola@x.example", name: str = "", variables: str | None = None) -> Due:
    return Due(
        id=9,
        message_id=7,
        email=email,
        name=name,
        role="to",
        lane="single",
        attempts=1,
        ambiguous=False,
        expires_at=None,
        variables=variables,
    )


def a_file(number: int = 1, content: bytes = b"", **changes: Any) -> File:
    values: dict[str, Any] = {
        "id": number,
        "blob_key": "k",
        "filename": "plan.pdf",
        "content_type": "application/pdf",
        "size": len(content),
        "description": "",
        "disposition": "attachment",
        "content_id": None,
        "withdrawn": False,
    }
    return File(**{**values, **changes})


def skeleton(settings: Settings = SETTINGS, contents: dict[int, bytes] | None = None, *, mailing: bool = False, **changes: Any) -> Skeleton:
    """Render a message that differs from ``CONTEXT`` in what is given; ``mail`` may be options."""
    if isinstance(changes.get("mail"), MailOptions):
        changes["mail"] = options.encoded(changes["mail"])
    return composer.skeleton(Context(**{**CONTEXT, **changes}), settings, VAULT, mailing=mailing, contents=in_lines(contents))


def in_lines(contents: dict[int, bytes] | None) -> dict[int, list[bytes]]:
    """The contents of files as the composer takes them."""
    return {number: list(mime.base64_pieces(content)) for number, content in (contents or {}).items()}


def wire(filled: Mail) -> bytes:
    """The mail as a server keeps it: the chunks in one, doubled dots single again; what a chunk may never hold is not there."""
    data = b"".join(filled.chunks)
    assert len(data) == filled.size
    assert all(chunk.endswith(b"\r\n") for chunk in filled.chunks)
    lines = data.split(b"\r\n")
    assert all(line.startswith(b"..") for line in lines if line.startswith(b"."))
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


def read(data: bytes) -> EmailMessage:
    """Read a mail back; every one keeps to the rules that hold for all of them."""
    assert data.isascii()
    assert data.endswith(b"\r\n")
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", data)
    assert max(len(line) for line in data.split(b"\r\n")) <= 998
    assert not re.search(rb"[ \t]\r\n", data.partition(b"\r\n\r\n")[2])
    parsed = message_from_bytes(data, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert [defect for part in parsed.walk() for defect in part.defects] == []
    for name in HEADERS:
        assert len(parsed.get_all(name, [])) == 1, name
    return parsed


def mail(settings: Settings = SETTINGS, to: Due | None = None, **changes: Any) -> EmailMessage:
    """Compose for one recipient and read back."""
    data = wire(skeleton(settings, **changes).fill(to or recipient()))
    assert max(len(line) for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")) <= 300
    return read(data)


def text_of(parsed: EmailMessage, kind: str = "plain") -> str:
    part = parsed.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def plain_mail(content: bytes) -> Mail:
    """A mail of these bytes, as the wire needs it."""
    body = content if content.endswith(b"\r\n") else content + b"\r\n"
    stuffed = (b"." if body.startswith(b".") else b"") + body.replace(b"\r\n.", b"\r\n..")
    return Mail((stuffed,), len(stuffed), eight_bit=not body.isascii())
