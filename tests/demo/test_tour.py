"""``postroom demo``, the whole of it, as a newcomer runs it: docs/demo.md."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from postroom.demo import tour
from postroom.demo.audit import OUTCOMES
from postroom.demo.installation import ServerError
from postroom.settings import Settings


def test_everybody_is_accounted_for_without_a_terminal(tmp_path: Path) -> None:
    # exit 0 only when the counts add up to the roll; the last line is a JSON object with these keys, in this order
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "COLUMNS": "80",
        "POSTROOM_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/wrong",
    }
    done = subprocess.run(
        [sys.executable, "-m", "postroom", "demo"], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    assert list(result) == ["roll", *OUTCOMES, "unknown", "pending", "seconds"]
    assert sum(result[name] for name in OUTCOMES) == result["roll"]
    assert (result["unknown"], result["pending"]) == (0, 0)
    assert 1_400 <= result["roll"] <= 1_700
    assert all(result[name] > 0 for name in ("delivered", "failed", "suppressed"))
    assert "✗" not in done.stdout
    assert not list(tmp_path.glob("postroom-demo-*")), "the folder is deleted at the end"
    too_wide = [line for line in done.stdout.splitlines()[:-1] if len(line) > 80 and "/" not in line]
    assert not too_wide


def test_a_server_that_does_not_start_is_told_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # docs/demo.md: else 1
    @contextlib.contextmanager
    def broken(folder: Path, _settings: Settings) -> Iterator[None]:
        (folder / "server.log").write_text("the port is taken")
        raise ServerError("the server did not start")
        yield

    monkeypatch.setattr(tour.installation, "served", broken)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    output = io.StringIO()
    assert tour.run(console=Console(file=output)) == 1
    assert "the server did not start" in output.getvalue()
    assert "the port is taken" in output.getvalue()
    assert not list(tmp_path.iterdir())
