"""Autocreate: who may host a conference of which provider, and what it looks like."""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from conferencing_service.sandbox.conferences import PROVIDERS
from conferencing_service.sandbox.errors import (
    VendorError,
    grant_rejected,
    insufficient_scopes,
    invalid,
)
from conferencing_service.sandbox.grants import MICROSOFT_MEETING_SCOPE, Grant
from conferencing_service.sandbox.ids import draw
from conferencing_service.sandbox.wishes import Autocreate


def check_host(wish: Autocreate, grant: Grant, find: Callable[[str], Grant | None]) -> None:
    """Refuse a conference that no grant can host.

    Nylas v3 API description: a ``conf_grant_id`` is needed when the provider is not that of the
    event's own account, and always for Zoom. A matching one of another platform is allowed, as the
    newer pages say.
    """
    platform = PROVIDERS[wish.provider].host
    if platform is None:
        raise invalid(f"'{wish.provider}' conferences cannot be created automatically")
    host = grant
    if wish.conf_grant_id is not None:
        found = find(wish.conf_grant_id)
        if found is None:
            raise invalid("'conf_grant_id' is not a known grant")
        host = found
    elif wish.provider == "Zoom Meeting" or grant.provider != platform:
        raise invalid(
            f"'conf_grant_id' is required to create a '{wish.provider}' conference on this grant"
        )
    if host.provider != platform:
        raise invalid(
            f"'conf_grant_id' must be a {platform} grant for a '{wish.provider}' conference"
        )
    if host.grant_status != "valid":
        raise grant_rejected()
    if platform == "microsoft" and not host.has_scope(MICROSOFT_MEETING_SCOPE):
        raise insufficient_scopes(f"The grant lacks the scope {MICROSOFT_MEETING_SCOPE}.")
    if wish.provider == "Zoom Meeting":
        _check_passcode(wish.conf_settings)


def make_details(wish: Autocreate) -> dict[str, Any]:
    """The details of a new conference, in the shape that its provider gives them."""
    return _MAKERS[wish.provider](wish.conf_settings)


def _check_passcode(settings: Mapping[str, Any]) -> None:
    # Zoom's create-meeting call: a passcode has at most ten characters. Nylas hands the settings on
    # unseen, so it is Zoom that refuses.
    password = settings.get("password")
    if password is not None and (not isinstance(password, str) or len(password) > 10):
        raise VendorError(
            400,
            "provider_error",
            "The conferencing provider refused the request.",
            provider_error={"code": 300, "message": "Validation Failed."},
        )


def _digits(count: int) -> str:
    return draw("123456789", 1) + draw(string.digits, count - 1)


def _letters(count: int) -> str:
    return draw(string.ascii_lowercase, count)


def _meet(_settings: Mapping[str, Any]) -> dict[str, Any]:
    code = f"{_letters(3)}-{_letters(4)}-{_letters(3)}"
    return {
        "url": f"https://meet.google.com/{code}",
        "meeting_code": code,
        "phone": [f"+1{_digits(10)}"],
        "pin": _digits(9),
    }


def _zoom(settings: Mapping[str, Any]) -> dict[str, Any]:
    number = _digits(11)
    return {
        "url": f"https://us05web.zoom.us/j/{number}?pwd={secrets.token_hex(16)}",
        "meeting_code": number,
        "password": settings.get("password") or _letters(6),
    }


def _teams(_settings: Mapping[str, Any]) -> dict[str, Any]:
    context = f"%7b%22Tid%22%3a%22{uuid.uuid4()}%22%2c%22Oid%22%3a%22{uuid.uuid4()}%22%7d"
    thread = f"19%3ameeting_{secrets.token_hex(24)}%40thread.v2"
    return {"url": f"https://teams.microsoft.com/l/meetup-join/{thread}/0?context={context}"}


_MAKERS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "Google Meet": _meet,
    "Zoom Meeting": _zoom,
    "Microsoft Teams": _teams,
}
