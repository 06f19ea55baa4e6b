"""A write is always answered, whatever its event weighs."""

from __future__ import annotations

from conferencing.v1 import conferencing_service_pb2 as service
from conferencing_service.core.model import Event
from conferencing_service.core.writes import Written
from conferencing_service.servicer import MAX_REPLY, _written


def test_an_event_too_large_for_an_answer_is_answered_without_its_texts() -> None:
    written = Written(Event(id="e", title="t", description="d" * (MAX_REPLY + 1)))
    answer = _written(service.UpdateEventResponse, written)
    assert (answer.event.id, answer.event.title, answer.event.description) == ("e", "t", "")
    assert [each.reason for each in answer.warnings] == [service.WARNING_REASON_TEXT_OMITTED]
    assert answer.ByteSize() < MAX_REPLY


def test_an_event_that_fits_is_answered_whole() -> None:
    answer = _written(service.CreateEventResponse, Written(Event(id="e", description="d" * 8192)))
    assert len(answer.event.description) == 8192
    assert not answer.warnings
