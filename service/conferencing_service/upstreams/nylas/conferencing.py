"""Nylas' conferencing object, both ways (Nylas v3 API description, event_conferencing_*)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from conferencing_service.core.model import (
    Autocreate,
    Conferencing,
    Details,
    EntryPoint,
    EntryPointType,
    Origin,
    Provider,
    State,
)
from conferencing_service.core.reading import join_link_from_url
from conferencing_service.upstreams.nylas.capabilities import NYLAS
from conferencing_service.upstreams.nylas.fields import code, items, link, mapping, text

PROVIDER_LABELS: Mapping[Provider, str] = {
    Provider.GOOGLE_MEET: "Google Meet",
    Provider.ZOOM_MEETING: "Zoom Meeting",
    Provider.MICROSOFT_TEAMS: "Microsoft Teams",
    Provider.WEBEX: "WebEx",
    Provider.GOTOMEETING: "GoToMeeting",
    Provider.SKYPE_FOR_BUSINESS: "Skype for Business",
    Provider.SKYPE_FOR_CONSUMER: "Skype for Consumer",
}
"""The spelling that the vendor takes on write."""

_PROVIDERS: Mapping[str, Provider] = {
    **{label.replace(" ", "").lower(): provider for provider, label in PROVIDER_LABELS.items()},
    # Spellings of older answers and of other versions of the API.
    "teamsforbusiness": Provider.MICROSOFT_TEAMS,
    "teams": Provider.MICROSOFT_TEAMS,
    "zoom": Provider.ZOOM_MEETING,
    "meet": Provider.GOOGLE_MEET,
}

# The PIN is told with each number: without a bound, what is told would grow with their product.
_MAX_NUMBERS = 100

_AUTOCREATED = frozenset(
    provider for provider, capability in NYLAS.providers.items() if capability.autocreate
)


def conferencing_to_nylas(conferencing: Conferencing | None) -> dict[str, Any]:
    """Return the object to write; an empty one takes the conference off."""
    if conferencing is None:
        return {}
    assert conferencing.provider is not None  # noqa: S101 - settled before anything is sent
    body: dict[str, Any] = {"provider": PROVIDER_LABELS[conferencing.provider]}
    match conferencing.source:
        case Details() as details:
            body["details"] = _details_to_nylas(details)
        case Autocreate() as autocreate:
            order: dict[str, Any] = {}
            if autocreate.conf_grant_id:
                order["conf_grant_id"] = autocreate.conf_grant_id
            if autocreate.conf_settings is not None:
                order["conf_settings"] = autocreate.conf_settings
            body["autocreate"] = order
        case None:
            raise ValueError("a conference to write has a source")
        case _:
            assert_never(conferencing.source)
    return body


def _details_to_nylas(details: Details) -> dict[str, Any]:
    fields: dict[str, Any] = {"url": details.url}
    for name in ("meeting_code", "password", "pin"):
        value = getattr(details, name)
        if value:
            fields[name] = value
    if details.phone:
        fields["phone"] = list(details.phone)
    return fields


def conferencing_from_nylas(value: Any) -> Conferencing | None:
    """Return the conference of an answer, None where there is none.

    `{}` and null are none. A provider that makes conferences, or an order, without details is
    still at work; any other provider without details has a name and nothing else, not even a
    state. Details without a provider are named by their link.
    """
    source = mapping(value)
    label = text(source.get("provider"))
    details = _details_from_nylas(source.get("details"))
    if details is None:
        if not label:
            return None
        provider = _provider(label)
        at_work = provider in _AUTOCREATED or "autocreate" in source
        return Conferencing(
            provider=provider,
            state=State.PENDING if at_work else None,
            label=label,
            origin=Origin.NATIVE,
        )
    if label:
        provider = _provider(label)
    else:
        join_link = join_link_from_url(details.url)
        provider = join_link.provider if join_link else Provider.OTHER
    return Conferencing(
        provider=provider, source=details, state=State.READY, label=label, origin=Origin.NATIVE
    )


def _provider(label: str) -> Provider:
    return _PROVIDERS.get(label.replace(" ", "").lower(), Provider.OTHER)


def _details_from_nylas(value: Any) -> Details | None:
    source = mapping(value)
    phone = source.get("phone")
    listed = [phone] if isinstance(phone, str) else items(phone)[:_MAX_NUMBERS]
    numbers = tuple(filter(None, map(code, listed)))
    details = Details(
        url=link(source.get("url")),
        meeting_code=code(source.get("meeting_code")),
        password=code(source.get("password")),
        pin=code(source.get("pin")),
        phone=numbers,
    )
    if details == Details():
        return None
    return Details(
        url=details.url,
        meeting_code=details.meeting_code,
        password=details.password,
        pin=details.pin,
        phone=details.phone,
        entry_points=tuple(_entry_points(details)),
    )


def _entry_points(details: Details) -> Iterator[EntryPoint]:
    """Yield the ways to join that the vendor's flat details name."""
    if details.url:
        yield EntryPoint(
            type=EntryPointType.VIDEO,
            uri=details.url,
            password=details.password,
            meeting_code=details.meeting_code,
        )
    for number in details.phone:
        digits = "".join(c for c in number if c.isascii() and c.isdigit())
        uri = f"tel:+{digits}" if number.lstrip().startswith("+") and digits else ""
        yield EntryPoint(type=EntryPointType.PHONE, uri=uri, label=number, pin=details.pin)
