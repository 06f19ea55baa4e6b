"""The audit line: who wrote what, where, and how it ended; one for each call of a write RPC."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from typing import Any

import grpc

from conferencing_service.core.model import Reason
from conferencing_service.core.upstream import Call
from conferencing_service.telemetry import PRINCIPAL

LOGGER = "conferencing_service.audit"
"""Its lines are told whatever the log level is."""

_log = logging.getLogger(LOGGER)

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Places:
    """Names of places that only the ledger's owner can make: addresses of people stand in ids.

    Args:
        secret: the ledger's.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.new(secret, b"conferencing.v1 audit places", hashlib.sha256).digest()

    def digest(self, kind: str, text: str) -> str:
        """Return the name of a grant, calendar or event: 16 hexadecimal digits, "" for none."""
        if not text:
            return ""
        told = f"{kind}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, told, "sha256").hex()[:16]


class Audit:
    """Tells of writes.

    Args:
        places: names where they were.
    """

    def __init__(self, places: Places) -> None:
        self._places = places

    def ended(
        self,
        call: Call,
        rpc: str,
        code: grpc.StatusCode,
        reason: Reason | None,
        request: Any,
        response: Any,
    ) -> None:
        """Tell how a call of a write RPC ended.

        Args:
            call: the call.
            rpc: the name of its RPC.
            code: how it ended.
            reason: why it did not end well; None where it did, or gRPC ended it.
            request: its message; None where it was none, or was not looked at.
            response: its answer, None where it got none.
        """
        if getattr(request, "validate_only", False):
            return
        line = {
            "principal": call.principal,
            "rpc": rpc,
            "code": code.name,
            "reason": "" if reason is None else reason.value,
            "request_id": _request_id(request),
            **self._where(request, response),
            **{name: told for name, told in call.attributes.items() if name != PRINCIPAL},
        }
        _log.info("audit", extra=line)

    def _where(self, request: Any, response: Any) -> dict[str, str]:
        digest = self._places.digest
        event = getattr(request, "event", None)
        event_id = getattr(request, "event_id", "") or getattr(event, "id", "")
        if response is not None and not event_id:
            event_id = response.event.id
        conferencing = getattr(event, "conferencing", None)
        conf_grant_id = "" if conferencing is None else conferencing.autocreate.conf_grant_id
        return {
            "grant": digest("grant", getattr(request, "grant_id", "")),
            "calendar": digest("calendar", getattr(request, "calendar_id", "")),
            "event": digest("event", event_id),
            "conf_grant": digest("grant", conf_grant_id),
        }


def _request_id(request: Any) -> str:
    """Return a request's id where it is one: anything else may be anything."""
    text = getattr(request, "request_id", "")
    return text.lower() if _UUID.fullmatch(text) else ""
