"""Log lines: one JSON object each, whatever is in them, and no more of it than is meant."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from conferencing_service.logs import JsonLines, log_to

pytestmark = pytest.mark.security

HOSTILE = {
    "newline": 'Ann\n{"level": "critical", "message": "forged"}',
    "carriage return": "Ann\r2026-01-01 forged",
    "terminal sequence": "\x1b[2J\x1b]0;title\x07Ann",
    "C1 control": "Ann\x9b31m\x85next",
    "Unicode line separators": "Ann\u2028next\u2029last",
    "right-to-left override": "Ann\u202egnp.exe",
    "NUL and delete": "Ann\x00\x7f\x08",
    "lone surrogate": "Ann\ud800",
    "quotes and backslashes": 'Ann", "level": "critical\\',
}
OWN = {
    "time": "never",
    "level": "info",
    "logger": "somebody.else",
    "trace_id": "0" * 32,
    "span_id": "0" * 16,
    "exception": "none",
}


def written(*args: Any, name: str = "conferencing_service.x", **more: Any) -> str:
    """The line of a record."""
    logger = logging.getLogger(name)
    extra = more.pop("extra", None)
    record = logger.makeRecord(
        name, logging.WARNING, "file.py", 1, args[0], args[1:], None, "f", extra
    )
    for field, value in more.items():
        setattr(record, field, value)
    return JsonLines().format(record)


def line_of(*args: Any, **more: Any) -> dict[str, Any]:
    return json.loads(written(*args, **more))


@pytest.fixture
def untouched() -> Iterator[None]:
    """What log_to changes in the process is as it was."""
    names = ("conferencing_service", "conferencing_service.audit")
    loggers = [logging.getLogger(), *map(logging.getLogger, names)]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    flags = (logging.logThreads, logging.logProcesses, logging.logMultiprocessing)
    source = logging._srcfile
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning
    yield
    sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning = hooks
    logging.logThreads, logging.logProcesses, logging.logMultiprocessing = flags
    logging._srcfile = source
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture
def stream(untouched: None) -> io.StringIO:
    """What a process that logs at DEBUG writes."""
    stream = io.StringIO()
    log_to(stream, "DEBUG")
    return stream


# ---- Nothing forges or breaks a line -------------------------------------------------------


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_text_is_one_line_of_plain_characters_wherever_it_stands(kind, tally) -> None:
    text = HOSTILE[kind]
    line = written("called %s", text, extra={"name_of": text, "several": [text]})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["message"] == f"called {text}"
    assert json.loads(line)["name_of"] == text
    assert json.loads(line)["several"] == [text]
    tally["hostile texts in log lines"] += 1


@pytest.mark.parametrize("name", OWN)
def test_what_a_call_gives_overwrites_nothing_of_a_lines_own(name: str) -> None:
    tracer = TracerProvider().get_tracer("x")
    try:
        int("x")
    except ValueError:
        broken = sys.exc_info()
    with tracer.start_as_current_span("x"):
        honest = line_of("m", exc_info=broken)
        forged = line_of("m", exc_info=broken, extra={name: OWN[name]})
    assert forged.pop(f"extra_{name}") == OWN[name]
    assert forged.keys() == honest.keys()
    assert forged[name] != OWN[name]


def test_a_field_of_a_lines_own_is_not_given_where_there_is_none() -> None:
    assert "trace_id" not in line_of("m", extra={"trace_id": "0" * 32})


def test_a_long_text_is_cut_with_a_mark_and_the_line_stays_short() -> None:
    long = "x" * 1_000_000
    line = written("%s", long, extra={"text": long, "several": [long] * 5_000, "map": {"k": long}})
    told = json.loads(line)
    mark = f"{'x' * 2048}... and 997952 characters"
    assert told["message"] == told["text"] == told["several"][0] == mark
    assert len(told["several"]) == 64
    assert told["map"].endswith(" characters")
    assert line_of("x" * 2048)["message"] == "x" * 2048


def test_a_line_is_json_whatever_was_given() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("canary")

    circle: list[Any] = []
    circle.append(circle)
    told = line_of(
        "m",
        extra={
            "nan": float("nan"),
            "infinite": float("-inf"),
            "huge": 10**5_000,
            "broken": Broken(),
            "circle": circle,
            "bytes": b"\xff",
            "nothing": None,
            "yes": True,
            "number": 1.5,
        },
    )
    assert told["nan"] == "nan"
    assert told["infinite"] == "-inf"
    assert told["huge"] == "a int"
    assert told["broken"] == "a Broken"
    assert told["circle"] == ["[[...]]"]
    assert (told["nothing"], told["yes"], told["number"]) == (None, True, 1.5)


def test_a_record_whose_arguments_do_not_fit_is_told_without_them() -> None:
    assert line_of("%d of %s", "canary", name="library")["message"] == "%d of %s"


def test_a_line_that_cannot_be_written_is_lost_and_not_told_otherwise(untouched, capsys) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError("no space left")

    log_to(Full(), "INFO")
    logging.getLogger("conferencing_service").warning("canary %s", "canary")
    assert capsys.readouterr().err == ""


# ---- What libraries say --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Exception in callback int('canary')\nhandle: <Handle int('canary')>",
            "Exception in callback int",
        ),
        (
            "Task exception was never retrieved\nfuture: <Task ValueError('canary')>",
            "Task exception was never retrieved",
        ),
        ("Executing <Task canary> took 0.2 seconds", "Executing"),
    ],
)
def test_of_the_event_loop_no_exception_and_no_argument_is_told(said: str, told: str) -> None:
    assert line_of(said, name="asyncio")["message"] == told


@pytest.mark.parametrize(
    "library",
    ["httpx", "httpcore.http11", "aiohttp.client", "asyncpg", "grpc._cython.cygrpc", "anything"],
)
def test_libraries_tell_warnings_alone_whatever_the_level_is(stream, library: str) -> None:
    logger = logging.getLogger(library)
    logger.debug("canary")
    logger.info("HTTP Request: GET https://x.example/?token=canary")
    assert stream.getvalue() == ""
    logger.warning("something is wrong")
    assert "something is wrong" in stream.getvalue()


def test_what_is_ours_is_told_at_the_level_that_was_asked_for(stream) -> None:
    logging.getLogger("conferencing_service.upstreams.http").debug("ours")
    assert json.loads(stream.getvalue())["level"] == "debug"


def test_audit_lines_are_told_at_every_level(untouched) -> None:
    stream = io.StringIO()
    log_to(stream, "ERROR")
    logging.getLogger("conferencing_service.rpc").warning("rpc")
    logging.getLogger("conferencing_service.audit").info("audit")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["audit"]


# ---- What Python itself would write --------------------------------------------------------


def test_an_exceptions_chain_is_types_and_places_without_texts() -> None:
    try:
        try:
            int("canary")
        except ValueError as first:
            raise KeyError("canary") from first
    except KeyError:
        line = written("it broke", exc_info=sys.exc_info())
    assert "canary" not in line
    places = json.loads(line)["exception"]
    assert [each for each in places if not each.startswith(" ")] == ["KeyError", "ValueError"]


def test_a_warning_is_told_by_its_kind_and_place(stream, capsys) -> None:
    warnings.showwarning("canary", UserWarning, "/some/where/library.py", 7)
    told = json.loads(stream.getvalue())
    assert (told["message"], told["category"], told["place"]) == (
        "a warning",
        "UserWarning",
        "library.py:7",
    )
    assert capsys.readouterr().err == ""


def test_an_uncaught_exception_is_told_by_its_type(stream, capsys) -> None:
    error = ValueError("canary")
    sys.excepthook(ValueError, error, None)
    threading.excepthook(threading.ExceptHookArgs((ValueError, error, None, None)))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["exception"] for line in lines] == [["ValueError"]] * 2
    assert "canary" not in stream.getvalue()
    assert capsys.readouterr().err == ""
