"""The log of a process: one line an event on standard error, JSON unless a person looks at a terminal.

Everything passes through here, what libraries say as well. Secrets, addresses and contents of messages are never logged:
tracebacks come without the values of variables, requests without their query strings (they hold signatures) and links
without theirs.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from structlog.typing import EventDict, Processor

_QUIET: Final = ("alembic", "asyncio", "httptools", "imapclient", "mail.log", "sqlalchemy", "uvicorn.access")
"""Libraries of which only warnings are of interest."""


def configure(level: str) -> None:
    """Set up logging for this process; ``level`` is the least severe one that is written (``debug`` … ``error``)."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final = _renderers()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    logging.basicConfig(handlers=[handler], level=threshold, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    structlog.configure(
        processors=[*shared, *final],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _renderers() -> list[Processor]:
    if sys.stderr.isatty():
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]


def _json(event: EventDict, default: Callable[[Any], Any], **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=default).decode()
