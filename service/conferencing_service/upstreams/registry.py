"""Which upstream does a grant belong to?"""

from __future__ import annotations

from conferencing_service.core.upstream import CalendarUpstream


class SingleUpstream:
    """Sends every grant to the one upstream that is configured.

    Grant ids are the upstream's own and say nothing by themselves, so with one upstream there is
    nothing to look up.
    """

    def __init__(self, upstream: CalendarUpstream) -> None:
        self._upstream = upstream

    def for_grant(self, grant_id: str) -> CalendarUpstream:  # noqa: ARG002 - part of the interface
        """Return the upstream."""
        return self._upstream
