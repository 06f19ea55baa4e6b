"""What each RPC does: check first, then ask the upstream, then answer.

A request is validated whole before anybody is asked; a verdict is reached before anything is
written; a write is sent once, in a task that outlives its caller.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

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
from conferencing_service.core.grants import FACTS_SECONDS, GrantDirectory
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
from conferencing_service.core.parsing import with_parsed_conference, with_parsed_conferences
from conferencing_service.core.requests import (
    CheckCompatibility,
    CreateEvent,
    DeleteEvent,
    GetEvent,
    ListEvents,
    Rules,
    UpdateEvent,
    check_recurring_zone,
)
from conferencing_service.core.upstream import CalendarUpstream, Call, EventQuery, Registry
from conferencing_service.core.validation import MAX_DESCRIPTION, Faults, TimeZones

T = TypeVar("T")

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
        grant = await self._calendar_grant(
            call, upstream, request.grant_id, fresh=getattr(request, "validate_only", False)
        )
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        _check_visibility(upstream.capabilities, grant.platform, event)
        if event.conferencing is not None:
            conferencing = await self._conferences.settle(call, upstream, grant, event.conferencing)
            event = dataclasses.replace(event, conferencing=conferencing)
        warnings = _warnings(event.conferencing)
        if request.validate_only:
            await _check_calendar(call, upstream, request)
            return Written(event, warnings=warnings)
        _check_time(call)
        created = await self._write(
            request,
            upstream.create_event(
                call, request.grant_id, request.calendar_id, event, request.notify
            ),
        )
        created = await self._with_details(call, upstream, request, event, created, old=None)
        return Written(created, warnings=warnings)

    async def get_event(self, call: Call, request: GetEvent) -> Event:
        """Read an event."""
        request.validate()
        upstream = self._registry.for_grant(request.grant_id)
        await self._calendar_grant(call, upstream, request.grant_id)
        event = await upstream.get_event(
            call, request.grant_id, request.calendar_id, request.event_id
        )
        return with_parsed_conference(event)

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
        in_range = [event for event in page.events if listing.selects(request, event)]
        events = await with_parsed_conferences(in_range)
        if request.only_with_conferencing:
            events = tuple(event for event in events if event.conferencing is not None)
        return Listed(events, self._page_tokens.seal(request, page.next_page_token))

    async def update_event(self, call: Call, request: UpdateEvent) -> Written:
        """Change fields of an event; with validate_only return it as it would be."""
        upstream = self._registry.for_grant(request.grant_id)
        event, fields = request.validate(Rules(upstream.capabilities, self._zones))
        grant = await self._calendar_grant(
            call, upstream, request.grant_id, fresh=getattr(request, "validate_only", False)
        )
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        if "visibility" in fields:
            _check_visibility(upstream.capabilities, grant.platform, event)
        warnings: tuple[Warning, ...] = ()
        if "conferencing" in fields and event.conferencing is not None:
            conferencing = await self._conferences.settle(call, upstream, grant, event.conferencing)
            event = dataclasses.replace(event, conferencing=conferencing)
            warnings = _warnings(conferencing)
        current = None
        if request.validate_only or _needs_current(event, fields):
            current = await upstream.get_event(
                call, request.grant_id, request.calendar_id, event.id
            )
            if "conferencing" in fields:
                current = with_parsed_conference(current)
            _check_current(current, event, fields, replace=request.replace_conferencing)
            event, fields = _with_description(current, event, fields)
            if request.validate_only:
                await _check_calendar(call, upstream, request)
                changed = {name: getattr(event, name) for name in fields}
                return Written(dataclasses.replace(current, **changed), warnings=warnings)
        _check_time(call)
        updated = await self._write(
            request,
            upstream.update_event(
                call, request.grant_id, request.calendar_id, event, fields, request.notify
            ),
        )
        if "conferencing" in fields:
            updated = await self._with_details(call, upstream, request, event, updated, old=current)
        return Written(updated, warnings=warnings)

    async def delete_event(self, call: Call, request: DeleteEvent) -> None:
        """Delete an event; one that is gone is a success with allow_missing."""
        request.validate()
        upstream = self._registry.for_grant(request.grant_id)
        grant = await self._calendar_grant(
            call, upstream, request.grant_id, fresh=getattr(request, "validate_only", False)
        )
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        _check_time(call)
        try:
            await self._write(
                request,
                upstream.delete_event(
                    call, request.grant_id, request.calendar_id, request.event_id, request.notify
                ),
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

    async def _calendar_grant(
        self, call: Call, upstream: CalendarUpstream, grant_id: str, *, fresh: bool = False
    ) -> Grant:
        """Return the event's grant; raises FailedPrecondition when it has no calendar.

        A call that goes on to the upstream learns there whether the grant still holds, so that
        only its platform matters here; one that does not wants `fresh` facts.
        """
        max_age = FACTS_SECONDS if fresh else None
        grant = await self._grants.find(call, upstream, grant_id, max_age=max_age)
        call.attributes["conferencing.platform"] = grant.platform.value
        if grant.platform in upstream.capabilities.without_calendar:
            raise FailedPrecondition(
                Reason.GRANT_HAS_NO_CALENDAR, {"platform": grant.platform.value}
            )
        return grant

    async def _write(
        self, request: CreateEvent | UpdateEvent | DeleteEvent, write: Coroutine[Any, Any, T]
    ) -> T:
        """Send a write once; a doubt about its outcome carries the request's id."""
        facts = {"rpc": type(request).__name__}
        if not isinstance(request, DeleteEvent):
            facts["request_id"] = request.request_id
        try:
            return await self._effects.run(write, facts)
        except OutcomeUnresolved as error:
            named = {key: value for key, value in facts.items() if key == "request_id"}
            raise OutcomeUnresolved({**error.metadata, **named}) from error

    async def _with_details(
        self,
        call: Call,
        upstream: CalendarUpstream,
        request: CreateEvent | UpdateEvent,
        asked: Event,
        answer: Event,
        *,
        old: Event | None,
    ) -> Event:
        """Wait for an autocreated conference's details while there is time; else it is PENDING.

        The details of the conference that it replaces, if any, are not what is waited for.
        """
        if asked.conferencing is None or not isinstance(asked.conferencing.source, Autocreate):
            return answer
        write_id, delay = call.upstream_request_id, _POLL_FIRST
        while not _is_settled(answer, old):
            left = call.read_seconds() - _POLL_RESERVE
            if self._effects.draining or left <= 0:
                pending = Conferencing(provider=asked.conferencing.provider, state=State.PENDING)
                answer = dataclasses.replace(answer, conferencing=pending)
                break
            await self._sleep(min(delay, left))
            delay = min(delay * 2, _POLL_MOST)
            try:
                answer = await upstream.get_event(
                    call, request.grant_id, request.calendar_id, answer.id
                )
            except ConferencingError as error:
                # The event is there; a look that failed only means that the details are not known.
                call.attributes["conferencing.poll_error"] = error.reason.value
        call.upstream_request_id = write_id
        return answer


def _is_settled(event: Event, old: Event | None) -> bool:
    """Tell whether an event's new conference can be told: there, and not the one before."""
    if event.conferencing is None or event.conferencing.state is State.PENDING:
        return False
    return _url_of(event) == "" or old is None or _url_of(event) != _url_of(old)


def _url_of(event: Event) -> str:
    source = event.conferencing.source if event.conferencing else None
    return source.url if isinstance(source, Details) else ""


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


async def _check_calendar(
    call: Call, upstream: CalendarUpstream, request: CreateEvent | UpdateEvent
) -> None:
    """Refuse a calendar that is not there or cannot be written; a real write finds out by itself."""
    calendar = await upstream.get_calendar(call, request.grant_id, request.calendar_id)
    if calendar.read_only:
        raise FailedPrecondition(Reason.CALENDAR_READ_ONLY)


def _needs_current(event: Event, fields: frozenset[str]) -> bool:
    """Tell whether a write can only be made knowing the event as it is."""
    if not fields.isdisjoint({"conferencing", "description"}):
        return True
    return "recurrence" in fields and bool(event.recurrence) and "when" not in fields


def _check_current(current: Event, event: Event, fields: frozenset[str], *, replace: bool) -> None:
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


def _with_description(
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
