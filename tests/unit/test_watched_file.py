"""A file that others replace: seen however they do it, looked at seldom, gone and back again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from conferencing_service.watched_file import WatchedFile

pytestmark = pytest.mark.security

LONG_AGO = 1_700_000_000


@dataclass
class Clock:
    """A clock that goes on when it is told to."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Watched:
    """A file that is watched, and the clock by which."""

    file: WatchedFile
    clock: Clock

    def changes(self) -> list[bool]:
        """What it says now, two seconds on, and once more at the same time."""
        told = [self.file.changed()]
        self.clock.now += 2.0
        return [*told, self.file.changed(), self.file.changed()]

    def is_changed(self) -> bool:
        """Whether it is another one, looked at after a while."""
        self.clock.now += 2.0
        return self.file.changed()


def watched(path: Path) -> Watched:
    clock = Clock()
    return Watched(WatchedFile(path, clock), clock)


class Mount:
    """A ConfigMap or Secret as the kubelet mounts it: `FILE` -> `..data/FILE`, `..data` -> a folder.

    A new content is a new folder and a new link, which is renamed over the old one.
    """

    def __init__(self, folder: Path, name: str, content: str) -> None:
        self._folder, self._name, self._number = folder, name, 0
        folder.mkdir()
        self.replace(content)
        (folder / name).symlink_to(Path("..data") / name)

    @property
    def path(self) -> Path:
        return self._folder / self._name

    def replace(self, content: str) -> None:
        """Do as the kubelet does (its AtomicWriter)."""
        self._number += 1
        made = self._folder / f"..2030_01_07_14_00_{self._number:02}.1"
        made.mkdir()
        (made / self._name).write_text(content)
        # Two contents can be of one moment and one length.
        os.utime(made / self._name, (LONG_AGO, LONG_AGO))
        (self._folder / "..data_tmp").symlink_to(made.name)
        data = self._folder / "..data"
        before = data.readlink() if data.is_symlink() else None
        (self._folder / "..data_tmp").rename(data)
        if before is not None:
            for each in (self._folder / before).iterdir():
                each.unlink()
            (self._folder / before).rmdir()


def test_a_config_map_that_was_changed_is_another_file(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "policy", "policy.toml", "one")
    seen = watched(mount.path)
    assert seen.file.read() == b"one"
    assert not seen.is_changed()
    # What is removed leaves its number to the next file that is made; so a few in a row.
    for content in ("two", "six", "ten", "one"):
        mount.replace(content)
        assert seen.is_changed(), content
        assert seen.file.read() == content.encode()
        assert not seen.is_changed()


def test_a_file_that_another_was_renamed_over_is_another_file(tmp_path: Path) -> None:
    path, new = tmp_path / "keys.json", tmp_path / "keys.json.new"
    path.write_text("one")
    os.utime(path, (LONG_AGO, LONG_AGO))
    seen = watched(path)
    seen.file.read()
    new.write_text("two")
    # As `cp -p` and archives do: the same moment, the same length.
    os.utime(new, (LONG_AGO, LONG_AGO))
    new.rename(path)
    assert seen.is_changed()
    assert seen.file.read() == b"two"


def test_a_file_that_is_written_anew_in_its_place_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("one")
    os.utime(path, (LONG_AGO, LONG_AGO))
    seen = watched(path)
    seen.file.read()
    inode = path.stat().st_ino
    path.write_text("two")
    assert path.stat().st_ino == inode
    assert seen.is_changed()
    seen.file.read()
    # Longer at the same moment, as where a clock is coarse.
    moment = path.stat().st_mtime_ns
    path.write_text("three")
    os.utime(path, ns=(moment, moment))
    assert seen.is_changed()


def test_a_file_that_goes_and_comes_back_is_another_file_both_times(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("one")
    seen = watched(path)
    seen.file.read()
    path.unlink()
    assert seen.is_changed()
    with pytest.raises(OSError, match=r"policy\.toml"):
        seen.file.read()
    assert not seen.is_changed()
    path.write_text("one")
    assert seen.is_changed()
    assert seen.file.read() == b"one"
    assert not seen.is_changed()


def test_a_file_that_was_not_there_at_first_is_seen_when_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    seen = watched(path)
    with pytest.raises(OSError, match=r"policy\.toml"):
        seen.file.read()
    path.write_text("one")
    assert seen.is_changed()


def test_what_is_written_while_it_is_read_is_a_change(tmp_path: Path) -> None:
    """Noted before it is read: what was missed is read again."""
    path = tmp_path / "policy.toml"
    path.write_text("half")
    os.utime(path, (LONG_AGO, LONG_AGO))
    seen = watched(path)
    seen.file.note()
    path.write_text("half and half")
    assert seen.is_changed()


def test_it_is_looked_at_once_a_second_and_every_change_is_told_until_it_is_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("one")
    seen = watched(path)
    seen.file.read()
    path.write_text("another")
    assert seen.changes() == [False, True, False]
    assert seen.changes() == [False, True, False]
    seen.file.read()
    assert seen.changes() == [False, False, False]


def test_a_file_that_became_readable_is_another_file(tmp_path: Path) -> None:
    now = [100.0]
    path = tmp_path / "policy.toml"
    path.write_text("one")
    path.chmod(0)
    seen = WatchedFile(path, lambda: now[0])
    seen.note()
    path.chmod(0o640)
    now[0] += 2.0
    assert seen.changed()
