"""No reason of the contract is dead: each was seen by a real caller in the tests beside this."""

from __future__ import annotations

from pathlib import Path

import pytest

from conferencing.v1 import error_reason_pb2

HERE = Path(__file__).parent


def test_every_reason_was_seen_by_a_caller(
    request: pytest.FixtureRequest, seen_reasons: set[str]
) -> None:
    ran = {Path(item.path) for item in request.session.items}
    if not set(HERE.glob("test_*.py")) <= ran:
        pytest.skip("only some of the RPC tests run")
    declared = {
        name.removeprefix("ERROR_REASON_")
        for name in error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    } - {"UNSPECIFIED"}
    assert declared - seen_reasons == set()
    assert seen_reasons - declared - {"UNSPECIFIED", ""} == set()
