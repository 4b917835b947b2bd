"""The log (logs.py): one JSON object a line, libraries included, and no values of variables in tracebacks."""

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from postroom import logs
early = structlog.get_logger("early")
logs.configure("info")
early.info("said", what="this")
early.debug("not said")
logging.getLogger("some.library").warning("a library %s", "speaks")
logging.getLogger("uvicorn.access").info("GET /?oauth_token=TOPSECRET")
def fail():
    password = "TOPSECRET"
    raise ValueError("the reason")
try:
    fail()
except ValueError:
    early.exception("failed", error_id="1")
    logging.getLogger("some.library").exception("failed too")
"""


def test_every_line_is_json_and_none_tells_a_secret() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == ""
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["said", "a library speaks", "failed", "failed too"]
    assert all({"level", "timestamp"} <= set(line) for line in lines)
    assert lines[0]["what"] == "this"
    assert lines[1]["logger"] == "some.library"
    assert all("ValueError: the reason" in line["exception"] for line in lines[2:])
    assert "TOPSECRET" not in done.stderr
