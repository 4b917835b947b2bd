"""``postroom api`` and ``worker``: a crash is logged with a number and ends with a status of its own."""

from typing import Any

import pytest
import structlog

from postroom.cli.servers import CRASHED
from postroom.storage.store import Store


@pytest.mark.parametrize("name", ["api", "worker"])
def test_what_nobody_expected_is_logged_and_is_no_refusal(run: Any, place: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``serve`` ends where a process refuses to start (1), and starts one again that crashed."""

    def broken(_store: Store) -> None:
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr(f"postroom.serving.run_{name}", broken)
    with structlog.testing.capture_logs() as logged:
        assert run(name).status == CRASHED
    (line,) = logged
    assert (line["event"], line["process"], line["log_level"]) == ("crashed", name, "critical")
    assert len(line["error_id"]) == 12
    assert str(line["exc_info"]) == "nobody expected this"
