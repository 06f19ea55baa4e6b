"""What docs/access.md says is true: its policies hold, its commands do what stands below them."""

from __future__ import annotations

import re
import shlex

import pytest

from conferencing_service import port, watched_file
from conferencing_service.access import policy, signing_keys
from conferencing_service.access.identity import Identity
from conferencing_service.access.named_grants import grants_named_by_rpcs
from conferencing_service.access.policy import policy_from_toml
from conferencing_service.commands.credentials import _FILES
from conferencing_service.settings import Settings
from support.documents import ROOT, blocks_of, check_shown, rows_of, run_blocks, served

pytestmark = pytest.mark.security

DOCUMENT = (ROOT / "docs/access.md").read_text()
WORDS = " ".join(DOCUMENT.split())
RPCS = grants_named_by_rpcs()
MAKING, SERVING, *CALLING = blocks_of(DOCUMENT, "sh")
FOLDER = ".data/access"


def test_there_is_no_block_that_nothing_below_looks_at():
    assert {block.language for block in blocks_of(DOCUMENT)} == {"sh", "json", "text", "toml"}
    shown = [block for block in blocks_of(DOCUMENT) if block.language in {"json", "text"}]
    assert shown == [block.output for block in CALLING if block.output]


# ---- The policy -----------------------------------------------------------------------------


@pytest.mark.parametrize("block", blocks_of(DOCUMENT, "toml"), ids=lambda each: f"{each.line}")
def test_a_policy_that_is_shown_holds(block):
    held = policy_from_toml(block.text.encode(), RPCS)
    for subject, name in (
        ("scheduling@services.example.com", "scheduling"),
        ("reporting@anywhere", "reporting"),
        ("auditor-7", "reporting"),
        ("auditor-77", "everybody"),
    ):
        assert held.principal_of(Identity(by_token=True, names=(subject,))).name == name
    scheduling = held.principal_of(
        Identity(by_token=False, names=("spiffe://example.com/ns/calendars/sa/scheduling",))
    )
    assert scheduling.name == "scheduling"
    assert scheduling.rpcs == set(RPCS)
    assert scheduling.grants.match("team-a-7")
    assert not scheduling.conf_grants.match("zoom-team-c")


def test_every_key_of_a_policy_is_explained_and_shown():
    rows = rows_of(DOCUMENT, "key", "what it says", "where it is left out")
    keys = [row[0].strip("`") for row in rows]
    assert keys == list(policy._Entry.model_fields)
    shown = "".join(block.text for block in blocks_of(DOCUMENT, "toml"))
    assert set(re.findall(r"^(\w+) = ", shown, re.MULTILINE)) == set(keys)
    needed = {name for name, field in policy._Entry.model_fields.items() if field.is_required()}
    assert needed == {"rpcs"}
    assert [row[0] for row in rows if row[2] == "no limit"] == [f"`{name}`" for name in keys[-3:]]


def test_patterns_are_as_it_says():
    patterns = policy.Patterns
    for pattern, meant, others in (
        ("team-*", ("team-", "team-a/b"), ("Team-a", "a-team-b")),
        ("auditor-?", ("auditor-1",), ("auditor-", "auditor-12")),
        ("[ab]", ("a", "b"), ("c", "ab")),
        ("[!ab]", ("c",), ("a", "b")),
        ("[*]", ("*",), ("a",)),
    ):
        assert all(patterns([pattern]).match(text) for text in meant)
        assert not any(patterns([pattern]).match(text) for text in others)


# ---- Its commands ---------------------------------------------------------------------------


def settings_of(block):
    """The variables that stand before the server's command."""
    words = shlex.split(block.text.replace("\\\n", " ").partition("2>")[0])
    command = next(place for place, word in enumerate(words) if "=" not in word)
    assert words[command:] == [".venv/bin/conferencing-service", "serve", "--sandbox"]
    return dict(word.split("=", 1) for word in words[:command])


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What each block printed, by its line."""
    folder = tmp_path_factory.mktemp("access")
    run_blocks([MAKING], folder, {FOLDER: str(folder)})
    told = {
        name: value.replace("$PWD/", "").replace(FOLDER, str(folder))
        for name, value in settings_of(SERVING).items()
    }
    assert {name.removeprefix("CONFERENCING_").lower() for name in told} <= set(
        Settings.model_fields
    )
    with served(folder, "serve", "--sandbox", **told) as server:
        (log,) = folder.glob("*.log")
        places = {
            f"{FOLDER}/server.log": str(log),
            f"$PWD/{FOLDER}": str(folder),
            FOLDER: str(folder),
            "127.0.0.1:50051": server.address,
            "conferencing-service check": f"conferencing-service check --address {server.address}",
        }
        yield run_blocks(CALLING, folder, places)


@pytest.mark.parametrize("block", CALLING, ids=lambda block: f"line-{block.line}")
def test_a_command_prints_what_stands_under_it(printed, block):
    if block.output is not None:
        check_shown(block.output, printed[block.line])
    else:
        assert "ALLOWED" in printed[block.line].out


def test_who_did_something_to_an_event_is_found_and_nobody_else(printed):
    (block,) = [each for each in CALLING if "ledger places" in each.text]
    lines = printed[block.line].out.splitlines()
    assert len(lines) == 1


# ---- What it says ---------------------------------------------------------------------------


def test_figures_are_those_of_the_code():
    options = dict(port.options_of(Settings(), shared=False))
    assert f"at most {options['grpc.absolute_max_metadata_size'] >> 10} KiB" in WORDS
    assert f"less than {signing_keys._LEAST_RSA_BITS:,} bits" in WORDS
    assert signing_keys._FRESH_SECONDS == 300
    assert "keys from a URL every five minutes" in WORDS
    assert signing_keys._PAUSE_SECONDS == 30
    assert "within half a minute" in WORDS
    assert watched_file._LOOK_SECONDS == 1
    assert Settings.model_fields["jwt_algorithms"].default == ("RS256", "ES256")
    assert "RS256 and ES256 unless told otherwise" in WORDS


def test_the_options_of_check_are_named():
    (told,) = [
        row[1:] for row in rows_of(DOCUMENT, "caller", "token", "certificate") if "check" in row[0]
    ]
    assert set(re.findall(r"--[a-z-]+", " ".join(told))) == {name for name, _file, _says in _FILES}
