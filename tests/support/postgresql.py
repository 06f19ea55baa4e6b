"""A PostgreSQL server of its own, on loopback and a free port; gone with the block."""

from __future__ import annotations

import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.tools import missing

_GUARD = 60.0
"""Seconds after which something hangs."""

_DEBIAN = Path("/usr/lib/postgresql")
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


@dataclass
class PostgreSql:
    """A server that can be stopped and started again, and makes databases."""

    programs: Path
    home: Path
    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    process: subprocess.Popen[bytes] | None = None
    schemas: int = 0

    @property
    def url(self) -> str:
        """The database that every server has."""
        return (
            f"postgresql://postgres:{self.password}@127.0.0.1:{self.port}/postgres?sslmode=disable"
        )

    def fresh(self) -> str:
        """Make a schema and return the URL under which it is all that there is.

        A database for every test would take longer than the tests.
        """
        self.schemas += 1
        name = f"test_{self.schemas}"
        self.sql(f"CREATE SCHEMA {name}")
        return f"{self.url}&options=-csearch_path%3D{name}"

    def sql(self, statement: str, url: str = "") -> str:
        """Run a statement as an operator would; return what it prints."""
        return self._run(
            *(self.programs / "psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1"),
            *("-d", url or self.url, "-c", statement),
        )

    def make(self) -> None:
        """Make the server's files."""
        given = self.home / "password"
        given.write_text(self.password)
        os.chown(given, *_owner())
        self._run(
            *(self.programs / "initdb", "-D", self.home / "data", "-U", "postgres"),
            *("--auth=scram-sha-256", f"--pwfile={given}", "--encoding=UTF8", "--no-locale"),
            *("--no-sync", "--no-instructions"),
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(self.programs / "postgres", "-D", self.home / "data"),
                    *("-c", f"port={self.port}", "-c", "listen_addresses=127.0.0.1"),
                    *("-c", "unix_socket_directories=", "-c", "fsync=off"),
                ],
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_ENVIRONMENT,
                **_identity(),
            )
        deadline = time.monotonic() + _GUARD
        while not self._answers():
            log_so_far = (self.home / "log").read_text()
            assert self.process.poll() is None, log_so_far
            assert time.monotonic() < deadline, log_so_far
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once, as a crash would; what was committed stays."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)
            process.wait(_GUARD)

    def _answers(self) -> bool:
        try:
            return self.sql("SELECT 1") == "1\n"
        except subprocess.CalledProcessError:
            return False

    def _run(self, *command: str | Path) -> str:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            [*command],
            cwd=self.home,
            check=True,
            capture_output=True,
            text=True,
            timeout=_GUARD,
            env=_ENVIRONMENT,
            **_identity(),
        )
        return done.stdout


@contextmanager
def postgresql() -> Iterator[PostgreSql]:
    """A server that runs; skips the test where PostgreSQL is not installed."""
    programs, owner = _programs(), _owner()
    home = Path(tempfile.mkdtemp(prefix="postgresql-", dir=_reachable_folder()))
    server = PostgreSql(programs, home, _free_port())
    try:
        os.chown(home, *owner)
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _reachable_folder() -> Path:
    """A folder for temporary files that the server's own user can get into; root's TMPDIR may be private."""
    for folder in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")):
        way = (folder.resolve(), *folder.resolve().parents)
        if os.geteuid() != 0 or all(each.stat().st_mode & stat.S_IXOTH for each in way):
            return folder
    return missing("PostgreSQL", "its user can get into no folder for temporary files")


def _programs() -> Path:
    """The folder of the newest server here; only some of its programs are on Debian's PATH."""
    folders = sorted(_DEBIAN.glob("*/bin"), key=lambda folder: float(folder.parent.name))
    found = shutil.which("postgres")
    if found is not None:
        folders.insert(0, Path(found).resolve().parent)
    for folder in reversed(folders):
        if all((folder / program).exists() for program in ("postgres", "initdb", "psql")):
            return folder
    return missing("PostgreSQL", "run `make tools`")


def _owner() -> tuple[int, int]:
    """Whose the server's files and processes are: it refuses to run as root."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return account.pw_uid, account.pw_gid
    return missing("PostgreSQL", "root cannot run it, and there is no user postgres or nobody")


def _identity() -> dict[str, Any]:
    """The same, for a process that is about to begin."""
    if os.geteuid() != 0:
        return {}
    user, group = _owner()
    return {"user": user, "group": group, "extra_groups": []}


def _free_port() -> int:
    """A port that no client is given while the server is down: below those of connections."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as taken, suppress(OSError):
            taken.bind(("127.0.0.1", port))
            return port
