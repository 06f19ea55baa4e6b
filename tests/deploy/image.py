"""The Dockerfile done without Docker: each stage copies and runs what it says, in a root of its own.

A root is a folder with the host's /usr and the Python of these tests in it, both read-only, in
place of the base image. Every step runs in a mount namespace, so nothing is left mounted.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from string import Template

from support.tools import missing

GUARD = 300
"""Seconds after which something hangs."""

_PASSED_ON = ("PIP_", "SSL_CERT", "REQUESTS_CA", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""What of the environment says how packages are reached."""

_MOUNTS = """
set -e
mount --bind -o ro /usr "$ROOT/usr"
mount --bind -o ro "$PYTHON" "$ROOT/usr/local"
mount --rbind /dev "$ROOT/dev"
mount --rbind /proc "$ROOT/proc"
"""

_READ_ONLY = """
set -e
mount --bind -o ro "$ROOT" "$ROOT"
mount -t tmpfs -o mode=1777,size=16m tmpfs "$ROOT/tmp"
"""


@dataclass(frozen=True)
class Instruction:
    """A keyword and what it is told."""

    keyword: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words, or the members of its list."""
        if self.text.startswith("["):
            return [word.strip(",") for word in shlex.split(self.text.strip("[]"))]
        return shlex.split(self.text)


def instructions_of(dockerfile: str) -> list[Instruction]:
    """Return what a Dockerfile says, its comments left out and its long lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        Instruction(keyword.upper(), " ".join(text.split()))
        for keyword, _space, text in (line.partition(" ") for line in joined.splitlines() if line)
    ]


def is_ignored(path: PurePosixPath, rules: Iterable[str]) -> bool:
    """Tell whether a .dockerignore keeps a file out of the build; the last rule that fits holds."""
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!").strip("/")
        if pattern.startswith("**/"):
            fits = any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for part in path.parts)
        else:
            fits = any(
                len(each.parts) == len(PurePosixPath(pattern).parts)
                and fnmatch.fnmatch(str(each), pattern)
                for each in (path, *path.parents)
            )
        if fits:
            ignored = not rule.startswith("!")
    return ignored


def make_context(source: Path, ignore_file: Path, target: Path) -> None:
    """Copy what a build may see of a folder."""
    rules = [
        line for line in ignore_file.read_text().splitlines() if line and not line.startswith("#")
    ]
    kept = (rule.removeprefix("!") for rule in rules if rule.startswith("!"))
    for top in (source / each for each in kept):
        for path in [top, *top.rglob("*")]:
            place = path.relative_to(source)
            if path.is_file() and not is_ignored(PurePosixPath(place), rules):
                (target / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target / place)


@dataclass
class Stage:
    """One stage: its root, and what its instructions have said so far."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    volumes: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        base = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.environment = {"PATH": base, "LD_LIBRARY_PATH": "/usr/local/lib"}
        for folder in ("usr", "dev", "proc", "tmp", "opt", "var/lib"):
            (self.root / folder).mkdir(parents=True)
        for link in ("bin", "sbin", "lib", "lib64"):
            (self.root / link).symlink_to(f"usr/{link}")
        shutil.copytree("/etc", self.root / "etc", symlinks=True)

    def inside(self, path: str) -> Path:
        """Where a path of the image is on this machine."""
        return self.root / str(PurePosixPath(self.workdir, path)).lstrip("/")

    def run(self, command: str) -> None:
        """Do what RUN says, as root."""
        passed_on = {
            name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)
        }
        done = subprocess.run(
            self.started(["/bin/sh", "-c", command], "0:0", _MOUNTS),
            env={
                **passed_on,
                **self.environment,
                "ROOT": str(self.root),
                "PYTHON": sys.base_prefix,
            },
            capture_output=True,
            text=True,
            timeout=GUARD,
            check=False,
        )
        assert done.returncode == 0, f"RUN {command}\n{done.stdout}\n{done.stderr}"

    def started(self, command: Sequence[str], user: str, script: str) -> list[str]:
        """Return the command that mounts what a script says and then runs another in the root."""
        inner = ["chroot", f"--userspec={user}", "ROOT", "env", "-C", self.workdir, *command]
        line = shlex.join(inner).replace("ROOT", '"$ROOT"', 1)
        return ["unshare", "--mount", "sh", "-c", f"{script}exec {line}"]


@dataclass(frozen=True)
class Image:
    """What was built, and how it is run: as its user, with everything read-only but its volumes.

    Attributes:
        stage: the last stage.
        volume: the folder that stands for the volume.
    """

    stage: Stage
    volume: Path

    def started(self, *arguments: str, entrypoint: Sequence[str] = ()) -> list[str]:
        """Return the command that runs the image; without arguments it does what CMD says."""
        (place,) = self.stage.volumes
        script = f'{_READ_ONLY}mount --bind "$VOLUME" "$ROOT"{place}\n{_MOUNTS}'
        command = [*(entrypoint or self.stage.entrypoint), *(arguments or self.stage.command)]
        return self.stage.started(command, self.stage.user, script)

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of its commands."""
        own = {"ROOT": str(self.stage.root), "VOLUME": str(self.volume), "PYTHON": sys.base_prefix}
        return {**self.stage.environment, **own, **more}

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.started(*arguments),
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=GUARD,
            check=False,
        )


