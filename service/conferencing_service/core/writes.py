"""What the writing RPCs do: check first, then have the ledger send it once, then answer.

A request is validated whole before anybody is asked; a request that was answered before is answered
again before anything is checked; a verdict is reached before anything is sent.
"""

from __future__ import annotations

import asyncio
import dataclasses

from conferencing_service.core import reading
from conferencing_service.core.changes import check_current, needs_current, with_description
from conferencing_service.core.compatibility import Capabilities
from conferencing_service.core.completion import Completion
from conferencing_service.core.conferences import Conferences
from conferencing_service.core.effects import Effects
from conferencing_service.core.errors import (
    FailedPrecondition,
    InvalidField,
    NotFound,
    NotStarted,
    Violation,
)
from conferencing_service.core.grants import GrantDirectory
from conferencing_service.core.ledger.entry import Key, Target
from conferencing_service.core.ledger.expectations import expectation_of
from conferencing_service.core.ledger.ledger import Ledger
from conferencing_service.core.ledger.orders import Answer, Effect, Order
from conferencing_service.core.ledger.plain import digest
from conferencing_service.core.ledger.settling import CREATE, UPDATE
from conferencing_service.core.model import (
    Conferencing,
    Details,
    Event,
    Notify,
    Platform,
    Reason,
    Visibility,
    Warning,
    WarningReason,
)
from conferencing_service.core.parsing import with_parsed_conference
from conferencing_service.core.requests import CreateEvent, DeleteEvent, Rules, UpdateEvent
from conferencing_service.core.upstream import CalendarUpstream, Call, Registry
from conferencing_service.core.validation import TimeZones

MIN_WRITE_SECONDS = 1.0
"""A write is not started when its caller will wait for less."""


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """What a write RPC answers."""

    event: Event
    replayed: bool = False
    warnings: tuple[Warning, ...] = ()


