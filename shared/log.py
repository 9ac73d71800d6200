"""Logs: JSON lines, pretty on a terminal, with the request's id in every line and no token in any.

The last processor before rendering redacts whatever looks like a secret of ours. It is the second line of defence: the first is
that nobody logs one.
"""

import logging
import re
import sys
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# An API key; a JWT; a token or grant: 39 letters and digits. Longer runs too: an escape (`%2F`, `\\n`) before a token makes one.
_SECRETS = re.compile(r"mlk_[0-9A-Za-z]+_[0-9A-Za-z_-]+|eyJ[\w-]{8,}\.[\w-]+\.[\w-]+|[0-9A-Za-z]{39,}")
# Of the shapes above none is shorter that opens anything.
SHORTEST_SECRET = 39
# What a request id may be, wherever it comes from: it goes into logs, headers and the database.
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def redact(text: str) -> str:
    """Replace everything that has the shape of a token, grant, API key or JWT."""
    return _SECRETS.sub("[redacted]", text)


def configure_logging(service: str, level: str, log_format: str) -> bool:
    """Set up structlog and the standard library's logging for one process. Returns whether lines are JSON."""
    pretty = log_format == "console" or (log_format == "auto" and sys.stdout.isatty())
    first: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _add_service(service),
        _redact_event,
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(_dumps)
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*first, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=first,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    # These repeat at WARNING what our own code reports once and better.
    for noisy in ("aiokafka", "asyncpg", "twilio", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    return not pretty


def _add_service(service: str) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _redact_event(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redact(value)
        elif not isinstance(value, int | float | bool | None):
            event[key] = redact(str(value))
    return event


def _dumps(value: Any, **_: Any) -> str:
    return orjson.dumps(value, default=str).decode()
