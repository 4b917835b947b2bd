"""``postroom demo``: one message to some 1,500 people, over a signed HTTP interface and real SMTP, everybody accounted for.

Everything happens in one folder below the system's temporary folder, on free loopback ports: nothing else on the machine
is touched, and nothing leaves it. The exit code is 0 only when the counts of the store add up to the roll and the mail
catcher saw what the store says. The last line of the output is one JSON object (``audit.Outcome``).
"""

import contextlib
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern
from pathlib import Path
from typing import Final

import httpx2
import msgspec
from msgspec import Struct
from rich.console import Console

from postroom.demo import audit, installation, letter
from postroom.demo.audit import Check
from postroom.demo.catcher import Catcher
from postroom.demo.client import Api, ApiError
from postroom.demo.installation import Cast, ServerError
from postroom.demo.screen import Screen
from postroom.directory.importing import import_folder
from postroom.messages import roll
from postroom.messages.report_texts import TEXTS
from postroom.settings import Settings
from postroom.storage.migrations import migrate
from postroom.storage.store import Store, open_store

_DELIVERY_SECONDS: Final = 75.0
_MAIL_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.2
_REPORT_LINES: Final = 24


class Stage(Struct, frozen=True, kw_only=True):
    """What a run works with, once everything is up."""

    store: Store
    catcher: Catcher
    api: Api
    screen: Screen


def run(*, keep: bool = False, console: Console | None = None) -> int:
    """Give the demonstration; return the exit code: 0 when everybody is accounted for, else 1.

    ``keep`` leaves the folder with the store, the settings and the server's log in place, to go on with.
    """
    screen = Screen(console)
    with _folder(keep=keep) as folder:
        try:
            message_id, result, checks = _play(folder, screen)
        except (ApiError, ServerError, httpx2.HTTPError) as error:
            screen.say(f"The demonstration broke off: {error}\n{installation.end_of_log(folder)}", "bold red")
            return 1
    _show_the_way_on(folder, message_id, screen, keep=keep)
    screen.last_line(msgspec.json.encode(result).decode())
    return 0 if all(check.holds for check in checks) else 1


def _play(folder: Path, screen: Screen) -> tuple[int, audit.Outcome, list[Check]]:
    """Set everything up, send the message, see what became of it; return its number, its outcome and what was checked."""
    with Catcher(spared=[letter.AUTHOR_EMAIL]) as catcher:
        settings = installation.configure(folder, catcher.port)
        screen.chapter("Postroom: one message, everybody accounted for")
        screen.done("Mail catcher started", f"SMTP on port {catcher.port}; rejects 2 %, defers 4 %")
        with contextlib.closing(_prepared(settings, screen)) as store:
            people = store.database.write_now(installation.cast, store.vault)
            screen.done("API client registered", f"with a token to act for user {people.author_id}, scope mailclient")
            with installation.served(folder, settings), Api(settings.public_url, people.client, people.token) as api:
                screen.done("Server started", f"postroom serve, {settings.public_url}")
                stage = Stage(store=store, catcher=catcher, api=api, screen=screen)
                message_id = _compose(stage, people)
                result, checks = _deliver(stage, message_id)
                checks += _check_mails(stage)
    screen.chapter("Everybody accounted for?")
    screen.outcome(result)
    screen.checks(checks)
    _show_mails(stage)
    return message_id, result, checks


@contextlib.contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="postroom-demo-"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def _prepared(settings: Settings, screen: Screen) -> Store:
    """Make the store and fill it with the example organisation."""
    store = open_store(settings)
    migrate(store.database)
    with screen.progress("Importing", transient=True) as move:
        imported = import_folder(store.database, installation.ORGANISATION, lambda _file, done, total: move(done, total))
    screen.done(
        "Organisation imported", ", ".join(f"{counts.created:,} {counts.file.removesuffix('.csv')}" for counts in imported.files[:3])
    )
    return store


def _compose(stage: Stage, people: Cast) -> int:
    """Write the message as an application would: draft, attachment, audience, roll; return its number."""
    api, screen = stage.api, stage.screen
    screen.chapter("Over signed HTTP: services/mailclient")
    message_id: str = api.call(
        "create_message",
        subject=letter.SUBJECT,
        content=letter.CONTENT,
        content_format="html",
        from_inst_address_id=str(people.address_id),
        send_summary="true",
        send_to_myself="true",
    )["message_id"]
    screen.done("create_message", f"draft {message_id}, html, from {letter.FROM_ADDRESS}")
    api.upload(
        "put_attachment",
        letter.ATTACHMENT_NAME,
        letter.ATTACHMENT_TYPE,
        letter.ATTACHMENT,
        message_id=message_id,
        filename=letter.ATTACHMENT_NAME,
        description=letter.ATTACHMENT_DESCRIPTION,
    )
    screen.done("put_attachment", letter.ATTACHMENT_NAME)
    api.call(
        "update_recipients_group",
        message_id=message_id,
        primary_group_ids="|".join(letter.FACULTIES),
        custom_group_ids="|".join(map(str, people.group_ids)),
        user_ids="|".join(map(str, people.guest_ids)),
        emails="|".join(letter.EMAILS),
    )
    screen.done("update_recipients_group", f"{len(letter.FACULTIES)} faculties, a group of groups, {len(people.guest_ids)} users, 2 emails")
    api.call("refresh_recipients", message_id=message_id, email_source="primary_preferred")
    made = api.call("message", message_id=message_id, fields="recipients_count|emails_count|recipients_valid")
    screen.done("refresh_recipients", f"{made['recipients_count']:,} on the roll, {made['emails_count']:,} with an address")
    return int(message_id)


