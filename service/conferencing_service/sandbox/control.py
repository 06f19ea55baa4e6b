"""The sandbox's own paths: what the vendor does not offer, and tests need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from conferencing_service.sandbox.answers import Answer, json_answer
from conferencing_service.sandbox.bodies import parse_object
from conferencing_service.sandbox.errors import VendorError, not_found
from conferencing_service.sandbox.faults import Faults, read_faults
from conferencing_service.sandbox.query import Query
from conferencing_service.sandbox.request_log import RequestLog
from conferencing_service.sandbox.store import Store
from conferencing_service.sandbox.vendor import Vendor


@dataclass(frozen=True)
class _Ask:
    grant_id: str | None
    body: dict[str, Any]


_Action = Callable[[_Ask], dict[str, Any]]


class Control:
    """Grants made at will, the effect log, the calls received, and the faults."""

    def __init__(
        self,
        vendor: Vendor,
        store: Store,
        faults: Faults,
        requests: RequestLog,
        clock: Callable[[], float],
    ) -> None:
        self._vendor = vendor
        self._store = store
        self._faults = faults
        self._requests = requests
        self._clock = clock
        self._actions: Mapping[str, Mapping[str, _Action]] = {
            "/_sandbox/grants": {"POST": self._post_grant},
            "/_sandbox/effects": {"GET": self._effects},
            "/_sandbox/conferences": {"GET": self._conferences},
            "/_sandbox/requests": {"GET": self._show_requests, "DELETE": self._clear_requests},
            "/_sandbox/faults": {
                "GET": self._show_faults,
                "PUT": self._put_faults,
                "DELETE": self._clear_faults,
            },
        }

    def answer(self, request: Request, content: bytes, request_id: str) -> Answer:
        """The answer to a request on one of the sandbox's own paths."""
        actions = self._actions.get(request.scope["path"])
        if actions is None:
            raise not_found("Path")
        action = actions.get(request.method)
        if action is None:
            raise VendorError(405, "api.bad_request", "Method not allowed.")
        grant_id = Query(request.scope["query_string"]).text("grant_id")
        return json_answer(request_id, 200, action(_Ask(grant_id, parse_object(content))))

    def _post_grant(self, ask: _Ask) -> dict[str, Any]:
        return {"data": self._vendor.post_grant(ask.body, self._clock())}

    def _effects(self, ask: _Ask) -> dict[str, Any]:
        return {"effects": self._store.effects(ask.grant_id)}

    def _conferences(self, ask: _Ask) -> dict[str, Any]:
        return {"conferences": self._store.conferences(ask.grant_id)}

    def _show_requests(self, ask: _Ask) -> dict[str, Any]:
        return {"requests": self._requests.document(ask.grant_id)}

    def _clear_requests(self, _ask: _Ask) -> dict[str, Any]:
        self._requests.clear()
        return {"requests": []}

    def _show_faults(self, _ask: _Ask) -> dict[str, Any]:
        return {"faults": self._faults.document()}

    def _put_faults(self, ask: _Ask) -> dict[str, Any]:
        self._faults.replace(read_faults(ask.body))
        return self._show_faults(ask)

    def _clear_faults(self, _ask: _Ask) -> dict[str, Any]:
        self._faults.replace(())
        return {"faults": []}
