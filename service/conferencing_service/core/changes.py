"""What an update means for the event as it is: what it must not do, and what it has to carry along."""

from __future__ import annotations

import dataclasses

from conferencing_service.core import reading
from conferencing_service.core.errors import FailedPrecondition, InvalidField, Violation
from conferencing_service.core.model import Details, Event, Reason
from conferencing_service.core.requests import check_recurring_zone
from conferencing_service.core.validation import MAX_DESCRIPTION, Faults


def needs_current(event: Event, fields: frozenset[str]) -> bool:
    """Tell whether a write can only be made knowing the event as it is."""
    if not fields.isdisjoint({"conferencing", "description", "metadata"}):
        return True
    return "recurrence" in fields and bool(event.recurrence) and "when" not in fields


def check_current(current: Event, event: Event, fields: frozenset[str], *, replace: bool) -> None:
    """Refuse what the event as it is does not allow."""
    if current.read_only:
        raise FailedPrecondition(Reason.EVENT_READ_ONLY)
    if "recurrence" in fields and event.recurrence and "when" not in fields:
        faults = Faults()
        check_recurring_zone(faults, current.when)
        faults.raise_any()
    if (
        "conferencing" in fields
        and event.conferencing is not None
        and current.conferencing is not None
        and (current.conferencing.source or current.conferencing.state)
        and not replace
    ):
        provider = current.conferencing.provider
        raise FailedPrecondition(
            Reason.CONFERENCE_ALREADY_PRESENT,
            {"provider": provider.value if provider else ""},
        )


def with_description(
    current: Event, event: Event, fields: frozenset[str]
) -> tuple[Event, frozenset[str]]:
    """Return the write that keeps, replaces or removes the old conference's text as asked.

    Upstreams keep a conference as text in the description. So a new description must carry the
    text of a conference that stays, and the text of one that goes must be taken out; out of the
    location as well, where it was read there.
    """
    old = current.conferencing.source if current.conferencing else None
    if not isinstance(old, Details) or not old.url:
        return event, fields
    text = event.description if "description" in fields else current.description
    if "conferencing" in fields:
        text = reading.without_block(text, old)
        if "location" not in fields and reading.holds(current.location, old):
            event = dataclasses.replace(
                event, location=reading.without_block(current.location, old)
            )
            fields |= {"location"}
    elif reading.holds(current.description, old) and not reading.holds(text, old):
        block = reading.block_of(current.description, old)
        text = f"{text}\n\n{block}" if text else block
    if len(text) > MAX_DESCRIPTION:
        raise InvalidField(
            [Violation("event.description", "is too long together with the conference's own text")]
        )
    if "description" in fields or text != current.description:
        event = dataclasses.replace(event, description=text)
        fields |= {"description"}
    return event, fields
