"""`policy`: 0 says that a policy holds and that somebody may, 1 that it does not, or they may not."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.security

POLICY = """
[principals.scheduling]
subjects = ["scheduling-*"]
certificates = ["spiffe://example.com/scheduling"]
rpcs = ["*"]
grants = ["team-a-*"]
conf_grants = ["zoom-[ab]"]
creates_per_minute = 60
concurrent_calls = 5

[principals.everybody]
subjects = ["*"]
rpcs = ["Check*", "ExtractConferencing"]
"""
SHOWN = {
    "scheduling": "scheduling\n  every RPC\n  creates_per_minute 60\n  concurrent_calls 5\n",
    "everybody": "everybody\n  CheckCompatibility, ExtractConferencing\n",
}


@pytest.fixture
def ask(run, tmp_path):
    """Runs the command on a file with the policy, or with another text."""
    file = tmp_path / "policy.toml"

    async def ask(*arguments, text=POLICY):
        file.write_text(text)
        return await run("policy", str(file), *arguments)

    return ask


async def test_a_policy_that_holds_is_shown(ask):
    ran = await ask()
    assert (ran.status, ran.stdout, ran.stderr) == (0, "".join(SHOWN.values()), "")


async def test_what_names_nobody_and_nothing_is_shown_as_that(ask):
    ran = await ask(text="[principals]\n")
    assert (ran.status, ran.stdout, ran.stderr) == (0, "", "")
    ran = await ask(text='[principals.none]\nsubjects = ["*"]\nrpcs = []\n')
    assert (ran.status, ran.stdout, ran.stderr) == (0, "none\n  no RPC\n", "")


@pytest.mark.parametrize(
    ("who", "name"),
    [
        (("--subject", "scheduling-1"), "scheduling"),
        (("--subject", "spiffe://example.com/scheduling"), "everybody"),
        (("--certificate", "other.example", "--certificate", "spiffe://example.com/scheduling"),
         "scheduling"),
    ],
)  # fmt: skip
async def test_somebody_is_who_a_server_would_take_them_for(ask, who, name):
    ran = await ask(*who)
    assert (ran.status, ran.stdout, ran.stderr) == (0, SHOWN[name], "")


async def test_what_they_may_is_0_and_what_they_may_not_is_1(ask):
    scheduling = ("--subject", "scheduling-1")
    everything = ("--rpc", "CreateEvent", "--grant", "team-a-1", "--conf-grant", "zoom-b")
    assert (await ask(*scheduling, *everything)).status == 0
    for who, question, refused in (
        (scheduling, ("--rpc", "CreateEvent", "--grant", "team-b-1"), "scheduling may not use team-b-1"),
        (scheduling, ("--conf-grant", "zoom-c"), "scheduling may not use zoom-c"),
        (("--subject", "x"), ("--rpc", "GetEvent"), "everybody may not use GetEvent"),
        (("--subject", "x"), ("--grant", "team-a-1"), "everybody may not use team-a-1"),
        (("--certificate", "scheduling-1"), (), "the policy names nobody of that name: they may do nothing"),
    ):  # fmt: skip
        ran = await ask(*who, *question)
        assert (ran.status, ran.stdout) == (1, "")
        assert ran.stderr == f"conferencing-service: {refused}\n"


async def test_what_does_not_hold_is_told_with_its_place(ask, run, tmp_path):
    for text, why in (
        (POLICY.replace('"Check*"', '"Chekc*"'), "principals.everybody.rpcs.0: names no RPC"),
        ("principals\n", "is not TOML (at line 1, column 11)"),
        ("", "principals: is missing"),
        (f"x = {'9' * 5000}", "is not TOML"),
        (
            '"\\u001b[31mred\\nblue" = 1\n' + POLICY,
            "\\x1b[31mred\\nblue: is not known here; known are principals",
        ),
    ):
        ran = await ask(text=text)
        assert (ran.status, ran.stdout) == (1, "")
        assert ran.stderr == f"conferencing-service: {tmp_path}/policy.toml: {why}\n"
    ran = await run("policy", str(tmp_path / "none"))
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.endswith("none cannot be read: No such file or directory\n")


async def test_a_question_about_nobody_is_refused(ask):
    for arguments in (
        ("--rpc", "GetEvent"),
        ("--grant", "x"),
        ("--subject", "a", "--certificate", "b"),
        ("--subject", "a", "--rpc", "getevent"),
        ("--subject", ""),
        ("--certificate", ""),
        ("--subject", "a", "--grant", ""),
        ("--subject", "a", "--conf-grant", ""),
    ):
        ran = await ask(*arguments)
        assert (ran.status, ran.stdout) == (2, "")
        assert ran.stderr.startswith("Usage: conferencing-service policy")