class Writes:
    """CreateEvent, UpdateEvent and DeleteEvent, in the domain's words.

    Every method raises errors of `core.errors` and nothing else on purpose.

    Args:
        registry: finds a grant's upstream.
        grants: finds grants.
        conferences: reaches verdicts.
        ledger: sends creates and updates, each at most once.
        effects: owns the deletes.
        completion: waits for conferences.
        zones: the time zones that there are.
    """

    def __init__(
        self,
        *,
        registry: Registry,
        grants: GrantDirectory,
        conferences: Conferences,
        ledger: Ledger,
        effects: Effects,
        completion: Completion,
        zones: TimeZones,
    ) -> None:
        self._registry = registry
        self._grants = grants
        self._conferences = conferences
        self._ledger = ledger
        self._effects = effects
        self._completion = completion
        self._zones = zones

    async def create_event(self, call: Call, request: CreateEvent) -> Written:
        """Make an event; with validate_only return it as it would be sent."""
        upstream = self._registry.for_grant(request.grant_id)
        event = request.validate(Rules(upstream.capabilities, self._zones))
        call.check_grants()
        warnings = _warnings(event.conferencing)
        if request.validate_only:
            event = await self._checked_creation(call, upstream, request, event, marker="")
            await _check_calendar(call, upstream, request)
            return Written(event, warnings=warnings)
        target = Target(request.grant_id, request.calendar_id)

        async def complete(answer: Event) -> Event:
            return await self._completion.of(call, upstream, target, event, answer, old=None)

        async def prepare(marker: str) -> Effect:
            sent = await self._checked_creation(call, upstream, request, event, marker)
            _check_time(call)
            if call.quota is not None:
                call.quota.take_creation()
            return Effect(
                send=lambda: upstream.create_event(
                    call, request.grant_id, request.calendar_id, sent, request.notify
                ),
                complete=lambda answer: self._completion.of(
                    call, upstream, target, sent, answer, old=None
                ),
            )

        order = Order(
            key=Key(call.principal, CREATE, request.request_id.lower()),
            fingerprint=digest(
                (request.grant_id, request.calendar_id, request.notify, event),
            ),
            target=target,
            asked=event,
            upstream=upstream,
            prepare=prepare,
            complete=complete,
        )
        return _written(call, await self._ledger.perform(call, order), warnings)

    async def update_event(self, call: Call, request: UpdateEvent) -> Written:
        """Change fields of an event; with validate_only return it as it would be."""
        upstream = self._registry.for_grant(request.grant_id)
        event, fields = request.validate(Rules(upstream.capabilities, self._zones))
        call.check_grants()
        asked = Event(id=event.id, **{name: getattr(event, name) for name in fields})
        warnings = _warnings(asked.conferencing)
        if request.validate_only:
            change = await self._checked_change(call, upstream, request, asked, fields)
            await _check_calendar(call, upstream, request)
            return Written(change.applied(), warnings=warnings)
        target = Target(request.grant_id, request.calendar_id, event.id)

        async def complete(answer: Event) -> Event:
            return await self._completion.of(call, upstream, target, asked, answer, old=None)

        async def prepare(_marker: str) -> Effect:
            change = await self._checked_change(call, upstream, request, asked, fields)
            _check_time(call)
            # Whom an update invites is mailed as whom a creation does.
            if call.quota is not None and (asked.autocreates or "participants" in fields):
                call.quota.take_creation()
            return Effect(
                send=lambda: upstream.update_event(
                    call,
                    request.grant_id,
                    request.calendar_id,
                    change.event,
                    change.fields,
                    request.notify,
                ),
                complete=lambda answer: self._completion.of(
                    call, upstream, target, change.event, answer, old=change.current
                ),
                event_id=event.id,
                expected=expectation_of(asked, fields, change.current),
            )

        order = Order(
            key=Key(call.principal, UPDATE, request.request_id.lower()),
            fingerprint=digest(
                (
                    request.grant_id,
                    request.calendar_id,
                    request.notify,
                    request.replace_conferencing,
                    tuple(sorted(fields)),
                    asked,
                ),
            ),
            target=target,
            asked=asked,
            upstream=upstream,
            prepare=prepare,
            complete=complete,
        )
        return _written(call, await self._ledger.perform(call, order), warnings)

    async def delete_event(self, call: Call, request: DeleteEvent) -> None:
        """Delete an event; one that is gone is a success with allow_missing."""
        request.validate()
        call.check_grants()
        upstream = self._registry.for_grant(request.grant_id)
        grant = await self._grants.find_with_calendar(call, upstream, request.grant_id)
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        _check_time(call)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def check_attended() -> None:
            """Refuse what nobody waits for any more: it is not in the ledger, so none is told."""
            if waiter.done():
                raise NotStarted(0)

        call.before_send = check_attended
        try:
            await self._effects.run(
                upstream.delete_event(
                    call, request.grant_id, request.calendar_id, request.event_id, request.notify
                ),
                {"rpc": "DeleteEvent"},
                call=call,
                waiter=waiter,
            )
        except NotFound as error:
            if not (request.allow_missing and error.reason is Reason.EVENT_NOT_FOUND):
                raise

    async def _checked_creation(
        self,
        call: Call,
        upstream: CalendarUpstream,
        request: CreateEvent,
        event: Event,
        marker: str,
    ) -> Event:
        """Return the event as it is to be sent, with its marker, once every check lets it pass."""
        if call.quota is not None:
            call.quota.check_participants(len(event.participants))
        grant = await self._grants.find_with_calendar(
            call, upstream, request.grant_id, fresh=request.validate_only
        )
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        _check_visibility(upstream.capabilities, grant.platform, event)
        conferencing = event.conferencing
        if conferencing is not None:
            conferencing = await self._conferences.settle(call, upstream, grant, conferencing)
        return dataclasses.replace(event, conferencing=conferencing, marker=marker)

    async def _checked_change(
        self,
        call: Call,
        upstream: CalendarUpstream,
        request: UpdateEvent,
        event: Event,
        fields: frozenset[str],
    ) -> _Change:
        """Return the change as it is to be sent, once every check lets it pass."""
        if call.quota is not None:
            call.quota.check_participants(len(event.participants))
        grant = await self._grants.find_with_calendar(
            call, upstream, request.grant_id, fresh=request.validate_only
        )
        _check_notify(upstream.capabilities, grant.platform, request.notify)
        if "visibility" in fields:
            _check_visibility(upstream.capabilities, grant.platform, event)
        if event.conferencing is not None:
            conferencing = await self._conferences.settle(call, upstream, grant, event.conferencing)
            event = dataclasses.replace(event, conferencing=conferencing)
        if not (request.validate_only or needs_current(event, fields)):
            return _Change(event, fields, None)
        current = await upstream.get_event(call, request.grant_id, request.calendar_id, event.id)
        if "conferencing" in fields:
            current = with_parsed_conference(current)
        check_current(current, event, fields, replace=request.replace_conferencing)
        event, fields = with_description(current, event, fields)
        return _Change(dataclasses.replace(event, marker=current.marker), fields, current)


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    """A change that is ready to be sent, and the event before it where that was read."""

    event: Event
    fields: frozenset[str]
    current: Event | None

    def applied(self) -> Event:
        """Return the event as it would be."""
        assert self.current is not None  # noqa: S101 - read for validate_only
        changed = {name: getattr(self.event, name) for name in self.fields}
        return dataclasses.replace(self.current, **changed)


def _written(call: Call, answer: Answer, warnings: tuple[Warning, ...]) -> Written:
    if answer.replayed:
        call.attributes["conferencing.replayed"] = "true"
    return Written(answer.event, replayed=answer.replayed, warnings=warnings)


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
