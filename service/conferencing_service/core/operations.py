"""What each RPC does: check first, then ask the upstream, then answer.

A request is validated whole before anybody is asked; a verdict is reached before anything is
written; a write is sent once, in a task that outlives its caller.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from conferencing_service.core import listing, reading
from conferencing_service.core.compatibility import Capabilities
from conferencing_service.core.conferences import Conferences
from conferencing_service.core.effects import Effects
from conferencing_service.core.errors import (
    ConferencingError,
    FailedPrecondition,
    InvalidField,
    NotFound,
    NotStarted,
    OutcomeUnresolved,
    Violation,
)
from conferencing_service.core.grants import GrantDirectory
from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Details,
    Event,
    Grant,
    Notify,
    Platform,
    Reason,
    State,
    Verdict,
    Visibility,
    Warning,
    WarningReason,
)
from conferencing_service.core.paging import PageTokens
from conferencing_service.core.requests import (
    CheckCompatibility,
    CreateEvent,
    DeleteEvent,
    GetEvent,
    ListEvents,
    Rules,
    UpdateEvent,
)
from conferencing_service.core.upstream import CalendarUpstream, Call, EventQuery, Registry
from conferencing_service.core.validation import TimeZones

MIN_WRITE_SECONDS = 1.0
"""A write is not started when its caller will wait for less."""

DEFAULT_PAGE = 50
MAX_PAGE = 200

_POLL_FIRST = 0.2
_POLL_MOST = 2.0
_POLL_RESERVE = 0.3


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """What a write RPC answers."""

    event: Event
    replayed: bool = False
    warnings: tuple[Warning, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """What ListEvents answers."""

    events: tuple[Event, ...]
    next_page_token: str


class Operations:
    """The RPCs, in the domain's words.

    Every method raises errors of `core.errors` and nothing else on purpose.

    Args:
        registry: finds a grant's upstream.
        grants: finds grants.
        conferences: reaches verdicts.
        effects: owns the writes.
        page_tokens: seals page tokens.
        zones: the time zones that there are.
        sleep: waits so many seconds.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        grants: GrantDirectory,
        conferences: Conferences,
        effects: Effects,
        page_tokens: PageTokens,
        zones: TimeZones,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._registry = registry
        self._grants = grants
        self._conferences = conferences
        self._effects = effects
        self._page_tokens = page_tokens
        self._zones = zones
        self._sleep = sleep

    async def create_event(self, call: Call, request: CreateEvent) -> Written:
        """Make an event; with validate_only return it as it would be sent."""
        upstream = self._registry.for_grant(request.grant_id)
        event = request.validate(Rules(upstream.capabilities, self._zones))
        grant = await self._calendar_grant(call, upstream, request.grant_id)
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        _check_visibility(upstream.capabilities, grant.platform, event)
        if event.conferencing is not None:
            conferencing = await self._conferences.settle(call, upstream, grant, event.conferencing)
            event = dataclasses.replace(event, conferencing=conferencing)
        warnings = _warnings(event.conferencing)
        if request.validate_only:
            return Written(event, warnings=warnings)
        _check_time(call)
        created = await self._write(
            request.request_id,
            upstream.create_event(
                call, request.grant_id, request.calendar_id, event, request.notify
            ),
        )
        created = await self._with_details(call, upstream, request, event, created)
        return Written(created, warnings=warnings)

    async def get_event(self, call: Call, request: GetEvent) -> Event:
        """Read an event."""
        request.validate()
        upstream = self._registry.for_grant(request.grant_id)
        await self._calendar_grant(call, upstream, request.grant_id)
        return await upstream.get_event(
            call, request.grant_id, request.calendar_id, request.event_id
        )

    async def list_events(self, call: Call, request: ListEvents) -> Listed:
        """Read a page of events; it can be short while there are more."""
        request.validate()
        token = self._page_tokens.open(request)
        upstream = self._registry.for_grant(request.grant_id)
        await self._calendar_grant(call, upstream, request.grant_id)
        query = EventQuery(
            start_time=request.start_time,
            end_time=request.end_time,
            ical_uid=request.ical_uid,
            limit=min(request.page_size or DEFAULT_PAGE, MAX_PAGE),
            page_token=token,
        )
        page = await upstream.list_events(call, request.grant_id, request.calendar_id, query)
        events = tuple(event for event in page.events if listing.selects(request, event))
        return Listed(events, self._page_tokens.seal(request, page.next_page_token))

    async def update_event(self, call: Call, request: UpdateEvent) -> Written:
        """Change fields of an event; with validate_only return it as it would be."""
        upstream = self._registry.for_grant(request.grant_id)
        event, fields = request.validate(Rules(upstream.capabilities, self._zones))
        grant = await self._calendar_grant(call, upstream, request.grant_id)
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        if "visibility" in fields:
            _check_visibility(upstream.capabilities, grant.platform, event)
        warnings: tuple[Warning, ...] = ()
        if "conferencing" in fields and event.conferencing is not None:
            conferencing = await self._conferences.settle(call, upstream, grant, event.conferencing)
            event = dataclasses.replace(event, conferencing=conferencing)
            warnings = _warnings(conferencing)
        if request.validate_only or not fields.isdisjoint({"conferencing", "description"}):
            current = await upstream.get_event(
                call, request.grant_id, request.calendar_id, event.id
            )
            _check_current(current, event, fields, replace=request.replace_conferencing)
            event, fields = _with_description(current, event, fields)
            if request.validate_only:
                changed = {name: getattr(event, name) for name in fields}
                return Written(dataclasses.replace(current, **changed), warnings=warnings)
        _check_time(call)
        updated = await self._write(
            request.request_id,
            upstream.update_event(
                call, request.grant_id, request.calendar_id, event, fields, request.notify
            ),
        )
        if "conferencing" in fields:
            updated = await self._with_details(call, upstream, request, event, updated)
        return Written(updated, warnings=warnings)

    async def delete_event(self, call: Call, request: DeleteEvent) -> None:
        """Delete an event; one that is gone is a success with allow_missing."""
        request.validate()
        upstream = self._registry.for_grant(request.grant_id)
        grant = await self._calendar_grant(call, upstream, request.grant_id)
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        _check_time(call)
        try:
            await self._effects.run(
                upstream.delete_event(
                    call, request.grant_id, request.calendar_id, request.event_id, request.notify
                )
            )
        except NotFound as error:
            if not (request.allow_missing and error.reason is Reason.EVENT_NOT_FOUND):
                raise

    async def check_compatibility(
        self, call: Call, request: CheckCompatibility
    ) -> tuple[Platform, tuple[Verdict, ...]]:
        """Return the platform and a verdict per provider and way; writes nothing."""
        request.validate()
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
        grant = await self._grants.find(call, upstream, request.grant_id)
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

    async def _calendar_grant(self, call: Call, upstream: CalendarUpstream, grant_id: str) -> Grant:
        """Return the event's grant; raises FailedPrecondition when it has no calendar."""
        grant = await self._grants.find(call, upstream, grant_id)
        call.attributes["conferencing.platform"] = grant.platform.value
        if grant.platform in upstream.capabilities.without_calendar:
            raise FailedPrecondition(
                Reason.GRANT_HAS_NO_CALENDAR, {"platform": grant.platform.value}
            )
        return grant

    async def _write(self, request_id: str, write: Awaitable[Event]) -> Event:
        """Send a write once; a doubt about its outcome carries the request's id."""

        async def sent() -> Event:
            return await write

        try:
            return await self._effects.run(sent())
        except OutcomeUnresolved as error:
            raise OutcomeUnresolved({**error.metadata, "request_id": request_id}) from error

    async def _with_details(
        self,
        call: Call,
        upstream: CalendarUpstream,
        request: CreateEvent | UpdateEvent,
        asked: Event,
        answer: Event,
    ) -> Event:
        """Wait for an autocreated conference's details while there is time; else it is PENDING."""
        if asked.conferencing is None or not isinstance(asked.conferencing.source, Autocreate):
            return answer
        delay = _POLL_FIRST
        while not _is_settled(answer):
            if call.read_seconds() - delay < _POLL_RESERVE:
                provider = asked.conferencing.provider
                pending = Conferencing(provider=provider, state=State.PENDING)
                return dataclasses.replace(answer, conferencing=answer.conferencing or pending)
            await self._sleep(delay)
            delay = min(delay * 2, _POLL_MOST)
            try:
                answer = await upstream.get_event(
                    call, request.grant_id, request.calendar_id, answer.id
                )
            except ConferencingError as error:
                # The event is there; a look that failed only means that the details are not known.
                call.attributes["conferencing.poll_error"] = error.reason.value
        return answer


