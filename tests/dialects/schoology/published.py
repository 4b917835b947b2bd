"""Clients of the Schoology API that are published for Node."""

from pathlib import Path
from typing import Final

import msgspec

from tests.dialects import published
from tests.dialects.published import Answer

VERSIONS: Final = {"schoology": "0.1.5", "schoologyapi": "4.0.4", "schoology.js": "1.0.7"}


class NodeClient(published.NodeClient):
    """One client in a process of its own."""

    def __init__(self, package: str, base: str, *keys: str) -> None:
        """``keys``: key and secret, and those of a token if there is one. Skips the test where the client is not to be had."""
        adapter = Path(__file__).parent / "node" / f"{package.replace('.', '_')}.js"
        options = dict(zip(("key", "secret", "token", "tokenSecret"), keys, strict=False))
        super().__init__(adapter, package, VERSIONS[package], base=base.rstrip("/"), **options)

    def request(self, verb: str, path: str, body: object = msgspec.UNSET, **more: object) -> Answer:
        """Make a call."""
        return self.do("request", verb=verb, path=path, **({} if body is msgspec.UNSET else {"body": body}), **more)
