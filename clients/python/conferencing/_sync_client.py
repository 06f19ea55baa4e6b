"""The blocking client: one method per RPC, and what every caller would write round it."""

from __future__ import annotations

import datetime as dt
import queue
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from conferencing import _requests
from conferencing._channel import (
    Option,
    Tls,
    Token,
    channel_credentials,
    channel_options,
    plaintext_metadata,
)
from conferencing._repeats import Repeats, failed_waiting
from conferencing._tracing import trace_context
from conferencing.errors import ConferencingError, error_from_call
from conferencing.v1.conferencing_pb2 import Platform, Provider
from conferencing.v1.conferencing_service_pb2 import (
    CheckCompatibilityResponse,
    CreateEventRequest,
    CreateEventResponse,
    DeleteEventRequest,
    DeleteEventResponse,
    ExtractConferencingResponse,
    GetEventRequest,
    GetEventResponse,
    ListEventsRequest,
    Notify,
    UpdateEventRequest,
    UpdateEventResponse,
)
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from conferencing.v1.event_pb2 import Event

Q = TypeVar("Q")
R = TypeVar("R")
Metadata = Sequence[tuple[str, str | bytes]]


class SyncConferencingClient:
    """Calls the conferencing service and blocks until it answers; any number of threads may share it.

    A call that fails with UNAVAILABLE is repeated until its deadline: first by gRPC, as
    service_config.json says, then by the client, which keeps to the pauses that the service asks
    for. A write keeps its `request_id` all along, so it is made at most once. Every method raises
    `ConferencingError` or one of its subclasses, and takes two arguments beside its own:

    - `timeout`: the call's deadline in seconds, repetitions included; None: the client's.
    - `metadata`: more gRPC metadata.

    A process that forks makes its clients after the fork.

    Args:
        target: where the server is, as gRPC names it ("conferencing:50051").
        tls: False: plaintext. True: encrypted. A `Tls`: encrypted, with certificates of your own.
        token: sent as `authorization: Bearer`. A function is asked for every attempt, from any
            thread, and must return at once.
        plaintext_token: True: send the token without `tls` to another machine as well, because
            something else encrypts (a mesh). The stub in `raw` then does not send it.
        timeout: the deadline in seconds of calls that name none.
        options: more channel arguments of gRPC; they win over the client's own.

    Raises:
        ValueError: a token would be sent unencrypted to another machine.
    """

    def __init__(
        self,
        target: str,
        *,
        tls: bool | Tls = False,
        token: Token | None = None,
        plaintext_token: bool = False,
        timeout: float = 30.0,
        options: Sequence[Option] = (),
    ) -> None:
        self._target = target
        self._timeout = timeout
        self._token = plaintext_metadata(target, tls, token, plaintext_token=plaintext_token)
        self._trace = trace_context()
        chosen = channel_options(options)
        credentials = channel_credentials(tls, token)
        self._channel = (
            grpc.insecure_channel(target, options=chosen)
            if credentials is None
            else grpc.secure_channel(target, credentials, options=chosen)
        )
        self._stub = ConferencingServiceStub(self._channel)
        # gRPC's thread that watches a connection would keep an interpreter from ending whose
        # program closed nothing. By the stub's life, since `raw` may outlive the client.
        self._closing = weakref.finalize(self._stub, self._channel.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; calls under way end as cancelled."""
        self._closing()

    @property
    def raw(self) -> ConferencingServiceStub:
        """The generated stub on the client's channel: gRPC's own retries, deadlines and errors."""
        return self._stub

    def create_event(
        self,
        *,
        grant_id: str,
        calendar_id: str,
        event: Event,
        notify: Notify.ValueType = Notify.NOTIFY_UNSPECIFIED,
        request_id: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> CreateEventResponse:
        """Make an event, with or without a conference; at most once, however often it is repeated.

        Facts: conferencing_service.proto, CreateEvent.

        Args:
            grant_id: the grant whose calendar gets the event.
            calendar_id: the calendar; "primary" is the main one, except on iCloud.
            event: the event; `when` builds its time, `details` and `autocreate` its conference.
            notify: whom the platform tells; unspecified: everybody.
            request_id: a UUID that names the request; empty: a new one. Give one to be able to
                repeat the request after DEADLINE_EXCEEDED, or in another process.
            validate_only: run every check, write nothing.
            timeout: the deadline in seconds; None: the client's.
            metadata: more gRPC metadata.

        Returns:
            The event as the upstream keeps it, whether it is a replay, and warnings.

        Raises:
            IncompatibleProvider: the verdict refuses the conference, and says what can be had.
            InvalidRequest: fields are wrong.
            GrantExpired: the account has to be connected again.
            NotFound: there is no such grant or calendar.
            RateLimited: nothing was written; repeat after a delay.
            Unavailable: it did not end in its time; repeat it with the same `request_id`.
            OutcomeUnresolved: it may have been made; look at the calendar.
            ConferencingError: anything else, by `reason` and `code`.
        """
        request = CreateEventRequest(
            grant_id=grant_id,
            calendar_id=calendar_id,
            event=event,
            notify=notify,
            request_id=_requests.named(request_id, validate_only=validate_only),
            validate_only=validate_only,
        )
        return self._call(self._stub.CreateEvent, request, timeout, metadata)

    def get_event(
        self,
        *,
        grant_id: str,
        calendar_id: str,
        event_id: str,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> GetEventResponse:
        """Read an event with its join details.

        Facts: conferencing_service.proto, GetEvent.

        Args:
            grant_id: the grant.
            calendar_id: the calendar.
            event_id: the event.
            timeout: the deadline in seconds; None: the client's.
            metadata: more gRPC metadata.

        Returns:
            The event.

        Raises:
            NotFound: there is no such grant, calendar or event.
            GrantExpired: the account has to be connected again.
            ConferencingError: anything else, by `reason` and `code`.
        """
        request = GetEventRequest(grant_id=grant_id, calendar_id=calendar_id, event_id=event_id)
        return self._call(self._stub.GetEvent, request, timeout, metadata)

    def list_events(
        self,
        *,
        grant_id: str,
        calendar_id: str,
        start_time: dt.datetime | None = None,
        end_time: dt.datetime | None = None,
        ical_uid: str = "",
        only_with_conferencing: bool = False,
        page_size: int = 0,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> Iterator[Event]:
        """Iterate over a calendar's events; pages are fetched as they are needed.

        Facts: conferencing_service.proto, ListEvents.

        Args:
            grant_id: the grant.
            calendar_id: the calendar.
            start_time: only events that end after this moment; with a time zone.
            end_time: only events that start before this moment; with a time zone.
            ical_uid: only the event with this iCalendar UID.
            only_with_conferencing: only events with a conference.
            page_size: how many events to read at a time; 0: 50; at most 200.
            timeout: the deadline in seconds of each page; None: the client's.
            metadata: more gRPC metadata.

        Yields:
            The events, in the upstream's order.

        Raises:
            NotFound: there is no such grant or calendar.
            GrantExpired: the account has to be connected again.
            ValueError: a moment has no time zone.
            ConferencingError: anything else, by `reason` and `code`.
        """
        request: ListEventsRequest | None = _requests.list_request(
            start_time,
            end_time,
            grant_id=grant_id,
            calendar_id=calendar_id,
            ical_uid=ical_uid,
            only_with_conferencing=only_with_conferencing,
            page_size=page_size,
        )
        while request is not None:
            page = self._call(self._stub.ListEvents, request, timeout, metadata)
            yield from page.events
            request = _requests.next_page(request, page)

    def update_event(
        self,
        *,
        grant_id: str,
        calendar_id: str,
        event: Event,
        update_mask: str | Iterable[str],
        replace_conferencing: bool = False,
        notify: Notify.ValueType = Notify.NOTIFY_UNSPECIFIED,
        request_id: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> UpdateEventResponse:
        """Change the named fields of an event; at most once, however often it is repeated.

        Facts: conferencing_service.proto, UpdateEvent.

        Args:
            grant_id: the grant.
            calendar_id: the calendar.
            event: the new values; `event.id` names the event.
            update_mask: the fields that change ("title", "conferencing", ...), one or several.
                `conferencing` named and unset in `event` takes the conference off.
            replace_conferencing: replace a conference that is there already.
            notify: whom the platform tells; unspecified: everybody.
            request_id: a UUID that names the request; empty: a new one. Give one to be able to
                repeat the request after DEADLINE_EXCEEDED, or in another process.
            validate_only: run every check, write nothing.
            timeout: the deadline in seconds; None: the client's.
            metadata: more gRPC metadata.

        Returns:
            The whole event as the upstream keeps it, whether it is a replay, and warnings.

        Raises:
            IncompatibleProvider: the verdict refuses the conference, and says what can be had.
            InvalidRequest: fields are wrong.
            GrantExpired: the account has to be connected again.
            NotFound: there is no such grant, calendar or event.
            RateLimited: nothing was written; repeat after a delay.
            Unavailable: it did not end in its time; repeat it with the same `request_id`.
            OutcomeUnresolved: it may have been changed; look at the event.
            ConferencingError: anything else, by `reason` and `code`.
        """
        request = UpdateEventRequest(
            grant_id=grant_id,
            calendar_id=calendar_id,
            event=event,
            update_mask=_requests.mask_of(update_mask),
            replace_conferencing=replace_conferencing,
            notify=notify,
            request_id=_requests.named(request_id, validate_only=validate_only),
            validate_only=validate_only,
        )
        return self._call(self._stub.UpdateEvent, request, timeout, metadata)

    def delete_event(
        self,
        *,
        grant_id: str,
        calendar_id: str,
        event_id: str,
        notify: Notify.ValueType = Notify.NOTIFY_UNSPECIFIED,
        allow_missing: bool = False,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> DeleteEventResponse:
        """Delete an event, and a conference that was autocreated with it.

        When the call is repeated because the connection broke, `allow_missing` is set: the attempt
        before may have deleted the event. Set it yourself when you repeat a deletion. Facts:
        conferencing_service.proto, DeleteEvent.

        Args:
            grant_id: the grant.
            calendar_id: the calendar.
            event_id: the event.
            notify: whom the platform tells; unspecified: everybody.
            allow_missing: an event that is gone is a success.
            timeout: the deadline in seconds; None: the client's.
            metadata: more gRPC metadata.

        Returns:
            An empty message.

        Raises:
            NotFound: there is no such grant, calendar or event.
            GrantExpired: the account has to be connected again.
            RateLimited: nothing was deleted; repeat after a delay.
            Unavailable: it did not end in its time; repeat it with `allow_missing`.
            OutcomeUnresolved: it may have been deleted; look at the calendar.
            ConferencingError: anything else, by `reason` and `code`.
        """
        request = DeleteEventRequest(
            grant_id=grant_id,
            calendar_id=calendar_id,
            event_id=event_id,
            notify=notify,
            allow_missing=allow_missing,
        )
        return self._call(
            self._stub.DeleteEvent, request, timeout, metadata, _requests.deletion_again
        )

    def check_compatibility(
        self,
        *,
        grant_id: str | None = None,
        platform: Platform.ValueType | None = None,
        calendar_id: str = "",
        provider: Provider.ValueType = Provider.PROVIDER_UNSPECIFIED,
        conf_grant_id: str = "",
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> CheckCompatibilityResponse:
        """Tell what can be done with conferences on a calendar, without doing it.

        Facts: conferencing_service.proto, CheckCompatibility.

        Args:
            grant_id: the grant that the question is about, or else
            platform: a platform in general.
            calendar_id: a calendar of the grant that must exist.
            provider: only this provider; unspecified: all of them.
            conf_grant_id: the grant that would host the conference.
            timeout: the deadline in seconds; None: the client's.
            metadata: more gRPC metadata.

        Returns:
            The platform, and a verdict per provider and way.

        Raises:
            ValueError: not exactly one of `grant_id` and `platform` is given.
            NotFound: there is no such grant or calendar.
            ConferencingError: anything else, by `reason` and `code`.
        """
        request = _requests.compatibility_request(
            grant_id,
            platform,
            calendar_id=calendar_id,
            provider=provider,
            conf_grant_id=conf_grant_id,
        )
        return self._call(self._stub.CheckCompatibility, request, timeout, metadata)

    def extract_conferencing(
        self,
        *,
        google_event: Mapping[str, Any] | None = None,
        microsoft_event: Mapping[str, Any] | None = None,
        icalendar: str | None = None,
        text: str | None = None,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> ExtractConferencingResponse:
        """Read a conference out of a native event or a text. Nothing is fetched.

        Facts: conferencing_service.proto, ExtractConferencing.

        Args:
            google_event: an event as the Google Calendar API v3 returns it, or
            microsoft_event: an event as Microsoft Graph v1.0 returns it, or
            icalendar: an iCalendar object or one VEVENT, or
            text: plain text or HTML. At most 256 KiB of either.
            timeout: the deadline in seconds; None: the client's.
            metadata: more gRPC metadata.

        Returns:
            The conference; unset when there is none.

        Raises:
            ValueError: not exactly one input is given.
            InvalidRequest: the input cannot be read or is too large.
            ConferencingError: anything else, by `reason` and `code`.
        """
        request = _requests.extraction_request(google_event, microsoft_event, icalendar, text)
        return self._call(self._stub.ExtractConferencing, request, timeout, metadata)

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Q, R],
        request: Q,
        timeout: float | None,
        metadata: Metadata,
        again: Callable[[Q, ConferencingError], Q] = _requests.unchanged,
    ) -> R:
        """Make a call until it ends; `again` returns the request of the next attempt."""
        repeats = Repeats(self._timeout if timeout is None else timeout)
        trace = self._trace()
        while True:
            sent = (*metadata, *trace, *self._token())
            try:
                return method(request, timeout=repeats.seconds_left(), metadata=sent)
            except grpc.RpcError as error:
                failure = error_from_call(error, request_id=getattr(request, "request_id", ""))
                if failed_waiting(failure) and not self._is_connected():
                    failure.message += f": there is no connection to {self._target}"
                # One that was closed under its calls ends them as cancelled too.
                pause = repeats.pause_after(failure) if self._closing.alive else None
                if pause is None:
                    raise failure from error
            time.sleep(pause)
            request = again(request, failure)

    def _is_connected(self) -> bool:
        """Tell whether there is a connection; gRPC tells a blocking channel's state to subscribers."""
        states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
        tell = states.put
        self._channel.subscribe(tell)
        try:
            return states.get(timeout=1.0) is grpc.ChannelConnectivity.READY
        except queue.Empty:
            return True
        finally:
            self._channel.unsubscribe(tell)
