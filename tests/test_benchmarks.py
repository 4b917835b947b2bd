"""The benchmarks measure what docs/benchmarks.md says: whole mailings, beside peers that really deliver, no result without its bounds."""

import contextlib
import email
import email.policy
import io
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from rich.console import Console

from benchmarks import beside, drain, latency, letters, pages, sink, superoffice, verification
from benchmarks.__main__ import MEASURES
from benchmarks.goals import FIGURE, GOALS
from benchmarks.mailings import MAIL_BYTES, crowd, drained
from benchmarks.measure import Measurement, Plan, Run, percentile, repeated
from benchmarks.peers import aiosmtplib_loop, django_apps, environment, postfix, smtp_source
from benchmarks.peers.shape import Peer
from benchmarks.place import place, process
from benchmarks.report import missing_peers, table
from tests import postfix as postfix_of_tests
from tests.postfix import program
from tests.processes import free_port

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "latest.json"
DOCUMENT = Path(__file__).parents[1] / "docs" / "benchmarks.md"


class Kept:
    """An SMTP server that keeps what it takes."""

    def __init__(self) -> None:
        self.port = free_port()
        self.mails: list[tuple[str, bytes]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as aiosmtpd calls it
        assert isinstance(envelope.content, bytes)
        self.mails += [(recipient, envelope.content) for recipient in envelope.rcpt_tos]
        return "250 2.0.0 taken"


@pytest.fixture
def kept() -> Iterator[Kept]:
    server = Kept()
    controller = Controller(server, hostname="127.0.0.1", port=server.port)
    controller.start()
    yield server
    controller.stop()


@pytest.fixture(scope="module")
def results() -> dict[str, Measurement]:
    return msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Measurement])


# -- the results that are kept ---------------------------------------------------------------------------------------


def test_the_committed_results_hold_every_promised_measure(results: dict[str, Measurement]) -> None:
    assert results.keys() == MEASURES.keys()


def test_each_is_the_median_of_five_runs_or_more(results: dict[str, Measurement]) -> None:
    for name, made in results.items():
        assert len(made.runs) >= 5, name
        assert made.median == pytest.approx(statistics.median(made.runs), rel=1e-3), name
        assert made.median > 0, name


def test_each_says_what_it_depends_on_and_nothing_about_places(results: dict[str, Measurement]) -> None:
    for name, made in results.items():
        kept = set() if name == "verify_signature" else {"database", "durability"}  # that one keeps nothing
        assert {"python", "postroom", "processors"} | kept <= made.settings.keys(), name
        assert not any(isinstance(value, str) and value.startswith("/") for value in made.settings.values()), name


def test_rates_are_compared_with_something_measured_beside_them(results: dict[str, Measurement]) -> None:
    assert all(made.ratios for name, made in results.items() if made.unit.endswith("/s")), "a rate without a bound says nothing"


def test_what_has_a_goal_is_measured_or_said_to_be_missing(results: dict[str, Measurement]) -> None:
    for name in GOALS.keys() & results.keys():
        for peer in GOALS[name].keys() - {FIGURE}:
            missing = str(results[name].settings.get(peer, "")).startswith("NOT MEASURED")
            assert peer in results[name].ratios or missing, (name, peer)


# -- what is made of figures -----------------------------------------------------------------------------------------


def test_the_warm_up_does_not_count() -> None:
    figures = iter([1_000.0, 1.0, 2.0, 6.0])
    made = repeated(lambda: Run(next(figures), {"x": 0.5}, {"x/s": 4.0}), 3, unit="x/s", settings={"people": 1})
    assert (made.runs, made.median, made.ratios) == ([1.0, 2.0, 6.0], 2.0, {"x": 0.5})
    assert made.settings == {"people": 1, "x/s": 4.0}


def test_every_measure_is_documented_and_every_goal_has_a_measure() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert [name for name in MEASURES if f"`{name}`" not in document] == []
    assert GOALS.keys() <= MEASURES.keys()
    peers = {peer.name for peer in beside.ALL}
    assert {name for goals in GOALS.values() for name in goals} <= peers | {FIGURE, "idle", "of disk syncs", "deepest of first page"}


