"""Log lines: one JSON object each, with the trace that they belong to."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

from opentelemetry import trace

_OWN_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


# ASCII alone: nothing in a line ends it, or moves a cursor.
_ENCODER = json.JSONEncoder(ensure_ascii=True, check_circular=False, default=str)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what the call gave, and the trace.

    An exception is told by its type and the places it passed, never by its text: that may hold
    anything.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        line |= {k: v for k, v in record.__dict__.items() if k not in _OWN_FIELDS}
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = trace.format_trace_id(context.trace_id)
            line["span_id"] = trace.format_span_id(context.span_id)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _places(record.exc_info[1])
        return _ENCODER.encode(line)


def _message(record: logging.LogRecord) -> str:
    """Return a record's message; of asyncio's the first line, since the next show exceptions."""
    message = record.getMessage()
    return message.partition("\n")[0] if record.name == "asyncio" else message


def _places(error: BaseException) -> list[str]:
    """Return an exception chain as types and code places."""
    places: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(places) < 64:
        places.append(type(seen).__qualname__)
        step = seen.__traceback__
        while step is not None and len(places) < 64:
            code = step.tb_frame.f_code
            module = step.tb_frame.f_globals.get("__name__", "?")
            places.append(f"  {module}:{code.co_name}:{step.tb_lineno}")
            step = step.tb_next
        seen = seen.__cause__ or seen.__context__
    return places


def log_to(stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """Send every log line of the process to a stream as JSON."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # What no line tells need not be found out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 # type: ignore[attr-defined] - as its manual advises
    logging.getLogger("conferencing_service.audit").setLevel(logging.INFO)
    # Libraries whose debug lines hold URLs and headers.
    for name in ("httpx", "httpcore", "aiohttp", "asyncio", "grpc", "opentelemetry"):
        logging.getLogger(name).setLevel(logging.WARNING)
