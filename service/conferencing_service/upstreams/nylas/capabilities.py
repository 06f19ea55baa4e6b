"""What Nylas can do, declared.

Sources: Nylas v3 guide "Adding conferencing to events"; Nylas v3 API description,
event_conferencing_request and the events endpoints.
"""

from __future__ import annotations

from conferencing_service.core.model import DetailField, Notify, Platform, Provider
from conferencing_service.upstreams.base import AutocreateRule, Capabilities, ProviderCapability

_MANY = 20

NYLAS = Capabilities(
    providers={
        Provider.GOOGLE_MEET: ProviderCapability(
            details=frozenset({DetailField.PHONE, DetailField.PIN}),
            phones=1,
            autocreate=AutocreateRule(host=Platform.GOOGLE),
        ),
        Provider.ZOOM_MEETING: ProviderCapability(
            details=frozenset({DetailField.MEETING_CODE, DetailField.PASSWORD}),
            autocreate=AutocreateRule(host=Platform.ZOOM, any_calendar=True),
        ),
        Provider.MICROSOFT_TEAMS: ProviderCapability(
            details=frozenset(),
            autocreate=AutocreateRule(
                host=Platform.MICROSOFT,
                scopes=("OnlineMeetings.ReadWrite",),
                subscription="An active Microsoft 365 subscription of the hosting account.",
            ),
        ),
        Provider.WEBEX: ProviderCapability(
            details=frozenset({DetailField.PASSWORD, DetailField.PIN, DetailField.PHONE}),
            phones=_MANY,
        ),
        Provider.GOTOMEETING: ProviderCapability(
            details=frozenset({DetailField.MEETING_CODE, DetailField.PASSWORD, DetailField.PHONE}),
            phones=_MANY,
        ),
        Provider.SKYPE_FOR_BUSINESS: ProviderCapability(details=frozenset()),
        Provider.SKYPE_FOR_CONSUMER: ProviderCapability(details=frozenset()),
    },
    without_calendar=frozenset({Platform.ZOOM, Platform.IMAP}),
    notify={
        Platform.MICROSOFT: frozenset({Notify.ALL}),
        Platform.ICLOUD: frozenset({Notify.ALL}),
    },
    default_notify=frozenset({Notify.ALL, Notify.NONE}),
    own_provider={
        Platform.GOOGLE: Provider.GOOGLE_MEET,
        Platform.MICROSOFT: Provider.MICROSOFT_TEAMS,
    },
    default_visibility=frozenset({Platform.GOOGLE}),
    # The vendor gives up on its provider after 90 seconds; then what was done has to show.
    settle_seconds=120.0,
)
