"""services/mailing from the HTTP request to the mail server and back to the status: contract §1.5, each sending method once."""

import asyncio
import json
from email import message_from_bytes, policy
from email.message import EmailMessage

from postroom.messages import workload
from tests.delivery.letters import until, with_relay, working
from tests.delivery.mails import text_of
from tests.delivery.sink import Sink, running
from tests.dialects.usos.conftest import Installation


def delivered(usos: Installation) -> dict[str, EmailMessage]:
    """Let a worker run until nothing waits, and return what the mail server took, by recipient."""

    async def main() -> dict[str, EmailMessage]:
        async with running(Sink()) as sink:
            async with working(with_relay(usos.store, sink.port)):
                await until(lambda: usos.store.database.read_now(workload.pending) == 0)
            taken: dict[str, EmailMessage] = {}
            for one in sink.taken:
                parsed = message_from_bytes(one.content, policy=policy.default)
                assert isinstance(parsed, EmailMessage)
                taken[one.recipient] = parsed
            return taken

    return asyncio.run(main())


def test_each_sending_method_reaches_the_mailbox(usos: Installation) -> None:
    simple = {"subject": "Zażółć", "content": "słowo " * 40, "recipients": "ok1@x.example|ok2@x.example|spam@x.example", "lang": "en"}
    single = usos.mail("send_simple_message", from_name="Office", send_summary_to="ok-boss@x.example", **simple)["message_id"]
    sets = [{**simple, "recipients": "ok3@x.example", "content": "<b>x</b>", "content_format": "html"}, {}]
    several = usos.mail("send_simple_messages", param_sets=json.dumps(sets))
    people = [{"email": f"ok{name}@x.example", "vars": {"name": name, "points": 4}} for name in ("Anna", "Jan")]
    texts = {"subject_template": "{points} {{points}}", "content_template": "Witaj {name}!", "recipients": json.dumps(people)}
    by_template = usos.mail("send_simple_by_template", **texts)
    taken = delivered(usos)

    assert set(taken) == {f"ok{name}@x.example" for name in ("1", "2", "3", "-boss", "Anna", "Jan")}
    text, signature = text_of(taken["ok1@x.example"]).split("\n-- \n")
    assert (text.split(), max(map(len, text.split("\n"))) <= 76) == (["słowo"] * 40, True)
    assert signature.startswith("Message sent by: Office\n")
    assert taken["ok1@x.example"]["From"].startswith("Office <no-reply@")
    assert "<b>x</b>" in text_of(taken["ok3@x.example"], "html")
    for name in ("Anna", "Jan"):
        mail = taken[f"ok{name}@x.example"]
        assert (mail["Subject"], mail["From"].partition(" ")[0]) == ("4 {points}", "USOS")
        assert text_of(mail).startswith(f"Witaj {name}!\n\n-- \nWiadomość wysłana przez: USOS\n")
    assert "spam@x.example: failed" in text_of(taken["ok-boss@x.example"])

    status = usos.mail("check_messages_status", message_ids="|".join([single, several[0], *by_template]))
    assert all(one["finished"] for one in status.values())
    assert status[single]["counts"] == {"pending": 0, "sent": 2, "error": 1}
    assert [status[one]["counts"]["sent"] for one in (several[0], *by_template)] == [1, 1, 1]
