"""The audit line: who wrote what, where, and how it ended; one for each call of a write RPC."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
from typing import Any

import grpc

from conferencing_service.core.errors import ConferencingError
from conferencing_service.core.model import Reason
from conferencing_service.core.upstream import Call
from conferencing_service.status import code_of
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
        event_id = "" if response is None or rpc == "DeleteEvent" else response.event.id
        self._tell(call, rpc, code.name, reason, request, event_id)

    def follow(self, call: Call, rpc: str, request: Any) -> None:
        """Tell once more how a write ended, where it goes on though its call has ended."""
        if call.effect is not None and not call.effect.done():
            call.effect.add_done_callback(lambda done: self._late(call, rpc, request, done))

    def _late(self, call: Call, rpc: str, request: Any, effect: asyncio.Task[Any]) -> None:
        if effect.cancelled():
            # The process ends; the next one with the same ledger finds out.
            self._tell(call, rpc, "CANCELLED", None, request, "", late=True)
            return
        error = effect.exception()
        reason = error.reason if isinstance(error, ConferencingError) else Reason.INTERNAL
        if error is not None:
            self._tell(call, rpc, code_of(reason).name, reason, request, "", late=True)
            return
        event = getattr(effect.result(), "event", None)
        event_id = "" if event is None else event.id
        self._tell(call, rpc, grpc.StatusCode.OK.name, None, request, event_id, late=True)

    def _tell(
        self,
        call: Call,
        rpc: str,
        code: str,
        reason: Reason | None,
        request: Any,
        event_id: str,
        *,
        late: bool = False,
    ) -> None:
        line = {
            "principal": call.principal,
            "rpc": rpc,
            "code": code,
            "reason": "" if reason is None else reason.value,
            "request_id": _request_id(request),
            **self._where(rpc, request, event_id),
            **{name: told for name, told in call.attributes.items() if name != PRINCIPAL},
        }
        _log.info("audit", extra=line | {"late": True} if late else line)

    def _where(self, rpc: str, request: Any, event_id: str) -> dict[str, str]:
        digest = self._places.digest
        event = getattr(request, "event", None)
        if not event_id:
            # What a creation says of an id is ignored.
            event_id = getattr(request, "event_id", "")
            if rpc == "UpdateEvent" and event is not None:
                event_id = event.id
        conf_grant_id = "" if event is None else event.conferencing.autocreate.conf_grant_id
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
