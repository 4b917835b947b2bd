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

VERSIONS: Final = {"schoology": "0.1.5", "schoologyapi": "4.0.4", "schoology.js": "1.0.7"}

_CACHE: Final = Path(__file__).parents[3] / ".cache" / "node"
_DRIVER: Final = Path(__file__).parent / "node" / "driver.js"
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

    def __init__(self, package: str, base: str, *keys: str) -> None:
        """``keys``: key and secret, and those of a token if there is one. Skips the test where the client is not to be had."""
        adapter = package.replace(".", "_")
        command = ["node", _DRIVER, adapter, installed(package) / "node_modules", keys[0], keys[1], base.rstrip("/"), *keys[2:]]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def request(self, verb: str, path: str, body: object = msgspec.UNSET, **more: object) -> Answer:
        """Make a call."""
        return self.do("request", verb=verb, path=path, **({} if body is msgspec.UNSET else {"body": body}), **more)

    def do(self, what: str, **given: object) -> Answer:
        """Let the client do what its adapter offers. Whatever it cannot make sense of fails the test."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode({"do": what, **given}) + b"\n")
        self._process.stdin.flush()
        told = msgspec.json.decode(self._process.stdout.readline(), type=Told)
        assert not told.failure, told.failure
        return Answer(told.content, told.status)


def installed(package: str) -> Path:
    """Return the folder that holds a package, installing it when it is not there yet. Skips the test where that fails."""
    folder = _CACHE / f"{package}-{VERSIONS[package]}"
    if reason := _missing(package, folder):
        pytest.skip(f"not shown that {package} works: {reason}")
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
        command = [*_INSTALL, f"--cache={_CACHE / 'npm'}", f"{package}@{VERSIONS[package]}"]
        try:
            done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return "npm took too long"
        if done.returncode:
            return f"npm could not install it: {done.stderr.partition(chr(10))[0]}"
        fresh.rename(folder)
    return ""