def _is_settled(event: Event) -> bool:
    return event.conferencing is not None and event.conferencing.state in {
        State.READY,
        State.FAILED,
    }


def _check_time(call: Call) -> None:
    left = call.write_seconds()
    if left is not None and left < MIN_WRITE_SECONDS:
        raise NotStarted(MIN_WRITE_SECONDS)


def _check_notify(capabilities: Capabilities, platform: Platform, notify: Notify) -> None:
    if notify not in capabilities.notify.get(platform, capabilities.default_notify):
        raise FailedPrecondition(
            Reason.NOTIFICATION_UNAVOIDABLE,
            {"platform": platform.value, "notify": notify.value},
        )


def _check_visibility(capabilities: Capabilities, platform: Platform, event: Event) -> None:
    if event.visibility is Visibility.DEFAULT and platform not in capabilities.default_visibility:
        raise InvalidField(
            [Violation("event.visibility", "VISIBILITY_DEFAULT is for Google calendars only")]
        )


def _check_current(current: Event, event: Event, fields: frozenset[str], *, replace: bool) -> None:
    """Refuse what the event as it is does not allow."""
    if current.read_only:
        raise FailedPrecondition(Reason.EVENT_READ_ONLY)
    if (
        "conferencing" in fields
        and event.conferencing is not None
        and current.conferencing is not None
        and not replace
    ):
        provider = current.conferencing.provider
        raise FailedPrecondition(
            Reason.CONFERENCE_ALREADY_PRESENT,
            {"provider": provider.value if provider else ""},
        )


