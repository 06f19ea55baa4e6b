"""One watch for the whole run: what callers said in confidence, and everything that servers tell.

Each private text of each request and answer of a test is a canary, beside those that the builders
plant. After each test all that its servers told is searched: log lines, spans, statuses, trailers,
metrics, reprs, the audit lines and the ledger's files.
"""

from __future__ import annotations

import ast
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

from google.protobuf.message import Message
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

import conferencing_service
from conferencing.v1 import conferencing_service_pb2 as service_pb2
from conferencing_service.codec import requests as codec
from conferencing_service.logs import JsonLines

TITLE = "canary-title"
DESCRIPTION = "canary-description"
LOCATION = "canary-location"
EMAIL = "canary.person@example.com"
NAME = "Canary Person"
COMMENT = "canary-comment"
PHONE = "+4930424242"
METADATA = "canary-metadata"
PASSCODE = "canary-passcode"
PIN = "424277771"
CODE = "98989898981"
HASH = "canary-hash"
SETTING = "canary-z00"
ZOOM_URL = f"https://us05web.zoom.us/j/{CODE}?pwd={HASH}"
TOKEN = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnktc3ViamVjdCJ9.canary-signature"

PLANTED = {
    "title": TITLE,
    "description": DESCRIPTION,
    "location": LOCATION,
    "email": EMAIL,
    "name": NAME,
    "comment": COMMENT,
    "phone": PHONE,
    "metadata": METADATA,
    "passcode": PASSCODE,
    "pin": PIN,
    "code": CODE,
    "hash": HASH,
    "setting": SETTING,
    "token": TOKEN.removeprefix("Bearer "),
    "signature": "canary-signature",
}
"""What is looked for whether or not a test sends it."""

AUDIT = "conferencing_service.audit"

# What may be told: ids of no person, and words of the contract. A new field is private.
_PUBLIC = frozenset(
    {
        *("id", "grant_id", "event_id", "request_id", "conf_grant_id", "ical_uid"),
        *("master_event_id", "timezone", "start_timezone", "end_timezone", "date"),
        *("start_date", "end_date", "recurrence", "paths", "provider_label", "source_field"),
        *("explanation", "requirements", "field", "region_code"),
    }
)
# Where they name a place, they are told as digests in the audit line.
_PLACES = frozenset({"id", "grant_id", "calendar_id", "event_id", "conf_grant_id"})
_COMMON = re.compile(r".{0,5}|[A-Za-z_.]*", re.DOTALL)
"""What stands in much that is no leak: short texts, and single words."""
_NO_SERVERS = frozenset({"sandbox", "commands", "demo.py"})
"""What of the code no server says: examples and made-up conferences stand there."""
_LONGEST = 200
_PIECE = 40
_DECODED: dict[type, Callable[[Any], object]] = {
    service_pb2.CreateEventRequest: codec.create_event_from_proto,
    service_pb2.UpdateEventRequest: codec.update_event_from_proto,
    service_pb2.GetEventRequest: codec.get_event_from_proto,
    service_pb2.DeleteEventRequest: codec.delete_event_from_proto,
    service_pb2.ListEventsRequest: codec.list_events_from_proto,
    service_pb2.CheckCompatibilityRequest: codec.check_compatibility_from_proto,
}
_WRITES = (service_pb2.CreateEventRequest, service_pb2.UpdateEventRequest)


@dataclass(frozen=True, order=True)
class Leak:
    """Something private that was told: by what, what it is, and what stands round it."""

    channel: str
    what: str
    around: str = ""


