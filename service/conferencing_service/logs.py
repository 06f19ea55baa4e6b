"""Log lines: one JSON object each, with the trace that they belong to."""

from __future__ import annotations

import json
import logging
import math
import os.path
import sys
import threading
import warnings
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from opentelemetry import trace

_OURS = "conferencing_service"
_AUDIT = "conferencing_service.audit"
_OWN_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_LONGEST = 2048
_MOST = 64

# ASCII alone: nothing in a line ends it, or moves a cursor.
_ENCODER = json.JSONEncoder(ensure_ascii=True, allow_nan=False)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, what the call gave, and the trace.

    An exception is told by its type and the places it passed, never by its text: that may hold
    anything. Texts end after 2,048 characters, with a mark.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record; never raises, since that would tell the record raw."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _capped(_message(record)),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = trace.format_trace_id(context.trace_id)
            line["span_id"] = trace.format_span_id(context.span_id)
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _places(record.exc_info[1])
        for name, value in record.__dict__.items():
            if name not in _OWN_FIELDS:
                # What is said above is not said otherwise below.
                line[f"extra_{name}" if name in _SAID else name] = _told(value)
        return _ENCODER.encode(line)


_SAID = frozenset({"time", "level", "logger", "message", "trace_id", "span_id", "exception"})


def _message(record: logging.LogRecord) -> str:
    """Return a record's message; of asyncio's the words before it shows exceptions and arguments."""
    try:
        message = record.getMessage()
    except Exception:  # noqa: BLE001 - a library's arguments that do not fit its own words
        return str(record.msg)
    if record.name != "asyncio":
        return message
    words = message.partition("\n")[0].partition("<")[0]
    if words.startswith("Exception in callback"):
        words = words.partition("(")[0]
    return words.rstrip()


def _told(value: object) -> object:
    """Return what a line says of a value: a number, a text, or several of these."""
    match value:
        case list() | tuple():
            return [_one_told(each) for each in value[:_MOST]]
        case _:
            return _one_told(value)


def _one_told(value: object) -> object:
    match value:
        case None | bool():
            return value
        case int() if -(2**63) <= value < 2**64:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case _:
            try:
                return _capped(str(value))
            except Exception:  # noqa: BLE001 - whatever a foreign object's own method raises
                return f"a {type(value).__name__}"


def _capped(text: str) -> str:
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}... and {len(text) - _LONGEST} characters"


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
    """Send every log line of the process to a stream as JSON, and what Python itself would write.

    Libraries tell warnings and errors alone: their other lines hold URLs, headers and arguments.
    """
    handler = _Stream(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.getLogger(_OURS).setLevel(level)
    logging.getLogger(_AUDIT).setLevel(logging.INFO)
    # What no line tells need not be found out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 # type: ignore[attr-defined] - as its manual advises
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread
    warnings.showwarning = _warned


class _Stream(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lose a line that cannot be written: logging itself would write its arguments instead."""


# ---- What Python would write on stderr, with texts that may hold anything ------------------

_log = logging.getLogger(__name__)


def _uncaught(
    kind: type[BaseException], error: BaseException | None, _traceback: TracebackType | None
) -> None:
    _log.critical("an exception ended the process", exc_info=error or kind())


def _uncaught_in_thread(broken: threading.ExceptHookArgs) -> None:
    _log.error("an exception ended a thread", exc_info=broken.exc_value)


def _unraisable(broken: Any) -> None:
    _log.error("an exception was raised where nothing can catch it", exc_info=broken.exc_value)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del message, file, line
    place = f"{os.path.basename(filename)}:{lineno}"  # noqa: PTH119 - no path need exist
    _log.warning("a warning", extra={"category": category.__name__, "place": place})