def _with_description(
    current: Event, event: Event, fields: frozenset[str]
) -> tuple[Event, frozenset[str]]:
    """Return the write that keeps, replaces or removes the old conference's text as asked.

    Upstreams keep a conference as text in the description. So a new description must carry the
    text of a conference that stays, and the text of one that goes must be taken out.
    """
    old = current.conferencing.source if current.conferencing else None
    if not isinstance(old, Details) or not old.url:
        return event, fields
    text = event.description if "description" in fields else current.description
    if "conferencing" in fields:
        text = reading.without_block(text, old)
    elif reading.holds(current.description, old) and not reading.holds(text, old):
        block = reading.block_of(current.description, old)
        text = f"{text}\n\n{block}" if text else block
    if "description" in fields or text != current.description:
        event = dataclasses.replace(event, description=text)
        fields |= {"description"}
    return event, fields


def _warnings(conferencing: Conferencing | None) -> tuple[Warning, ...]:
    if conferencing is None or conferencing.provider is None:
        return ()
    source = conferencing.source
    if isinstance(source, Details) and not reading.is_provider_host(
        conferencing.provider, source.url
    ):
        return (
            Warning(
                WarningReason.FOREIGN_HOST,
                "event.conferencing.details.url",
                "The link is on a host that is not known as the provider's; it was not changed.",
            ),
        )
    return ()
