"""What the reading RPCs do: ask the upstream, read what it left in texts, answer. Nothing is written."""

from __future__ import annotations

import dataclasses

from conferencing_service.core import listing
from conferencing_service.core.conferences import Conferences
from conferencing_service.core.grants import FACTS_SECONDS, GrantDirectory
from conferencing_service.core.model import Event, Platform, Verdict
from conferencing_service.core.paging import PageTokens
from conferencing_service.core.parsing import with_parsed_conference, with_parsed_conferences
from conferencing_service.core.requests import CheckCompatibility, GetEvent, ListEvents
from conferencing_service.core.upstream import Call, EventQuery, Registry

DEFAULT_PAGE = 50
MAX_PAGE = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """What ListEvents answers."""

    events: tuple[Event, ...]
    next_page_token: str


class Reads:
    """GetEvent, ListEvents and CheckCompatibility, in the domain's words.

    Every method raises errors of `core.errors` and nothing else on purpose.

    Args:
        registry: finds a grant's upstream.
        grants: finds grants.
        conferences: reaches verdicts.
        page_tokens: seals page tokens.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        grants: GrantDirectory,
        conferences: Conferences,
        page_tokens: PageTokens,
    ) -> None:
        self._registry = registry
        self._grants = grants
        self._conferences = conferences
        self._page_tokens = page_tokens

    async def get_event(self, call: Call, request: GetEvent) -> Event:
        """Read an event."""
        request.validate()
        call.check_grants()
        upstream = self._registry.for_grant(request.grant_id)
        await self._grants.find_with_calendar(call, upstream, request.grant_id)
        event = await upstream.get_event(
            call, request.grant_id, request.calendar_id, request.event_id
        )
        return with_parsed_conference(event)

    async def list_events(self, call: Call, request: ListEvents) -> Listed:
        """Read a page of events; it can be short while there are more."""
        request.validate()
        token = self._page_tokens.open(request, call.principal)
        call.check_grants()
        upstream = self._registry.for_grant(request.grant_id)
        await self._grants.find_with_calendar(call, upstream, request.grant_id)
        query = EventQuery(
            start_time=request.start_time,
            end_time=request.end_time,
            ical_uid=request.ical_uid,
            limit=min(request.page_size or DEFAULT_PAGE, MAX_PAGE),
            page_token=token,
        )
        page = await upstream.list_events(call, request.grant_id, request.calendar_id, query)
        in_range = [event for event in page.events if listing.selects(request, event)]
        events = await with_parsed_conferences(in_range)
        if request.only_with_conferencing:
            events = tuple(event for event in events if event.conferencing is not None)
        return Listed(
            events,
            self._page_tokens.seal(request, call.principal, page.next_page_token),
        )

    async def check_compatibility(
        self, call: Call, request: CheckCompatibility
    ) -> tuple[Platform, tuple[Verdict, ...]]:
        """Return the platform and a verdict per provider and way; writes nothing."""
        request.validate()
        call.check_grants()
        if request.grant_id is None:
            assert request.platform is not None  # noqa: S101 - validated
            upstream = self._registry.for_grant(request.conf_grant_id)
            verdicts = await self._conferences.survey(
                call,
                upstream,
                request.platform,
                provider=request.provider,
                conf_grant_id=request.conf_grant_id,
            )
            return request.platform, verdicts
        upstream = self._registry.for_grant(request.grant_id)
        grant = await self._grants.find(call, upstream, request.grant_id, max_age=FACTS_SECONDS)
        calendar = None
        if request.calendar_id and grant.platform not in upstream.capabilities.without_calendar:
            calendar = await upstream.get_calendar(call, request.grant_id, request.calendar_id)
        verdicts = await self._conferences.survey(
            call,
            upstream,
            grant.platform,
            grant=grant,
            calendar=calendar,
            provider=request.provider,
            conf_grant_id=request.conf_grant_id,
        )
        return grant.platform, verdicts