def test_a_missed_goal_is_printed_like_one_that_is_met() -> None:
    console = Console(width=80, file=io.StringIO())
    made = _made("recipients/s", 9000.0, {"postfix": 9.99, "smtp_source": 0.6})
    with console.capture() as captured:
        console.print(table({"drain_sqlite": made, "worker_memory": _made("MB", 200.0, {})}))
    printed = captured.get()
    assert "must ≥ 10 MISSED" in printed
    assert "aim ≥ 0.6 met" in printed
    assert "must ≤ 200 met" in printed
    assert "aim ≤ 120 MISSED" in printed


@pytest.mark.parametrize(("share", "value"), [(50, 5.0), (99, 10.0), (10, 1.0), (100, 10.0)])
def test_a_percentile_is_a_value_that_was_measured(share: int, value: float) -> None:
    assert percentile([float(n) for n in range(1, 11)], share) == value


def test_a_peer_that_is_not_installed_is_named_and_has_no_ratio() -> None:
    def started(_port: int, _connections: int) -> contextlib.AbstractContextManager[Callable[[], float]]:
        raise AssertionError("it is not there")

    absent = Peer(name="pigeons", missing=lambda: "no loft", started=started, describe=lambda _: "")
    with beside.beside([absent], 25, 8) as others:
        run = others.run(5.0)
    assert run == Run(5.0)
    made = Measurement(unit="x/s", median=5.0, runs=[5.0], ratios=run.ratios, settings=others.settings)
    assert missing_peers({"drain_sqlite": made}) == ["drain_sqlite: pigeons NOT MEASURED: no loft"]


# -- the measures themselves, with few mails -------------------------------------------------------------------------


def test_a_mailing_that_is_measured_reaches_everybody_with_mails_of_the_declared_size(kept: Kept) -> None:
    with place("", kept.port, 4) as here:
        everybody = crowd(here, 50)
        with process(here, "postroom", "worker"):
            assert 0 < drained(here, everybody, within=60) < 60
    assert sorted(recipient for recipient, _ in kept.mails) == sorted(f"person{n}@example.org" for n in range(50))
    for _, content in kept.mails:
        assert len(content) == pytest.approx(MAIL_BYTES, rel=0.1)


def test_a_template_that_is_measured_differs_for_each_recipient(kept: Kept) -> None:
    with place("", kept.port, 4) as here:
        everybody = crowd(here, 50)
        with process(here, "postroom", "worker"):
            drained(here, everybody, drain.personalised, within=60)
    texts = {recipient: email.message_from_bytes(content, policy=email.policy.default) for recipient, content in kept.mails}
    assert len(texts) == 50
    for recipient, mail in texts.items():
        number = recipient.removeprefix("person").partition("@")[0]
        assert mail["Subject"] == "Zaproszenie Zofia"
        assert mail.get_content().startswith(f"Zofia Wójcik{number}, zapraszamy")
        assert len(bytes(mail)) == pytest.approx(MAIL_BYTES, rel=0.1)


def test_single_mails_are_timed_from_their_commit_to_the_sink() -> None:
    with sink.telling_sink() as arrivals, place("", arrivals.port, 2) as here, process(here, "postroom", "worker"):
        times = latency.sampled(here, arrivals, crowd(here, 1).author, 5)
    assert len(times.to_sink) == len(times.acceptance) == 5
    assert times.to_sink == sorted(times.to_sink)
    assert all(0 <= milliseconds < 60_000 for milliseconds in times.to_sink)
    assert all(milliseconds > 0 for milliseconds in times.acceptance)


