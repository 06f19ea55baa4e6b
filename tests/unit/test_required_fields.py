"""Every field that the contract marks as required is missed by name when it is left out."""

from __future__ import annotations

from typing import Any

import pytest

from conferencing_service.core.errors import InvalidField
from conferencing_service.core.model import WRITABLE_FIELDS
from conferencing_service.core.requests import CreateEvent, UpdateEvent
from unit import contract
from unit.examples import RULES


def required_paths() -> list[tuple[str, contract.Path]]:
    return [
        (name, path)
        for name in contract.request_names()
        for path in contract.fields_of(name)
        if contract.has_behavior(path[-1], contract.REQUIRED)
    ]


def missed(request: Any) -> set[str]:
    """Return the paths at which decoding and validation find a fault."""
    try:
        asked = contract.decode(request)
        if isinstance(asked, CreateEvent | UpdateEvent):
            asked.validate(RULES)
        elif hasattr(asked, "validate"):
            asked.validate()
    except InvalidField as error:
        return {each.field for each in error.violations}
    return set()


def around(name: str, path: contract.Path) -> tuple[Any, Any]:
    """Return a request with everything around a field, and the message that holds the field."""
    request = contract.new_request(name)
    if name == "UpdateEventRequest" and path[-1].name != "update_mask":
        request.update_mask.paths.extend(sorted(WRITABLE_FIELDS))
    parent = contract.parent_of(request, path)
    for sibling in parent.DESCRIPTOR.fields:
        if sibling is not path[-1] and contract.has_behavior(sibling, contract.REQUIRED):
            contract.put(parent, sibling)
    return request, parent


PATHS = required_paths()
IDS = [f"{name}-{contract.name_of(path)}" for name, path in PATHS]


def test_the_walk_reaches_fields_at_every_depth() -> None:
    names = {contract.name_of(path) for _, path in PATHS}
    assert {
        "grant_id",
        "calendar_id",
        "event_id",
        "event",
        "update_mask",
        "event.when.time.time",
        "event.when.timespan.start_time",
        "event.when.timespan.end_time",
        "event.when.date.date",
        "event.when.datespan.start_date",
        "event.when.datespan.end_date",
        "event.resources[0].email",
        "event.conferencing.details.url",
    } == names


@pytest.mark.parametrize(("name", "path"), PATHS, ids=IDS)
def test_a_required_field_that_is_left_out_is_missed_by_name(
    name: str, path: contract.Path
) -> None:
    request, _ = around(name, path)
    assert contract.name_of(path) in missed(request)


@pytest.mark.parametrize(("name", "path"), PATHS, ids=IDS)
def test_a_required_field_that_is_given_is_not_missed(name: str, path: contract.Path) -> None:
    request, parent = around(name, path)
    contract.put(parent, path[-1])
    assert contract.name_of(path) not in missed(request)


@pytest.mark.parametrize(
    ("name", "path"), [each for each in PATHS if each[1][-1].name in {"event", "update_mask"}]
)
def test_a_required_message_that_is_empty_is_told_what_it_lacks(
    name: str, path: contract.Path
) -> None:
    request, parent = around(name, path)
    getattr(parent, path[-1].name).SetInParent()
    assert any(each.startswith(contract.name_of(path)) for each in missed(request))
