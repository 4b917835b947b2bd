"""Published clients, unchanged, against a real HTTP server (wire/onlyoffice.md §5, §6)."""

import subprocess
import venv
from pathlib import Path

import pytest
import requests
from onlyoffice import OnlyOffice

from tests.dialects.conftest import PASSWORD
from tests.dialects.onlyoffice.conftest import Api

WANTED = "pyonlyoffice==0.0.4"
FOLDER = Path(__file__).parents[3] / ".cache" / "pyonlyoffice"
"""Its own environment: it wants requests below 2.29."""
PROGRAM = Path(__file__).with_name("programs") / "log_in.py"


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter that sees pyonlyoffice; made once, skips where it cannot be installed."""
    python, stamp = FOLDER / "bin" / "python", FOLDER / "installed.txt"
    if not stamp.exists() or stamp.read_text() != WANTED:
        venv.create(FOLDER, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", WANTED]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode:
            pytest.skip(f"{WANTED} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
        stamp.write_text(WANTED)
    return python


def test_onlyoffice_logs_in(sqlite_api: Api) -> None:
    client = OnlyOffice(sqlite_api.root, "jan@x.example", PASSWORD)
    assert sqlite_api.result("GET", "/probe/who", token=client.auth["Authorization"]) == sqlite_api.jan


def test_onlyoffice_meets_envelopes_elsewhere(sqlite_api: Api) -> None:
    """It asks for files, which are not here: an answer that it can read."""
    client = OnlyOffice(sqlite_api.root, "jan@x.example", PASSWORD)
    assert client.terminate()["error"]["message"] == "Method not found"


def test_onlyoffice_with_a_wrong_password(sqlite_api: Api) -> None:
    """It looks for the token whatever the status is."""
    with pytest.raises(KeyError, match="response"):
        OnlyOffice(sqlite_api.root, "jan@x.example", "wrong")


def test_pyonlyoffice_logs_in(sqlite_api: Api, python: Path) -> None:
    """With a slash at the end of its base it asks for //api/2.0."""
    for end in ("", "/"):
        command = [str(python), str(PROGRAM), f"{sqlite_api.root}{end}", "jan@x.example", PASSWORD]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        token = done.stdout.strip()
        answer = requests.get(f"{sqlite_api.root}{end}/api/2.0/probe/who", headers={"Authorization": token}, timeout=30)
        assert answer.json()["response"] == sqlite_api.jan
