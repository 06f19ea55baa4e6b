"""Load: our loader in Go, and h2load, both with a prebuilt message, on the vendor's core."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from messages import GRANT_ID, REQUEST_ID, Exchange
from processes import Broken, Process, program
from vendors import CORE

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Shape:
    """How many calls are in flight, over how many connections."""

    connections: int
    streams: int

    @property
    def in_flight(self) -> int:
        """Calls at once."""
        return self.connections * self.streams


@dataclass(frozen=True)
class Span:
    """How long a step lasts: so many seconds, longer until so many calls, within `most` seconds.

    The calls matter where others use the machine: the few that a slow second has would be measured
    with what goes on beside calls.
    """

    seconds: float
    calls: int
    most: float = 15.0

    def order(self) -> dict[str, float]:
        """Return the words of an order that say so."""
        return {"seconds": self.seconds, "calls": self.calls, "most": self.most}


ONE = Shape(1, 1)
SIXTY_FOUR = Shape(8, 8)


@dataclass(frozen=True)
class Outcome:
    """What came of a step of load; times are microseconds.

    Attributes:
        wrong: answers that were not OK, or not the right ones.
    """

    calls: int
    seconds: float
    p50: float
    p99: float
    wrong: int
    said: str = ""


def outcome_of(line: str) -> Outcome:
    """Return the outcome that a line of a loader tells."""
    told = json.loads(line)
    statuses: Mapping[str, int] = told["statuses"]
    failed = sum(count for code, count in statuses.items() if code != "OK")
    said = f"{statuses}, {told['unequal']} unequal" if failed or told["unequal"] else ""
    return Outcome(
        calls=told["calls"],
        seconds=told["seconds"],
        p50=told["p50_us"],
        p99=told["p99_us"],
        wrong=failed + told["unequal"],
        said=said,
    )


def build_loader(folder: Path) -> Path:
    """Build the loader; raises Broken where Go is missing or it does not compile."""
    binary = folder / "load"
    done = subprocess.run(  # noqa: S603 - our own module
        [program("go"), "build", "-o", binary, "."],
        cwd=HERE / "load",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Broken(f"the loader does not compile:\n{done.stderr}")
    return binary


class Loader:
    """Our loader: every call with a request id of its own, every answer looked at.

    Args:
        process: the loader, which runs.
    """

    def __init__(self, process: Process) -> None:
        self._process = process

    def run(
        self,
        port: int,
        exchange: Exchange,
        right: bytes,
        shape: Shape,
        span: Span,
        *,
        anew: bool = False,
    ) -> Outcome:
        """Keep so many calls in flight for a while.

        Args:
            port: where.
            exchange: what is asked.
            right: the bytes of the right answer, in any order.
            shape: connections and calls.
            span: how long.
            anew: over new connections, which are closed at the end.
        """
        message = exchange.request.SerializeToString()
        order = {
            "address": f"127.0.0.1:{port}",
            "method": exchange.method,
            "message": base64.b64encode(message).decode(),
            "request_id_at": message.find(REQUEST_ID.encode()),
            "grant_at": message.index(GRANT_ID.encode()) + len(GRANT_ID) - 1
            if exchange.spread
            else -1,
            "connections": shape.connections,
            "streams": shape.streams,
            **span.order(),
            "length": len(right),
            "sum": sum(right),
            "anew": anew,
        }
        return outcome_of(self._process.ask(json.dumps(order), span.most + 60))


def loader_process(binary: Path, folder: Path) -> Process:
    """Start the loader."""
    return Process("loader", [binary], cores=CORE, log=folder / "loader.log")


def h2load(
    folder: Path, port: int, exchange: Exchange, right: bytes, shape: Shape, calls: int
) -> Outcome:
    """Send so many calls of one fixed frame by h2load, which sees HTTP statuses and bytes alone."""
    message = exchange.request.SerializeToString()
    frame, log = folder / "request.frame", folder / "h2load.log"
    frame.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    log.unlink(missing_ok=True)
    command = [
        *("taskset", "--cpu-list", CORE, program("h2load"), "-t1"),
        *(f"-c{shape.connections}", f"-m{shape.streams}", f"-n{calls}", "-d", frame),
        *("-H", "content-type: application/grpc", "-H", "te: trailers", "--log-file", log),
        f"http://127.0.0.1:{port}{exchange.method}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    succeeded = int(_number(r"(\d+) succeeded", done.stdout))
    data = int(_number(r"\((\d+)\) data", done.stdout))
    times = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
    right = succeeded == calls and data == calls * (5 + len(right))
    return Outcome(
        calls=calls,
        seconds=_seconds(done.stdout),
        p50=times[len(times) // 2],
        p99=times[len(times) * 99 // 100],
        wrong=0 if right else max(1, calls - succeeded),
        said="" if right else f"{succeeded} of {calls} succeeded, {data} bytes of data",
    )


def _seconds(text: str) -> float:
    found = re.search(r"finished in ([\d.]+)(us|ms|s|m)", text)
    if found is None:
        raise Broken(f"h2load said something else:\n{text[-1000:]}")
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}[found[2]]


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise Broken(f"h2load said something else:\n{text[-1000:]}")
    return float(found[1])
