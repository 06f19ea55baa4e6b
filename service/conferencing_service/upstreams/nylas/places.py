"""Where things are at Nylas: paths, their templates for traces, and the queries of writes."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from conferencing_service.core.model import Notify

GRANT = "/v3/grants/{grant_id}"
CALENDAR = "/v3/grants/{grant_id}/calendars/{calendar_id}"
EVENTS = "/v3/grants/{grant_id}/events"
EVENT = "/v3/grants/{grant_id}/events/{event_id}"


@dataclass(frozen=True, slots=True)
class Place:
    """What a request is about; foreign ids become one encoded path segment each."""

    grant_id: str
    calendar_id: str = ""
    event_id: str = ""
    conf_grant_id: str = ""

    def grant_path(self) -> str:
        """Return the path of the grant."""
        return f"/v3/grants/{quote(self.grant_id, safe='')}"

    def calendar_path(self) -> str:
        """Return the path of the calendar."""
        return f"{self.grant_path()}/calendars/{quote(self.calendar_id, safe='')}"

    def events_path(self) -> str:
        """Return the path of a grant's events; the calendar stands in the query."""
        return f"{self.grant_path()}/events"

    def event_path(self) -> str:
        """Return the path of the event."""
        return f"{self.events_path()}/{quote(self.event_id, safe='')}"


def query_of(**values: str) -> str:
    """Return a query; every value is encoded whole."""
    return "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in values.items())


def written_where(calendar_id: str, notify: Notify) -> str:
    """Return the query of a write: where, and whether the platform tells people."""
    return query_of(
        calendar_id=calendar_id,
        notify_participants="false" if notify is Notify.NONE else "true",
    )
