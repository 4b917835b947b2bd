"""Processes and ports on the loopback: waiting until something listens, and ending what was started."""

import contextlib
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

import httpx2

HOST: Final = "127.0.0.1"
_SECONDS: Final = 30.0


def wait_for_http(url: str, running: "subprocess.Popen[bytes]") -> None:
    """Return when ``url`` of a process answers 200. Raises ``TimeoutError``, at once when the process has ended."""
    end = time.monotonic() + _SECONDS
    with httpx2.Client(trust_env=False) as client:
        while time.monotonic() < end and running.poll() is None:
            with contextlib.suppress(httpx2.TransportError):
                if client.get(url).status_code == httpx2.codes.OK:
                    return
            time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer; exit code of its process: {running.returncode}")


def wait_for_port(port: int) -> None:
    """Return when something listens on ``port`` of the loopback. Raises ``TimeoutError``."""
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1.0):
            return
        time.sleep(0.02)
    raise TimeoutError(f"port {port}")


def stop(running: "subprocess.Popen[bytes]") -> None:
    """End a process of ours, by force if it does not end by itself."""
    running.terminate()
    try:
        running.wait(_SECONDS)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait(_SECONDS)


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it (Linux only)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(member for child in children for member in family(int(child)))]
