"""Processes under measurement: started on one core, their CPU time and memory read, ended."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PORT = re.compile(r":(\d+)\s*$")


class Broken(Exception):
    """A process did not do what it was started for; the text says which and how."""


class Process:
    """A child process on its cores, ended with the block or with this process.

    Args:
        name: for people.
        command: what is run.
        cores: where it may run, as taskset takes them.
        log: the file that takes its stderr.
        variables: added to the environment.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | os.PathLike[str]],
        *,
        cores: str,
        log: Path,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._log = log
        # Ended by the kernel where this process is killed; both programs become what they start.
        bound = ["setpriv", "--pdeathsig", "TERM", "taskset", "--cpu-list", cores]
        with log.open("ab") as stderr:
            self._popen = subprocess.Popen(  # noqa: S603 - commands of this folder
                [*bound, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=_plain_environment() | (variables or {}),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def line(self, seconds: float = _START_SECONDS) -> str:
        """Return the next line that it says; raises Broken where none comes in time."""
        assert self._popen.stdout is not None  # noqa: S101 - piped above
        ready, _, _ = select.select([self._popen.stdout], [], [], seconds)
        line = self._popen.stdout.readline().decode() if ready else ""
        if not line:
            raise Broken(f"{self.name} said nothing; its log ends with:\n{self.last_words()}")
        return line

    def port(self) -> int:
        """Return the port at the end of the next line that names one."""
        while not (found := _PORT.search(self.line())):
            pass
        return int(found[1])

    def ask(self, line: str, seconds: float = _START_SECONDS) -> str:
        """Send a line, and return the one that it answers."""
        assert self._popen.stdin is not None  # noqa: S101 - piped above
        try:
            self._popen.stdin.write(line.encode() + b"\n")
            self._popen.stdin.flush()
        except BrokenPipeError as error:
            raise Broken(f"{self.name} ended; its log:\n{self.last_words()}") from error
        return self.line(seconds)

    def last_words(self) -> str:
        """Return the end of its log."""
        return self._log.read_text(errors="replace")[-2000:]

    def cpu(self) -> int:
        """Return its CPU time in nanoseconds, all threads and children, those that ended too."""
        return sum(map(_cpu_of, (self.pid, *_children_of(self.pid))))

    def memory(self) -> list[int]:
        """Return the resident bytes of it and its children."""
        return [_resident_of(pid) for pid in (self.pid, *_children_of(self.pid))]

    def stop(self) -> None:
        """End it and whatever it started."""
        if self._popen.poll() is None:
            self._popen.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(_STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe is not None:
                pipe.close()


def _plain_environment() -> dict[str, str]:
    """Return the environment without settings of the service or of OpenTelemetry."""
    ours = ("CONFERENCING_", "OTEL_", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _cpu_of(pid: int) -> int:
    # The kernel's clock of a process, and what its ended children used.
    own = time.clock_gettime_ns((~pid << 3) | 2)
    reaped = sum(map(int, _fields_of(pid)[13:15]))
    return own + reaped * _TICK


def _fields_of(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, which may hold anything."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _children_of(pid: int) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdecimal():
            try:
                parent = int(_fields_of(int(each.name))[1])
            except (OSError, ValueError):
                continue
            if parent == pid:
                found += [int(each.name), *_children_of(int(each.name))]
    return found


def _resident_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(process: Process, port: int) -> None:
    """Return once something listens; raises Broken."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            # A probe may be given that very port, and then meets itself.
            if probe.connect_ex(("127.0.0.1", port)) == 0 and probe.getsockname()[1] != port:
                return
        time.sleep(0.02)
    raise Broken(f"{process.name} does not listen; its log ends with:\n{process.last_words()}")


def program(name: str) -> str:
    """Return where a program is; raises Broken where it is not installed."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Broken(f"{name} is missing: make tools")
    return found
