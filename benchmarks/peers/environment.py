"""The virtual environment of the peers that are Python packages: ``.venv-peers``, made when a measure first wants it."""

import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[2] / ".venv-peers"

_REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
_PROGRAMS: Final = Path(__file__).with_name("programs")
_STAMP: Final = FOLDER / "installed.txt"
_SECONDS: Final = 300


def python() -> Path:
    """Return the interpreter that sees the packages."""
    return FOLDER / "bin" / "python"


def is_ready() -> bool:
    """Tell whether exactly the wanted versions are installed already."""
    return _STAMP.exists() and _STAMP.read_text() == _REQUIREMENTS.read_text()


def missing() -> str | None:
    """Make the environment unless it is there; tell why there is none, or ``None``."""
    if is_ready():
        return None
    venv.create(FOLDER, clear=True, with_pip=True)
    command = [str(python()), "-m", "pip", "install", "--quiet", "--requirement", str(_REQUIREMENTS)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"its packages were not installed within {_SECONDS} s"
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        return "its packages could not be installed"
    _STAMP.write_text(_REQUIREMENTS.read_text())
    return None


def version(package: str) -> str:
    """Return the version of a package as it is pinned."""
    pinned = dict(line.split("==") for line in _REQUIREMENTS.read_text().splitlines() if "==" in line)
    return pinned[package]


def printed(program: str, *arguments: str) -> str:
    """Run one of ``programs`` to its end; return what it printed. Raises ``RuntimeError`` with what it complained of."""
    command = [str(python()), str(_PROGRAMS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{program}: {done.stderr[-3000:]}")
    return done.stdout
