"""What the serving process writes on stderr when something in it breaks: JSON lines, and no texts of exceptions."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import pytest

pytestmark = pytest.mark.security

SECRET = "canary-passcode"

# The command as it is, in whose event loop things break once it serves.
BREAKING = """
import asyncio, gc, logging, sys, threading, warnings
from conferencing_service import serving
from conferencing_service.__main__ import main

SECRET = "canary-" + "passcode"
kept = []


async def breaks():
    try:
        int(SECRET)
    except ValueError as error:
        raise RuntimeError(SECRET) from error


def fails(secret):
    raise ValueError(secret)


class Held:
    def __del__(self):
        raise ValueError(SECRET)


async def never_awaited(secret):
    pass


def break_things():
    loop = asyncio.get_running_loop()
    task = loop.create_task(breaks())
    task.add_done_callback(lambda _task: gc.collect())
    del task
    loop.call_soon(fails, SECRET)
    loop.call_exception_handler({"message": "it broke", "exception": ValueError(SECRET), "what": SECRET})
    thread = threading.Thread(target=int, args=[SECRET], name=SECRET)
    thread.start()
    thread.join()
    Held()
    warnings.warn(SECRET)
    never_awaited(SECRET)
    logging.getLogger("library").warning("%d of %s", SECRET)
    logging.getLogger("library").error("it broke", exc_info=ValueError(SECRET))
    for library in ("httpx", "httpcore.connection", "aiohttp.client", "asyncpg", "grpc"):
        logging.getLogger(library).debug("sent %s", SECRET)
        logging.getLogger(library).info("GET https://x.example/?token=%s", SECRET)
    logging.getLogger("library").warning(
        "Ann\\n{}\\x1b[2J\\u2028", extra={"time": "never", "level": "critical"}
    )
    kept.append(loop.create_task(asyncio.sleep(3600), name=SECRET))


serving.keep_what_is_there = break_things
sys.exit(main())
"""
ENDING = """
import sys
from conferencing_service import serving
from conferencing_service.__main__ import main


def break_it():
    raise RuntimeError("canary-" + "passcode")


serving.keep_what_is_there = break_it
sys.exit(main())
"""


async def started(program, environment, errors):
    """The program, with the arguments of `serve --sandbox`."""
    with errors.open("wb") as stream:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "faulthandler", "-X", "dev", "-c", program),
            *("serve", "--sandbox"),
            env=environment | {"CONFERENCING_LOG_LEVEL": "DEBUG"},
            stdout=asyncio.subprocess.PIPE,
            stderr=stream,
        )


async def test_what_breaks_in_the_background_is_told_by_kind_and_place(environment, tmp_path):
    errors = tmp_path / "errors"
    process = await started(BREAKING, environment, errors)
    try:
        async with asyncio.timeout(60):
            while not (await process.stdout.readline()).startswith(b"serving "):
                assert process.returncode is None
            for _ in range(600):
                if "Task exception was never retrieved" in errors.read_text():
                    break
                await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = errors.read_text()
    assert SECRET not in told
    lines = [json.loads(line) for line in told.splitlines()]
    messages = {line["message"] for line in lines}
    assert messages >= {
        "Task exception was never retrieved",
        "Exception in callback",
        "it broke",
        "an exception ended a thread",
        "an exception was raised where nothing can catch it",
        "a warning",
        "%d of %s",
        "Ann\n{}\x1b[2J\u2028",
    }
    assert {"RuntimeError", "ValueError"} <= {
        place for line in lines for place in line.get("exception", ())
    }
    assert {line["level"] for line in lines} <= {"debug", "info", "warning", "error"}
    assert process.returncode == 0


async def test_what_ends_the_process_is_told_by_kind_and_place(environment, tmp_path):
    errors = tmp_path / "errors"
    process = await started(ENDING, environment, errors)
    async with asyncio.timeout(60):
        await process.communicate()
    told = errors.read_text()
    assert SECRET not in told
    lines = [json.loads(line) for line in told.splitlines()]
    (last,) = (line for line in lines if line["level"] == "critical")
    assert last["message"] == "an exception ended the process"
    assert last["exception"][0] == "RuntimeError"
    assert process.returncode == 1
