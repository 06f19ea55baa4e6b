"""The keys of the ledger: their file is checked, and a sealed text opens in its own place alone."""

from __future__ import annotations

import base64
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.ledger_keys import seal_of
from conferencing_service.settings import Settings, SettingsError
from conferencing_service.stores.sealed import (
    CannotBeOpened,
    Seal,
    id_of_key,
    is_sealed,
)
from support.documents import ROOT
from support.tools import tool

pytestmark = pytest.mark.security

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
VARIABLE = "CONFERENCING_LEDGER_KEYS_FILE"
PAGE = ROOT / "docs" / "ledger-encryption.md"
PLACE = ("0f" * 16, "reply")


def in_base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.touch(mode=0o600)
    return file


def seal_in(file: Path, content: str | bytes) -> Seal:
    """The seal of a file with this content."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return seal_of(Settings(ledger_keys_file=file))


def refused(file: Path, content: str | bytes) -> str:
    """The line that refuses a file with this content."""
    with pytest.raises(SettingsError) as caught:
        seal_in(file, content)
    line = str(caught.value)
    assert line.startswith(f"{VARIABLE}: ")
    assert "\n" not in line
    return line


# ---- The file --------------------------------------------------------------------------------


def test_without_a_file_nothing_is_sealed() -> None:
    assert seal_of(Settings()).sealed("{}", *PLACE) == "{}"


@pytest.mark.parametrize(
    "content",
    [
        in_base64(KEY),
        f"{in_base64(KEY)}\n",
        f"\n  {in_base64(KEY)}\t\r\n\n",
        KEY.hex(),
        KEY.hex().upper(),
        f"# made in November\n{in_base64(KEY)}  # the new one\n{in_base64(OTHER)}\n",
        f"# für später\n{KEY.hex()}\n",
    ],
)
def test_a_line_is_a_key(file: Path, content: str) -> None:
    sealed = seal_in(file, content).sealed("{}", *PLACE)
    assert sealed.startswith(f"sealed:1:{id_of_key(KEY)}:")
    assert Seal([KEY]).opened(sealed, *PLACE) == "{}"


def test_what_openssl_prints_is_a_key(file: Path) -> None:
    command = [tool("openssl"), "rand", "-base64", "32"]
    assert " ".join(["openssl", *command[1:]]) in PAGE.read_text()
    seal = seal_in(file, subprocess.run(command, capture_output=True, check=True).stdout)
    assert seal.opened(seal.sealed("{}", *PLACE), *PLACE) == "{}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there is no key in the file"),
        ("# nothing yet\n\n", "there is no key in the file"),
        (f"{in_base64(KEY)}\n{in_base64(KEY)[:-4]}\n", "line 2 is no key"),
        (in_base64(KEY[:31]), "line 1 is no key"),
        (in_base64(KEY[:16]), "line 1 is no key"),
        (in_base64(KEY + KEY), "line 1 is no key"),
        (in_base64(KEY).rstrip("="), "line 1 is no key"),
        (KEY.hex()[:-2], "line 1 is no key"),
        ("correct horse battery staple", "line 1 is no key"),
        (f"key={in_base64(KEY)}", "line 1 is no key"),
        (f"{in_base64(KEY)} {in_base64(OTHER)}", "line 1 is no key"),
        (KEY + b"\xff", "is no key"),
        (f"{in_base64(KEY)}\n" * 2000, "too long"),
    ],
)
def test_a_wrong_file_is_refused_and_not_quoted(
    file: Path, content: str | bytes, said: str, tally: Counter[str]
) -> None:
    line = refused(file, content)
    assert said in line
    for word in content.split() if isinstance(content, str) else ():
        assert len(word) < 16 or word not in line
    tally["key files refused"] += 1


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666, 0o602, 0o444])
def test_a_file_that_everybody_can_read_or_change_is_refused(
    file: Path, mode: int, tally: Counter[str]
) -> None:
    file.write_text(in_base64(KEY))
    file.chmod(mode)
    with pytest.raises(SettingsError, match="everybody can read or change the file") as caught:
        seal_of(Settings(ledger_keys_file=file))
    assert str(caught.value).startswith(f"{VARIABLE}: ")
    tally["key files refused"] += 1


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440, 0o640, 0o660])
def test_a_group_may_read_it_and_links_lead_to_it(file: Path, mode: int, tmp_path: Path) -> None:
    file.write_text(in_base64(KEY))
    file.chmod(mode)
    # Kubernetes mounts a secret as a link to a file for the group of the process.
    link = tmp_path / "link"
    link.symlink_to(file)
    assert is_sealed(seal_of(Settings(ledger_keys_file=link)).sealed("{}", *PLACE))


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(SettingsError, match=f"^{VARIABLE}: the file cannot be read$"):
            seal_of(Settings(ledger_keys_file=path))


def test_no_key_is_in_a_repr(file: Path) -> None:
    seal = seal_in(file, in_base64(KEY))
    told = f"{seal!r} {seal} {vars(seal)!r}"
    for text in (KEY.hex(), in_base64(KEY), repr(KEY), repr(KEY)[2:-1][:20]):
        assert text not in told


# ---- Sealing ---------------------------------------------------------------------------------


@given(st.text(), st.text(min_size=1), st.text(min_size=1))
def test_a_sealed_text_is_opened_again(text: str, operation_id: str, column: str) -> None:
    seal = Seal([KEY, OTHER])
    assert seal.opened(seal.sealed(text, operation_id, column), operation_id, column) == text


@given(st.text(st.characters(categories=["L", "Cs"])))
def test_half_a_surrogate_pair_is_kept_as_well(text: str) -> None:
    seal = Seal([KEY])
    assert seal.opened(seal.sealed(text, *PLACE), *PLACE) == text


def test_nothing_stays_nothing() -> None:
    assert Seal([KEY]).sealed("", *PLACE) == ""


def test_what_was_never_sealed_is_what_it_is() -> None:
    for text in ("", "0", "{}", '{"is":"sealed:1:"}', '"sealed:1:2:3"'):
        assert Seal([KEY]).opened(text, *PLACE) == text


def test_the_same_text_is_never_sealed_alike() -> None:
    seal = Seal([KEY])
    assert len({seal.sealed("{}", *PLACE) for _ in range(1000)}) == 1000


def test_the_first_key_seals_and_all_of_them_open() -> None:
    old, new = Seal([OTHER]), Seal([KEY, OTHER])
    assert new.opened(old.sealed("{}", *PLACE), *PLACE) == "{}"
    assert Seal([KEY]).opened(new.sealed("{}", *PLACE), *PLACE) == "{}"
    with pytest.raises(CannotBeOpened, match="its key is not among"):
        old.opened(new.sealed("{}", *PLACE), *PLACE)
    with pytest.raises(CannotBeOpened, match="its key is not among"):
        Seal().opened(new.sealed("{}", *PLACE), *PLACE)


def test_a_key_is_named_by_nothing_but_itself() -> None:
    # Kept in every ledger: it must never change.
    assert (id_of_key(KEY), id_of_key(OTHER)) == ("e661bfc8", "fd02c0b8")


def test_what_was_sealed_by_an_earlier_version_is_opened() -> None:
    # Made with AES-256-GCM alone, by the form that the docs give.
    kept = "sealed:1:e661bfc8:ZGVmZ2hpamtsbW5vMzm3CFvTLeND/WWjrRet8WcNR1epR6OQkA=="
    assert Seal([KEY]).opened(kept, *PLACE) == '{"in":{}}'


@pytest.mark.parametrize("place", [("1f" * 16, "reply"), (PLACE[0], "expected"), ("", "")])
def test_a_text_opens_in_its_own_place_alone(place: tuple[str, str]) -> None:
    seal = Seal([KEY])
    with pytest.raises(CannotBeOpened, match="changed, or moved"):
        seal.opened(seal.sealed("{}", *PLACE), *place)


def test_no_bit_of_a_text_can_be_changed(tally: Counter[str]) -> None:
    seal = Seal([KEY, OTHER])
    *head, kept = seal.sealed('{"in":{}}', *PLACE).split(":")
    raw = base64.b64decode(kept)
    for bit in range(8 * len(raw)):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CannotBeOpened):
            seal.opened(":".join([*head, in_base64(bytes(changed))]), *PLACE)
        tally["sealed replies tampered with and refused"] += 1


@pytest.mark.parametrize("name", [id_of_key(OTHER), "00000000", "", "../keys"])
def test_the_name_of_a_key_cannot_be_changed(name: str) -> None:
    seal = Seal([KEY, OTHER])
    word, version, _key_id, kept = seal.sealed("{}", *PLACE).split(":")
    with pytest.raises(CannotBeOpened):
        seal.opened(f"{word}:{version}:{name}:{kept}", *PLACE)


@pytest.mark.parametrize(
    "text",
    [
        "sealed:",
        "sealed:1",
        "sealed:1::",
        f"sealed:1:{id_of_key(KEY)}",
        f"sealed:1:{id_of_key(KEY)}:",
        f"sealed:1:{id_of_key(KEY)}:AAAA",
        f"sealed:1:{id_of_key(KEY)}:" + "A" * 37,
        f"sealed:1:{id_of_key(KEY)}:" + "A" * 40,
        f"sealed:1:{id_of_key(KEY)}:" + "ä" * 40,
        f"sealed:1:{id_of_key(KEY)}:" + "A" * 40 + ":",
        f"sealed:2:{id_of_key(KEY)}:" + "A" * 40,
    ],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(CannotBeOpened):
        Seal([KEY]).opened(text, *PLACE)


def test_every_end_of_a_text_that_was_cut_off_is_refused() -> None:
    seal = Seal([KEY])
    whole = seal.sealed('{"in":{}}', *PLACE)
    for length in range(len("sealed:"), len(whole)):
        with pytest.raises(CannotBeOpened):
            seal.opened(whole[:length], *PLACE)


def test_random_bytes_open_nothing() -> None:
    seal = Seal([KEY])
    for length in range(64):
        text = f"sealed:1:{id_of_key(KEY)}:{in_base64(os.urandom(length))}"
        with pytest.raises(CannotBeOpened):
            seal.opened(text, *PLACE)
