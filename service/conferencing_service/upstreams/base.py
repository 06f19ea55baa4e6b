"""What a new vendor's module has to provide; start reading here.

A vendor's module provides an object that fills `CalendarUpstream`: it declares its `Capabilities`
as data, maps domain events to the vendor's JSON and back, and turns every unhappy answer into one
of `core.errors`. It sends requests through `upstreams.http.RestClient` and through nothing else,
which bounds time and size, records the client span, and says of a failure whether the request can
have arrived:

    Unsent      nothing left this process       -> Unavailable
    Limited     a pause of the grant's outlasts the call -> RateLimited
    Lost        sent, no answer                 -> read: Unavailable; write: OutcomeUnresolved
    Answer      a status, headers and a body    -> the vendor's own error table

Rules: a write that may have left is never sent again. An answer that cannot be read is UpstreamMalformed to a read and
OutcomeUnresolved to a write. No vendor text reaches an exception, a log or a span. Whatever a
vendor leaves out, misspells or adds must not break a read.
"""

from __future__ import annotations

from conferencing_service.core.compatibility import (
    AutocreateRule,
    Capabilities,
    ProviderCapability,
)
from conferencing_service.core.upstream import (
    CalendarUpstream,
    Call,
    EventPage,
    EventQuery,
    Registry,
)

__all__ = [
    "AutocreateRule",
    "CalendarUpstream",
    "Call",
    "Capabilities",
    "EventPage",
    "EventQuery",
    "ProviderCapability",
    "Registry",
]
