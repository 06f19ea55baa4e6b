"""The policy file: what it says, and what is wrong with one that does not hold."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conferencing_service.access.identity import Identity, identity_from_certificate
from conferencing_service.access.policy import Patterns, Policy, PolicyError, policy_from_toml

RPCS = ("CreateEvent", "GetEvent", "ListEvents")
SECRET = "planted-7d1f"


def policy(text: str) -> Policy:
    return policy_from_toml(text.encode(), RPCS)


def by_token(subject: str) -> Identity:
    return Identity(by_token=True, names=(subject,))


WHOLE = """
[principals.scheduling]
subjects = ["scheduling@*", "robot"]
certificates = ["spiffe://example.org/ns/scheduling/*"]
rpcs = ["*Event"]
grants = ["team-a-*"]
conf_grants = ["zoom-?"]
creates_per_minute = 60
participants_per_event = 50
concurrent_calls = 20

[principals.everybody]
subjects = ["*"]
rpcs = ["ListEvents"]
"""


def test_the_first_principal_that_is_meant_is_it() -> None:
    whole = policy(WHOLE)
    for subject, name in (
        ("scheduling@x", "scheduling"),
        ("robot", "scheduling"),
        ("x", "everybody"),
    ):
        principal = whole.principal_of(by_token(subject))
        assert principal is not None
        assert principal.name == name


def test_a_certificate_is_held_against_certificates_and_a_token_against_subjects() -> None:
    whole = policy(WHOLE.partition("[principals.everybody]")[0])
    name = "spiffe://example.org/ns/scheduling/sa"
    assert whole.principal_of(by_token(name)) is None
    assert whole.principal_of(Identity(by_token=False, names=("localhost", name))) is not None
    assert whole.principal_of(Identity(by_token=False, names=("robot",))) is None


def test_of_a_certificate_only_names_of_services_count() -> None:
    told = {
        "x509_common_name": [b"robot"],
        "x509_subject_alternative_name": [b"127.0.0.1", b"a@b.example.com", b"svc.example.com"],
        "peer_ip": [b"127.0.0.1"],
        "peer_email": [b"a@b.example.com"],
        "peer_dns": [b"svc.example.com"],
        "peer_uri": [b"spiffe://example.org/x"],
    }
    identity = identity_from_certificate(told)
    assert identity is not None
    assert identity.names == ("spiffe://example.org/x", "svc.example.com")
    assert identity_from_certificate({"peer_ip": [b"127.0.0.1"]}) is None


def test_what_is_not_said_is_not_allowed() -> None:
    everybody = policy(WHOLE).principal_of(by_token("x"))
    assert everybody is not None
    assert everybody.rpcs == {"ListEvents"}
    assert not everybody.grants.match("team-a-1")
    assert not everybody.conf_grants.match("zoom-1")
    assert everybody.limits.creates_per_minute is None


def test_patterns_are_of_whole_texts_and_know_capitals() -> None:
    scheduling = policy(WHOLE).principal_of(by_token("robot"))
    assert scheduling is not None
    assert scheduling.rpcs == {"CreateEvent", "GetEvent"}
    assert scheduling.grants.match("team-a-")
    for other in ("team-a", "xteam-a-1", "Team-a-1", ""):
        assert not scheduling.grants.match(other)
    assert scheduling.conf_grants.match("zoom-1")
    assert not scheduling.conf_grants.match("zoom-12")
    assert scheduling.limits.participants_per_event == 50


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "principals: is missing"),
        ("principals = 7", "principals: must be a table"),
        ("= x", "is not TOML (at line 1, column 1)"),
        (f'[principals.a]\n{SECRET} = "', "is not TOML"),
        ("[principals.a]\nsubjects = ['x']", "principals.a.rpcs: is missing"),
        ("[principals.a]\nrpcs = ['*']", "principals.a: needs subjects or certificates"),
        (
            "[principals.a]\nsubjects = ['x']\nrpcs = ['Nothing']",
            "principals.a.rpcs.0: names no RPC",
        ),
        (
            "[principals.a]\nsubjects = ['']\nrpcs = ['*']",
            "principals.a.subjects: a pattern is empty",
        ),
        ("[principals.a]\nrpc = ['*']", "principals.a.rpc: is not known here; known are subjects,"),
        ("[principal.a]\nrpcs = ['*']", "principal: is not known here; known are principals"),
        *(
            (
                f"[principals.a]\nsubjects = ['x']\nrpcs = ['*']\ngrants = ['{p}']",
                "a [ without its ]",
            )
            for p in ("[a", "a[b]c[d", "[]", "[!]")
        ),
        (f"x = {'[' * 5000}{']' * 5000}", "is nested too deeply"),
        (f"x = {'9' * 5000}", "is not TOML"),
        ('"a\\u001b[2J\\n" = 1', "a\\x1b[2J\\n: is not known here; known are principals"),
        (
            "[principals.a]\nsubjects = 'x'\nrpcs = ['*']",
            "principals.a.subjects: must be a list of texts",
        ),
        (
            "[principals.a]\nsubjects = ['x']\nrpcs = ['*']\nconcurrent_calls = -1",
            "concurrent_calls",
        ),
        (
            "[principals.a]\nsubjects = ['x']\nrpcs = ['*']\nconcurrent_calls = '5'",
            "concurrent_calls",
        ),
        ("[principals.'a b']\nsubjects = ['x']\nrpcs = ['*']", "a name must be"),
        ("[principals.'']\nsubjects = ['x']\nrpcs = ['*']", "a name must be"),
    ],
)
def test_a_policy_that_does_not_hold_says_where(text: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(text)
    line = str(caught.value)
    assert told in line
    assert "\n" not in line


def test_a_policy_that_is_no_text_says_so() -> None:
    with pytest.raises(PolicyError, match="is not UTF-8"):
        policy_from_toml(b"\xff", RPCS)


def test_no_value_of_a_wrong_policy_is_told() -> None:
    with pytest.raises(PolicyError) as caught:
        policy(f"[principals.a]\nsubjects = ['{SECRET}']\nrpcs = '{SECRET}'")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.lists(st.text(max_size=20), max_size=4), st.text(max_size=40))
def test_without_signs_a_pattern_is_the_text_itself(texts: list[str], text: str) -> None:
    plain = [each for each in texts if not set(each) & set("*?[")]
    assert Patterns(plain).match(text) is (text in plain)


def test_no_pattern_is_slow_on_any_text() -> None:
    """Ten times the text takes about ten times as long, not a hundred times."""
    patterns = Patterns(["*a" * 20 + "b"])

    def cost(length: int) -> float:
        begun = time.process_time()
        for _ in range(200):
            assert not patterns.match("a" * length)
        return time.process_time() - begun

    cost(100)
    assert cost(2560) < 40 * max(cost(256), 1e-4)