class Build:
    """Does a Dockerfile.

    Args:
        dockerfile: the file; its .dockerignore is beside it.
        source: the folder that it is built from.
        home: an empty folder for the roots.
    """

    def __init__(self, dockerfile: Path, source: Path, home: Path) -> None:
        _need_namespaces()
        self._home = home
        self._context = home / "context"
        make_context(source, dockerfile.with_name("Dockerfile.dockerignore"), self._context)
        self._arguments: dict[str, str] = {}
        self._stages: dict[str, Stage] = {}
        self._does = {
            "ENV": self._env,
            "LABEL": lambda stage, told: stage.labels.update(_pairs(told.words)),
            "WORKDIR": self._workdir,
            "COPY": self._copy,
            "RUN": lambda stage, told: stage.run(told.text),
            "VOLUME": lambda stage, told: stage.volumes.extend(told.words),
            "USER": lambda stage, told: setattr(stage, "user", told.text),
            "ENTRYPOINT": lambda stage, told: stage.entrypoint.extend(told.words),
            "CMD": lambda stage, told: stage.command.extend(told.words),
            # What Docker itself looks at.
            **dict.fromkeys(("EXPOSE", "STOPSIGNAL", "HEALTHCHECK"), lambda _stage, _told: None),
        }
        self._stage: Stage | None = None
        for told in instructions_of(dockerfile.read_text()):
            self._do(told)

    def image(self) -> Image:
        """Return what the last stage made."""
        assert self._stage is not None
        (place,) = self._stage.volumes
        made = self._stage.inside(place)
        volume = self._home / "volume"
        volume.mkdir()
        shutil.copystat(made, volume)
        os.chown(volume, made.stat().st_uid, made.stat().st_gid)
        return Image(self._stage, volume)

    def _do(self, told: Instruction) -> None:
        if told.keyword == "ARG":
            self._arguments.update(_pairs([told.text]))
        elif told.keyword == "FROM":
            image, *name = told.words
            assert Template(image).substitute(self._arguments).startswith("python:")
            self._stage = Stage(self._home / f"root-{len(self._stages)}")
            self._stages[name[1] if name else ""] = self._stage
        else:
            assert self._stage is not None
            self._does[told.keyword](self._stage, told)

    def _env(self, stage: Stage, told: Instruction) -> None:
        known: Mapping[str, str] = dict(stage.environment)
        stage.environment.update(
            {name: Template(value).substitute(known) for name, value in _pairs(told.words).items()}
        )

    def _workdir(self, stage: Stage, told: Instruction) -> None:
        stage.workdir = told.text
        stage.inside(".").mkdir(parents=True, exist_ok=True)

    def _copy(self, stage: Stage, told: Instruction) -> None:
        words = told.words
        source = self._context
        if words[0].startswith("--from="):
            source = self._stages[words.pop(0).removeprefix("--from=")].root
        *names, place = words
        target = stage.inside(place)
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = source / name.lstrip("/")
            if path.is_dir():
                shutil.copytree(path, target, symlinks=True, dirs_exist_ok=True)
            else:
                shutil.copy2(path, target)


def _pairs(words: Sequence[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def _need_namespaces() -> None:
    if os.geteuid() != 0 or sys.platform != "linux":
        missing("mount namespaces", "the image's steps need root on Linux")
    allowed = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if allowed.returncode != 0:
        missing("mount namespaces", allowed.stderr.decode().strip())