def _deliver(stage: Stage, message_id: int) -> tuple[audit.Outcome, list[Check]]:
    """Send, watch until the last outcome, and hold against each other what store, API and catcher say."""
    api, catcher, screen = stage.api, stage.catcher, stage.screen
    started = time.monotonic()
    api.call("send_message", message_id=str(message_id), lang="pl")
    screen.done("send_message", "accepted: from here on nobody can be lost")
    screen.chapter("Over SMTP: delivery")
    with screen.progress("Recipients done") as move:
        _wait(_DELIVERY_SECONDS, lambda: _settled(api, message_id, move))
    seconds = time.monotonic() - started
    screen.done("Put off, tried again", f"{catcher.deferred.total()} recipients whom the catcher first answered 451")
    lines = msgspec.convert(api.call("recipients", message_id=str(message_id), fields="email|status"), list[audit.Line])
    size: int = api.call("message", message_id=str(message_id), fields="recipients_count")["recipients_count"]
    result = audit.outcome(size, stage.store.database.read_now(roll.state_counts, message_id), seconds)
    return result, audit.checks(result, lines, catcher, letter.AUTHOR_EMAIL)


def _settled(api: Api, message_id: int, move: Callable[[int, int], None]) -> bool:
    status: str = api.call("message", message_id=str(message_id), fields="status")["status"]
    lines = api.call("recipients", message_id=str(message_id), fields="status")
    statuses = [line["status"] for line in lines if line["status"] is not None]
    move(sum(status != "pending" for status in statuses), len(statuses))
    return status != "pending"


def _check_mails(stage: Stage) -> list[Check]:
    """Wait for the report; follow the link of a delivered mail, and see that the author got a copy and the report."""
    _wait(_MAIL_SECONDS, lambda: bool(_reports(stage.catcher)))
    reports, own = len(_reports(stage.catcher)), len(stage.catcher.kept_for(letter.AUTHOR_EMAIL))
    return [
        Check(
            "the link in the mail leads to the attachment, unchanged",
            any(_link_works(stage.api, mail) for _, mail in _sample(stage.catcher)),
        ),
        Check("the author got a copy, and the summary report", own > reports > 0),
    ]


def _show_mails(stage: Stage) -> None:
    """Show the report that the author got, and one delivered mail in full."""
    stage.screen.chapter("What arrived")
    for report in _reports(stage.catcher)[:1]:
        stage.screen.mail("the summary report, caught for its author", report, lines=_REPORT_LINES)
    for address, mail in _sample(stage.catcher):
        stage.screen.mail(f"the message in full, caught for {address}", mail, ("plain", "html"))


def _sample(catcher: Catcher) -> list[tuple[str, EmailMessage]]:
    """One delivered mail and its recipient, if there is any."""
    return [(address, _parsed(raw)) for address, raw in catcher.kept if address != letter.AUTHOR_EMAIL][:1]


def _link_works(api: Api, mail: EmailMessage) -> bool:
    part = mail.get_body(("plain",))
    found = re.search(r"http://\S+/links/[^\s>\"]+", part.get_content() if isinstance(part, EmailMessage) else "")
    return found is not None and api.download(found[0]) == letter.ATTACHMENT


def _reports(catcher: Catcher) -> list[EmailMessage]:
    """Mails to the author that are summary reports, not copies."""
    begins = TEXTS["pl"].subject.format("")
    return [mail for raw in catcher.kept_for(letter.AUTHOR_EMAIL) if str((mail := _parsed(raw))["Subject"]).startswith(begins)]


def _parsed(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=modern)


def _wait(seconds: float, ready: Callable[[], bool]) -> None:
    """Wait until ``ready``, but no longer than this; what did not come in time shows in the checks."""
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)


def _show_the_way_on(folder: Path, message_id: int, screen: Screen, *, keep: bool) -> None:
    program = "postroom" if shutil.which("postroom") else str(Path(sys.executable).parent / "postroom")
    screen.chapter("How to go on")
    if not keep:
        screen.say(f"Everything was in {folder} and is deleted now; the server and the catcher are stopped.")
        screen.commands([(f"{program} demo --keep", "the same again, leaving everything in place to look at")])
    else:
        screen.say(f"Everything is in {folder}; the server and the catcher are stopped.")
        screen.commands(
            [
                (f"cd {folder}", "the settings (postroom.toml), the store (data/), the log (server.log)"),
                (f"{program} message {message_id}", "the roll of the message, with every outcome"),
                (f"{program} queue", "what waits, why, and since when"),
                (f"{program} serve", "the server again; name a relay of your own in postroom.toml first"),
            ]
        )
    screen.commands([(f"{program} --help", "every command; docs/usos.md: every method")])