@pytest.mark.parametrize(
    ("peer", "module"),
    [
        (smtp_source.PEER, smtp_source),
        (postfix.PEER, postfix),
        (django_apps.POST_OFFICE, django_apps),
        (django_apps.MAILER_TUNED, django_apps),
        (aiosmtplib_loop.PEER, aiosmtplib_loop),
    ],
    ids=lambda value: value.name if isinstance(value, Peer) else "",
)
def test_a_peer_that_is_installed_delivers_every_mail(kept: Kept, monkeypatch: pytest.MonkeyPatch, peer: Peer, module: ModuleType) -> None:
    if reason := _missing(module):
        pytest.skip(f"{reason}: not shown that {peer.name} can be measured")
    monkeypatch.setattr(module, "MAILS", 20)
    with beside.beside([peer], kept.port, 2) as others:
        run = others.run(10.0)
    assert len(kept.mails) == 20
    assert all(len(content) == pytest.approx(MAIL_BYTES, rel=0.15) for _, content in kept.mails)
    assert run.ratios[peer.name] == pytest.approx(10.0 / run.others[f"{peer.name} mails/s"])
    said = str(others.settings[peer.name])
    assert "20 mails" in said
    for declared in ("DKIM off", "TLS off", "log"):
        assert declared in said


def _missing(module: ModuleType) -> str | None:
    """Tell why a peer cannot run here. Packages are not fetched for a test: the first measure does that."""
    if module in {django_apps, aiosmtplib_loop}:
        return None if environment.is_ready() else "the environment of the peers was not made yet"
    lacks = None if program("smtp-source") else "smtp-source is not installed"
    return lacks or (postfix_of_tests.missing() if module is postfix else None)


def _made(unit: str, median: float, ratios: dict[str, float]) -> Measurement:
    return Measurement(unit=unit, median=median, runs=[median], ratios=ratios, settings={})


def test_verifying_is_measured_on_requests_whose_signature_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong one would break the measure off; the bound is measured beside it."""
    monkeypatch.setattr(verification, "VERIFICATIONS", 20)
    made = verification.one(Plan(runs=2))
    assert (made.unit, len(made.runs), made.settings["verifications"]) == ("µs", 2, 20)
    assert made.ratios["of oauthlib's arithmetic"] > 0


def test_mailbox_pages_are_measured_for_eight_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer must be 200, or the measure breaks off."""
    for name, few in {"MESSAGES": 400, "OWNED": 60, "THREAD": 10, "REQUESTS": 16}.items():
        monkeypatch.setattr(pages, name, few)
    made = pages.on_sqlite(Plan(runs=1))
    assert (made.unit, made.settings["threads of the owner"], made.settings["messages in the thread"]) == ("ms", 60, 10)
    assert made.ratios.keys() == {"deepest of first page", "of users/{id}"}
    for call in ("first page", "deepest page", "thread", "unread count", "users/{id}"):
        p50, p99 = made.settings[f"{call} p50 ms"], made.settings[f"{call} p99 ms"]
        assert 0 < float(p50) <= float(p99), call
    assert made.median == max(float(made.settings[f"{call} p99 ms"]) for call in ("first page", "thread", "unread count"))


def test_letters_are_measured_until_they_are_on_disk_and_with_a_file_until_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer must be 200, and the mail taken, or the measure breaks off."""
    monkeypatch.setattr(letters, "REQUESTS", 40)
    monkeypatch.setattr(letters, "FILE_MB", 1)
    rate = letters.on_sqlite(Plan(runs=1))
    assert (rate.unit, rate.ratios.keys()) == ("letters/s", {"of a trivial endpoint", "of disk syncs"})
    memory_ = letters.memory(Plan(runs=1))
    assert memory_.median == max(float(memory_.settings[f"{name} MB"]) for name in ("api", "worker"))


def test_mails_of_one_call_are_measured_until_all_are_sent_and_a_file_with_who_waits_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(superoffice, "MAILS", 5)
    monkeypatch.setattr(superoffice, "FILE_MB", 1)
    call = superoffice.calls(Plan(runs=1))
    assert (call.unit, call.settings["mails"], call.settings["sent"]) == ("s", 5, 5.0)
    assert 0 < call.median < 15
    cost = superoffice.file(Plan(runs=1))
    assert cost.unit == "MB"
    assert float(cost.settings["idle MB"]) <= cost.median
    assert 0 < float(cost.settings["second client 99% ms"]) <= float(cost.settings["second client ms"])
