"""What a request wishes for its event's conference: keep, clear, details or autocreate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from conferencing_service.sandbox.conferences import PROVIDERS, storable
from conferencing_service.sandbox.errors import invalid


@dataclass(frozen=True)
class Keep:
    """``conferencing`` is not in the body: what is there stays."""


@dataclass(frozen=True)
class Clear:
    """``"conferencing": {}``: the conference goes."""


@dataclass(frozen=True)
class Details:
    """A conference that exists already, described by the caller."""

    provider: str
    details: Mapping[str, Any]


@dataclass(frozen=True)
class Autocreate:
    """A conference that the vendor is to make."""

    provider: str
    conf_grant_id: str | None
    conf_settings: Mapping[str, Any]


Wish = Keep | Clear | Details | Autocreate


def read_wish(body: Mapping[str, Any]) -> Wish:
    """The checked wish of a create or update body."""
    if "conferencing" not in body:
        return Keep()
    value = body["conferencing"]
    if not isinstance(value, Mapping):
        raise invalid("'conferencing' must be an object")
    if not value:
        return Clear()
    provider = value.get("provider")
    if not isinstance(provider, str) or provider not in PROVIDERS:
        raise invalid(f"'conferencing.provider' must be one of {list(PROVIDERS)}")
    if "details" in value and "autocreate" in value:
        raise invalid("'details' not allowed when auto generating a conference")
    if "details" in value:
        return _details(provider, value["details"])
    if "autocreate" in value:
        return _autocreate(provider, value["autocreate"])
    raise invalid("'conferencing' needs 'details' or 'autocreate'")


def wants_autocreate(body: object) -> bool:
    """Whether the body asks for a conference to be made, valid or not."""
    conferencing = body.get("conferencing") if isinstance(body, Mapping) else None
    return isinstance(conferencing, Mapping) and "autocreate" in conferencing


def _details(provider: str, details: object) -> Details:
    if not isinstance(details, Mapping):
        raise invalid("'conferencing.details' must be an object")
    url = details.get("url")
    if not isinstance(url, str) or not _is_web_address(url):
        raise invalid("'conferencing.details.url' is required and must be a web address")
    for name in ("meeting_code", "password", "pin"):
        if not isinstance(details.get(name), str | None):
            raise invalid(f"'conferencing.details.{name}' must be a string")
    phones = details.get("phone")
    if phones is not None and not (
        isinstance(phones, list) and all(isinstance(phone, str) for phone in phones)
    ):
        raise invalid("'conferencing.details.phone' must be a list of strings")
    return Details(provider, storable(provider, details))


def _is_web_address(url: str) -> bool:
    # The vendor checks that the address is one, not that anything answers there.
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.netloc)
        and not any(c.isspace() for c in url)
    )


def _autocreate(provider: str, value: object) -> Autocreate:
    if not isinstance(value, Mapping):
        raise invalid("'conferencing.autocreate' must be an object")
    conf_grant_id, settings = value.get("conf_grant_id"), value.get("conf_settings")
    if not isinstance(conf_grant_id, str | None):
        raise invalid("'conferencing.autocreate.conf_grant_id' must be a string")
    if settings is not None and not isinstance(settings, Mapping):
        raise invalid("'conferencing.autocreate.conf_settings' must be an object")
    # An empty conf_grant_id is how the vendor itself writes that there is none.
    return Autocreate(provider, conf_grant_id or None, dict(settings or {}))