class Watch:
    """Knows what is private in a test, and what its servers told."""

    def __init__(self) -> None:
        self._private: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._told: dict[str, dict[str, None]] = {}
        self._written: list[frozenset[str]] = []

    def forget(self) -> None:
        """Begin anew."""
        self.__init__()  # type: ignore[misc]

    # ---- What is private -------------------------------------------------------------------

    def asked(self, request: Any) -> None:
        """Note what a request holds, and how the domain shows it."""
        texts = dict(_private_texts(request))
        self._private |= texts
        self._places |= _places_in(request)
        if isinstance(request, _WRITES):
            self._written.append(frozenset(_written(request, texts)))
        if (decode := _DECODED.get(type(request))) is not None:
            self.told("repr", repr(decode(request)))

    def answered(self, answer: Any) -> None:
        """Note what an answer holds."""
        self._private |= _private_texts(answer)
        self._places |= _places_in(answer)

    def keep(self, what: str, text: str) -> None:
        """Note a secret that stands in no message."""
        self._private[text] = what

    @property
    def private(self) -> frozenset[str]:
        """The private texts that went in."""
        return frozenset(self._private)

    # ---- What was told ---------------------------------------------------------------------

    def told(self, channel: str, text: str) -> None:
        """Note what was told by a channel."""
        self._told.setdefault(channel, {})[text] = None

    def told_by_metrics(self, port: int) -> None:
        """Note what Prometheus is told at a port."""
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            self.told("metric", answer.read().decode())

    def told_by_ledger(self, url: str) -> None:
        """Note what stands in a ledger's files, where it has files."""
        kind, _colon, place = url.partition("://")
        if kind == "sqlite":
            file = Path(place)
            for each in file.parent.glob(f"{file.name}*"):
                self.told("ledger file", each.read_bytes().decode("utf-8", "replace"))

    def all_told_by(self, channel: str) -> str:
        """Return all that was told by a channel."""
        return "\n".join(self._told.get(channel, ()))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note, for the block, every line that the process logs."""
        handler, root = _Lines(self), logging.getLogger()
        root.addHandler(handler)
        try:
            yield
        finally:
            root.removeHandler(handler)

    # ---- What should not have been ---------------------------------------------------------

    def leaks(self) -> list[Leak]:
        """Return what is private and was told."""
        sought = {text: what for what, text in PLANTED.items()} | self._private
        found: set[Leak] = set()
        for channel in self._told:
            here = sought
            if channel == "ledger file":
                here = self._of_every_write(sought)
            elif channel == "audit line":
                here = sought | self._places
            told = self.all_told_by(channel)
            for text, what in here.items():
                for form in _forms(text):
                    if (place := told.find(form)) >= 0 and form not in _programs_own():
                        around = told[max(0, place - 60) : place + len(form) + 60]
                        found.add(Leak(channel, what, around))
                        break
        return sorted(found)

    def _of_every_write(self, sought: dict[str, str]) -> dict[str, str]:
        """Return what is not to stand in the ledger: what its callers wrote.

        What an answer says beyond its own request is kept, and that may be what another wrote.
        """
        if not self._written:
            return {}
        common = frozenset.intersection(*self._written)
        return {text: what for text, what in sought.items() if text in common}


WATCH = Watch()
"""The one of this run."""


class SpanWatch(SpanProcessor):
    """Tells the watch of each span that ends.

    Args:
        watch: the watch.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_end(self, span: ReadableSpan) -> None:
        """Tell of a span."""
        told = self._watch.told
        told("span name", span.name)
        told("span attribute", repr(dict(span.attributes or {})))
        told("span status", span.status.description or "")
        for event in span.events:
            told("span event", f"{event.name} {dict(event.attributes or {})}")
        for link in span.links:
            told("span link", repr(dict(link.attributes or {})))


class _Lines(logging.Handler):
    """Tells the watch of each log line, as the product writes it."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of a line."""
        channel = "audit line" if record.name == AUDIT else "log line"
        self._watch.told(channel, self.format(record))


# ---- What is private in messages ---------------------------------------------------------


def _private_texts(message: Message) -> dict[str, str]:
    """Return the private texts of a message with the paths of their fields."""
    ids: list[str] = []
    found: dict[str, str] = {}
    for path, name, text in _texts(message, ""):
        # A calendar's id may be somebody's address.
        if name in _PUBLIC or (name == "calendar_id" and "@" not in text):
            ids.append(text)
        else:
            found |= {part: path for part in _parts(text) if not _COMMON.fullmatch(part)}
    # What is an id as well is told as such: an owner without a name is called by the grant's.
    told = "\n".join(ids)
    return {text: path for text, path in found.items() if text not in told}


def _written(request: Any, texts: dict[str, str]) -> Iterator[str]:
    """Yield those of a write's texts that are looked at."""
    mask = None
    if isinstance(request, service_pb2.UpdateEventRequest):
        mask = set(request.update_mask.paths)
    for text, path in texts.items():
        if mask is None or path.split(".")[1] in mask:
            yield text


def _places_in(message: Message) -> dict[str, str]:
    return {
        text: path
        for path, name, text in _texts(message, "")
        if name in _PLACES and not _COMMON.fullmatch(text)
    }


def _texts(message: Message, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield the texts in a message: path, the field's name, text."""
    for field, value in message.ListFields():
        here = f"{path}.{field.name}" if path else field.name
        for item in _items(field, value):
            if isinstance(item, str):
                yield here, field.name, item
            elif isinstance(item, Message):
                yield from _texts(item, here)


def _items(field: Any, value: Any) -> Iterable[Any]:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return list(value.values())
    return value if field.is_repeated else (value,)


def _parts(text: str) -> Iterator[str]:
    """Yield a text, or the ends of a long one, and what is secret in a URL."""
    if len(text) > _LONGEST:
        yield text[:_PIECE]
        yield text[-_PIECE:]
    else:
        yield text
    if text.startswith("https://") and len(text) <= 4096:
        try:
            query = urlsplit(text).query
        except ValueError:
            return
        for pair in query.split("&"):
            yield pair.partition("=")[2]


@cache
def _programs_own() -> str:
    """Return the texts in the server's code, of which hypothesis draws some; docstrings are not told."""
    folder = Path(conferencing_service.__file__).parent
    contract = Path(service_pb2.__file__).parent
    found: list[str] = []
    for file in (*folder.rglob("*.py"), *contract.rglob("*.py")):
        if not _NO_SERVERS.isdisjoint(file.parts[-3:]):
            continue
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        found += [
            node.value
            for node in nodes
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ]
    return "\n".join(found)


def _forms(text: str) -> set[str]:
    """Return how a text may be written."""
    if text.isascii() and text.isalnum():
        return {text}
    return {text, json.dumps(text)[1:-1], quote(text, safe="", errors="replace"), repr(text)[1:-1]}
