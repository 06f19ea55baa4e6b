"""A sandbox as a process of its own, and a fresh grant per test: nothing is cleaned up."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

_AUTHORIZATION = {"authorization": "Bearer sandbox"}
START = 1_900_000_000
MEETING = {"title": "Review", "when": {"start_time": START, "end_time": START + 3600}}


@dataclass
class Grant:
    """One grant of a running sandbox, and what a test does with it."""

    id: str
    http: httpx.Client
    json_headers: dict[str, str] = field(
        default_factory=lambda: {"content-type": "application/json"}
    )

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        content = None if body is None else json.dumps(body).encode()
        headers = {} if content is None else self.json_headers
        return self.http.request(
            method, f"/v3/grants/{self.id}{path}", params=query, content=content, headers=headers
        )

    def create(self, body: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        query = {"calendar_id": "primary", **more.pop("query", {})}
        return self.call("POST", "/events", {**MEETING, **(body or {}), **more}, **query)

    def created(self, **more: Any) -> dict[str, Any]:
        return dict(data(self.create(**more)))

    def get(self, event_id: str, **query: Any) -> httpx.Response:
        return self.call("GET", f"/events/{event_id}", **{"calendar_id": "primary", **query})

    def put(self, event_id: str, body: dict[str, Any], **query: Any) -> httpx.Response:
        return self.call("PUT", f"/events/{event_id}", body, **{"calendar_id": "primary", **query})

    def delete(self, event_id: str, **query: Any) -> httpx.Response:
        return self.call("DELETE", f"/events/{event_id}", **{"calendar_id": "primary", **query})

    def listed(self, **query: Any) -> httpx.Response:
        return self.call("GET", "/events", **{"calendar_id": "primary", **query})

    def titles(self, **query: Any) -> list[str]:
        found = data(self.listed(**{"start": START - 10**6, "end": START + 10**6, **query}))
        return [event["title"] for event in found]

    def effects(self) -> list[str]:
        found = self.http.get("/_sandbox/effects", params={"grant_id": self.id}).json()["effects"]
        return [effect["kind"] for effect in found]

    def conferences(self) -> list[dict[str, Any]]:
        answer = self.http.get("/_sandbox/conferences", params={"grant_id": self.id})
        return list(answer.json()["conferences"])

    def requests(self) -> list[dict[str, Any]]:
        answer = self.http.get("/_sandbox/requests", params={"grant_id": self.id})
        return list(answer.json()["requests"])

    def fault(self, kind: str, **more: Any) -> None:
        fault = {"grant_id": self.id, "kind": kind, **more}
        answer = self.http.put("/_sandbox/faults", json={"faults": [fault]})
        assert answer.status_code == 200, answer.text


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    url: str
    process: subprocess.Popen[str]
    http: httpx.Client

    def grant(self, provider: str, **more: Any) -> Grant:
        grant_id = f"{provider}-{uuid.uuid4().hex}"
        body = {"id": grant_id, "provider": provider, **more}
        answer = self.http.post("/_sandbox/grants", json=body)
        assert answer.status_code == 200, answer.text
        return Grant(grant_id, self.http)

    def arm(self, *faults: dict[str, Any]) -> None:
        """Replace the armed faults by these."""
        answer = self.http.put("/_sandbox/faults", json={"faults": list(faults)})
        assert answer.status_code == 200, answer.text

    def demo(self, grant_id: str) -> Grant:
        return Grant(grant_id, self.http)


def data(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "conferencing_service.sandbox", *arguments]


@contextmanager
def running(*arguments: str) -> Iterator[Sandbox]:
    """A sandbox on a free port; it ends with the block."""
    process = subprocess.Popen(
        command("--listen", "127.0.0.1:0", "--until-stdin-closes", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process, process.stdin:
        url = process.stdout.readline().strip().rpartition(" ")[2]
        with httpx.Client(base_url=url, headers=_AUTHORIZATION, timeout=30) as http:
            try:
                yield Sandbox(url, process, http)
            finally:
                process.terminate()
