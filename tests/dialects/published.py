"""Clients that are published for Node, fetched by the tests themselves and driven over a pipe.

They are no dependency of anything here: each is installed once, at a fixed version, into ``.cache`` of the checkout. Where Node is
missing, or its registry cannot be reached, their tests are skipped, and the suite says so at its end.
"""

import fcntl
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import pytest
from msgspec import Struct

_CACHE: Final = Path(__file__).parents[2] / ".cache" / "node"
_DRIVER: Final = Path(__file__).parent / "driver.js"
_INSTALL_SECONDS: Final = 100
_INSTALL: Final = (
    *("npm", "install", "--no-save", "--no-audit", "--no-fund"),
    "--ignore-scripts",
    "--legacy-peer-deps",  # one of them would bring a test framework along
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=30000"),
)


class Answer(Struct, frozen=True):
    """What a client told of an answer."""

    content: Any
    status: int | None = None
    """``None``: the client hands over the content of a success and nothing else."""


class Told(Struct, frozen=True):
    """A line of the driver."""

    content: Any = None
    status: int | None = None
    failure: str = ""


class NodeClient:
    """One client in a process of its own."""

    def __init__(self, adapter: Path, package: str, version: str, **options: object) -> None:
        """``options``: what the adapter wants to know. Skips the test where the client is not to be had."""
        modules = installed(package, version) / "node_modules"
        command = ["node", _DRIVER, adapter, modules, msgspec.json.encode(options).decode()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def do(self, what: str, **given: object) -> Answer:
        """Let the client do what its adapter offers. Whatever it cannot make sense of fails the test."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode({"do": what, **given}) + b"\n")
        self._process.stdin.flush()
        told = msgspec.json.decode(self._process.stdout.readline(), type=Told)
        assert not told.failure, told.failure
        return Answer(told.content, told.status)


def installed(package: str, version: str) -> Path:
    """Return the folder that holds a package, installing it when it is not there yet. Skips the test where that fails."""
    folder = _CACHE / f"{package.replace('/', '_')}-{version}"
    if reason := _missing(f"{package}@{version}", folder):
        pytest.skip(f"not shown that {package} {version} works: {reason}")
    return folder


@functools.cache
def _missing(package: str, folder: Path) -> str:
    """Tell why a package is not to be had; empty: it is there. Asked once for each run, since it takes long to find nobody at home."""
    if absent := [program for program in ("node", "npm") if shutil.which(program) is None]:
        return f"{absent[0]} is not installed"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the workers of the suite take turns
        return "" if folder.exists() else _install(package, folder)


def _install(package: str, folder: Path) -> str:
    with tempfile.TemporaryDirectory(dir=_CACHE) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        (fresh / "package.json").write_text("{}")  # without one, npm looks for it in the folders above
        command = [*_INSTALL, f"--cache={_CACHE / 'npm'}", package]
        try:
            done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return "npm took too long"
        if done.returncode:
            return f"npm could not install it: {done.stderr.partition(chr(10))[0]}"
        fresh.rename(folder)
    return ""
