"""Waits for the details of a conference that the provider is still making."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from conferencing_service.core.effects import Effects
from conferencing_service.core.errors import ConferencingError
from conferencing_service.core.ledger.entry import Target
from conferencing_service.core.model import Autocreate, Conferencing, Details, Event, State
from conferencing_service.core.upstream import CalendarUpstream, Call

_POLL_FIRST = 0.2
_POLL_MOST = 2.0
_POLL_RESERVE = 0.3


class Completion:
    """Makes answers complete.

    Args:
        effects: tells when the process is about to end.
        sleep: waits so many seconds.
    """

    def __init__(
        self, effects: Effects, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._effects = effects
        self._sleep = sleep

    async def of(
        self,
        call: Call,
        upstream: CalendarUpstream,
        target: Target,
        asked: Event,
        answer: Event,
        *,
        old: Event | None,
    ) -> Event:
        """Return the answer with an autocreated conference's details, or PENDING after its time.

        The details of the conference that it replaces, if any, are not what is waited for.
        """
        if asked.conferencing is None or not isinstance(asked.conferencing.source, Autocreate):
            return answer
        write_id, delay = call.upstream_request_id, _POLL_FIRST
        while not _is_settled(answer, old):
            left = call.read_seconds() - _POLL_RESERVE
            if self._effects.draining or left <= 0:
                known = answer.conferencing or asked.conferencing
                provider = asked.conferencing.provider or known.provider
                pending = Conferencing(provider=provider, state=State.PENDING)
                answer = dataclasses.replace(answer, conferencing=pending)
                break
            await self._sleep(min(delay, left))
            delay = min(delay * 2, _POLL_MOST)
            try:
                answer = await upstream.get_event(
                    call, target.grant_id, target.calendar_id, answer.id
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
