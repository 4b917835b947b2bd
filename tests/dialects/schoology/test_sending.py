"""What a client says of a message to be sent: wire/schoology.md sections 3.3, 4.1 and 4.4."""

from typing import Any

import msgspec
import pytest

from postroom.dialects.schoology.errors import SchoologyError
from postroom.dialects.schoology.records import NewMessage
from postroom.dialects.schoology.sending import as_sent, private_message
from postroom.dialects.schoology.wire import read_body
from postroom.messages.links import Link
from postroom.messages.private import PrivateMessage


def given(**fields: object) -> PrivateMessage:
    """Read a message with a subject, as the application does."""
    return private_message(msgspec.convert({"subject": "s", **fields}, NewMessage, strict=False))


def given_xml(inner: str) -> PrivateMessage:
    body = read_body("text/xml", f"<body><subject>s</subject>{inner}</body>".encode())
    return private_message(msgspec.convert(body, NewMessage, strict=False))


def refused(**fields: object) -> str:
    with pytest.raises(SchoologyError) as caught:
        given(**fields)
    assert caught.value.status == 400
    return str(caught.value.text)


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ("534342,678887,88923", [534342, 678887, 88923]),
        (" 1 ,2, 3 ", [1, 2, 3]),
        ("3,1,3", [3, 1]),
        ("2147483647", [2147483647]),
        ("00000000000000000001", [1]),
        ([1, "2", " 3 "], [1, 2, 3]),
        (7, [7]),
        ("", []),
        ("\r\n", []),
        (None, []),
        ([], []),
    ],
)
def test_recipients(value: object, numbers: list[int]) -> None:
    assert given(recipient_ids=value).recipient_ids == numbers


@pytest.mark.parametrize("value", ["x", "1,", "1,,2", "1 2", "2147483648", "1_0", "+1", "0x1", "\u0661", [1, ""], [-1]])
def test_recipients_that_are_none(value: object) -> None:
    """§1.4."""
    assert refused(recipient_ids=value) == "Some or all of the recipients you entered are invalid"


@pytest.mark.parametrize(("value", "text"), [("1, 2", "1, 2"), ([1, "2"], "1,2"), (5, "5"), (None, "")])
def test_recipients_are_repeated_as_sent(value: Any, text: str) -> None:
    """§4.2."""
    assert as_sent(value) == text


@pytest.mark.parametrize("ids", [["88433"], [88433], "88433", 88433])
def test_uploaded_files(ids: object) -> None:
    """§4.4: ``"file-attachment":{"id":["88433"]}``."""
    assert given(**{"file-attachment": {"id": ids}}).upload_ids == [88433]


def test_uploaded_files_in_xml() -> None:
    """§4.4."""
    assert given_xml("<file-attachment><id>88433</id></file-attachment>").upload_ids == [88433]
    assert given_xml("<file-attachment><id>1</id><id>2</id></file-attachment>").upload_ids == [1, 2]
    assert given_xml("<file-attachment /><attachments />") == given()


def test_attachments() -> None:
    """§4.4: the other form; links, pages to be embedded, and files, together with the first."""
    message = given(
        **{"file-attachment": {"id": ["1"]}},
        attachments=[
            {"type": "link", "url": "https://a.example/", "title": "A", "summary": "passed over"},
            {"type": "embed", "embed": "https://b.example/", "title": "B"},
            {"type": "embed", "url": "https://c.example/"},
            {"fid": "2"},
            {"type": "file", "fid": 3},
            {"url": "https://d.example/"},
        ],
    )
    assert message.upload_ids == [1, 2, 3]
    assert message.links == [
        Link(url="https://a.example/", title="A"),
        Link(url="https://b.example/", title="B", embed=True),
        Link(url="https://c.example/", embed=True),
        Link(url="https://d.example/"),
    ]


def test_attachments_in_xml() -> None:
    one = "<attachments><type>link</type><url>https://a.example/?a=1&amp;b=2</url><title /></attachments>"
    assert given_xml(one).links == [Link(url="https://a.example/?a=1&b=2")]
    assert given_xml(one + "<attachments><fid>4</fid></attachments>").upload_ids == [4]


@pytest.mark.parametrize(
    "attachments",
    [[{"type": "resource", "resource": "1"}], [{"type": "video", "url": "https://a.example/"}], [{"type": "file"}], [{"fid": "x"}]],
)
def test_attachments_of_other_kinds(attachments: object) -> None:
    """What cannot be kept is refused, rather than dropped unseen."""
    assert refused(attachments=attachments)


@pytest.mark.parametrize("ids", ["x", "0", [-1], ["1,2"], [2**31]])
def test_files_that_are_none(ids: object) -> None:
    assert refused(**{"file-attachment": {"id": ids}})
