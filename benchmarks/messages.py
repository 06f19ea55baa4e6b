"""The messages of the benchmark: what is sent, and what the right answer to it is.

The service's are of its own contract, the peers' of peers.proto. The right answers are written out
by hand from what the vendor says, not made by the code that is measured.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import answers
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from conferencing.v1 import conferencing_pb2, event_pb2
from conferencing.v1 import conferencing_service_pb2 as service_pb2

HERE = Path(__file__).resolve().parent
GRANT_ID = "bench-grant-0"
CALENDAR_ID = "primary"
REQUEST_ID = "00000000-0000-4000-8000-000000000000"
SERVICE = "/conferencing.v1.ConferencingService/"
PEERS = "/bench.v1.Events/"


@dataclass(frozen=True)
class Exchange:
    """A method, a request, and the answer that is right.

    Attributes:
        unknown: fields of the answer that are different in every run.
        spread: whether every connection has a grant of its own.
    """

    method: str
    request: Message
    answer: Message
    unknown: tuple[str, ...] = ()
    spread: bool = True

    def is_right(self, answer: Message) -> bool:
        """Tell whether an answer is the right one, and has what is different in every run."""
        copy = type(answer)()
        copy.CopyFrom(answer)
        for name in self.unknown:
            if not getattr(answer, name):
                return False
            copy.ClearField(name)
        return bool(copy == self.answer)


# ---- The peers' contract --------------------------------------------------------------------


@cache
def peers_descriptors() -> bytes:
    """Return peers.proto and what it imports as a descriptor set, made by buf."""
    buf = Path(sys.executable).with_name("buf")
    import google.api  # noqa: PLC0415 - only to find where its protos are

    google_api = Path(next(iter(google.api.__path__)))
    with tempfile.TemporaryDirectory(prefix="conferencing-bench-") as folder:
        root = Path(folder)
        (root / "google" / "api").mkdir(parents=True)
        (root / "peers.proto").write_bytes((HERE / "peers.proto").read_bytes())
        for name in ("annotations.proto", "http.proto"):
            (root / "google" / "api" / name).write_bytes((google_api / name).read_bytes())
        image = root / "peers.binpb"
        subprocess.run(  # noqa: S603 - the buf of this environment
            [buf, "build", root, "--output", f"{image}", "--as-file-descriptor-set"], check=True
        )
        return image.read_bytes()


@cache
def peers_messages() -> dict[str, type[Message]]:
    """Return the peers' message classes by name."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(peers_descriptors()).file:
        pool.Add(file)
    found = pool.FindFileByName("peers.proto").message_types_by_name
    return {name: message_factory.GetMessageClass(found[name]) for name in found}


_WRITTEN = (
    "title",
    "description",
    "location",
    "when",
    "participants",
    "recurrence",
    "reminders",
    "visibility",
    "busy",
    "metadata",
    "resources",
    "conferencing",
    "hide_participants",
    "capacity",
)


def vendor_event() -> dict[str, Any]:
    """Return what a caller writes, in the vendor's words."""
    event = {name: answers.EVENT[name] for name in _WRITTEN}
    event["participants"] = [{"email": email, "name": name} for email, name, _ in answers.PEOPLE]
    event["when"] = {k: v for k, v in event["when"].items() if k != "object"}
    return event


def peers_create() -> Exchange:
    """Return the peers' CreateEvent: the fields that a caller writes, answered whole."""
    messages = peers_messages()
    request = messages["CreateEventRequest"](
        grant_id=GRANT_ID, calendar_id=CALENDAR_ID, event=messages["Event"](**vendor_event())
    )
    answer = json_format.Parse(answers.EVENT_ANSWER, messages["CreateEventResponse"]())
    return Exchange(PEERS + "CreateEvent", request, answer)


def peers_list() -> Exchange:
    """Return the peers' ListEvents: a page of 200."""
    messages = peers_messages()
    request = messages["ListEventsRequest"](
        grant_id=GRANT_ID, calendar_id=CALENDAR_ID, limit=answers.PAGE_OF
    )
    page = answers.page_answer(CALENDAR_ID)
    answer = json_format.Parse(page, messages["ListEventsResponse"]())
    return Exchange(PEERS + "ListEvents", request, answer, spread=False)


# ---- The service's contract -----------------------------------------------------------------


def service_create() -> Exchange:
    """Return the service's CreateEvent."""
    request = service_pb2.CreateEventRequest(
        grant_id=GRANT_ID,
        calendar_id=CALENDAR_ID,
        request_id=REQUEST_ID,
        event=event_pb2.Event(**_common(), conferencing=_conferencing_written()),
    )
    answer = service_pb2.CreateEventResponse(event=_event_answered())
    return Exchange(SERVICE + "CreateEvent", request, answer)


def service_get() -> Exchange:
    """Return the service's GetEvent."""
    request = service_pb2.GetEventRequest(
        grant_id=GRANT_ID, calendar_id=CALENDAR_ID, event_id=answers.EVENT["id"]
    )
    answer = service_pb2.GetEventResponse(event=_event_answered())
    return Exchange(SERVICE + "GetEvent", request, answer)


def service_list(calendar_id: str = CALENDAR_ID) -> Exchange:
    """Return the service's ListEvents: a page of 200."""
    request = service_pb2.ListEventsRequest(
        grant_id=GRANT_ID, calendar_id=calendar_id, page_size=answers.PAGE_OF
    )
    event = _event_answered()
    if calendar_id == answers.TEXTS_CALENDAR:
        event.description = answers.TEXT
        event.conferencing.CopyFrom(_conferencing_read())
    page = service_pb2.ListEventsResponse()
    for number in range(answers.PAGE_OF):
        page.events.add().CopyFrom(event)
        page.events[-1].id = answers.id_in_page(number)
    # The token is sealed with the server's key, for one grant.
    return Exchange(
        SERVICE + "ListEvents", request, page, unknown=("next_page_token",), spread=False
    )


def service_list_texts() -> Exchange:
    """Return the service's ListEvents of events whose links stand in their texts."""
    return service_list(answers.TEXTS_CALENDAR)


def _conferencing_written() -> conferencing_pb2.Conferencing:
    return conferencing_pb2.Conferencing(
        provider=conferencing_pb2.PROVIDER_ZOOM_MEETING,
        details=conferencing_pb2.ConferenceDetails(
            url=answers.JOIN_URL, meeting_code=answers.CODE, password=answers.PASSCODE
        ),
    )


def _conferencing_answered() -> conferencing_pb2.Conferencing:
    details = conferencing_pb2.ConferenceDetails(
        url=answers.JOIN_URL,
        meeting_code=answers.CODE,
        password=answers.PASSCODE,
        entry_points=[
            conferencing_pb2.EntryPoint(
                type=conferencing_pb2.ENTRY_POINT_TYPE_VIDEO,
                uri=answers.JOIN_URL,
                password=answers.PASSCODE,
                meeting_code=answers.CODE,
            )
        ],
    )
    return conferencing_pb2.Conferencing(
        provider=conferencing_pb2.PROVIDER_ZOOM_MEETING,
        details=details,
        state=conferencing_pb2.CONFERENCE_STATE_READY,
        provider_label="Zoom Meeting",
        origin=conferencing_pb2.ORIGIN_NATIVE,
    )


def _conferencing_read() -> conferencing_pb2.Conferencing:
    read = conferencing_pb2.Conferencing(
        provider=conferencing_pb2.PROVIDER_ZOOM_MEETING,
        details=conferencing_pb2.ConferenceDetails(
            url=answers.JOIN_URL, meeting_code=answers.CODE, password=answers.PASSCODE
        ),
        state=conferencing_pb2.CONFERENCE_STATE_READY,
        origin=conferencing_pb2.ORIGIN_PARSED,
        source_field="description",
    )
    read.details.entry_points.add(
        type=conferencing_pb2.ENTRY_POINT_TYPE_VIDEO,
        uri=answers.JOIN_URL,
        password=answers.PASSCODE,
        meeting_code=answers.CODE,
    )
    return read


def _common() -> dict[str, Any]:
    """Return the fields that callers write, the conference and answers of people left out."""
    return {
        "title": answers.EVENT["title"],
        "description": answers.DESCRIPTION,
        "location": answers.EVENT["location"],
        "when": event_pb2.EventTime(
            timespan=event_pb2.Timespan(
                start_time=Timestamp(seconds=answers.START),
                end_time=Timestamp(seconds=answers.START + 3600),
                start_timezone="Europe/Stockholm",
                end_timezone="Europe/Stockholm",
            )
        ),
        "participants": [{"email": email, "name": name} for email, name, _ in answers.PEOPLE],
        "recurrence": answers.EVENT["recurrence"],
        "reminders": event_pb2.Reminders(
            overrides=[
                event_pb2.Reminder(minutes=10, method=event_pb2.REMINDER_METHOD_POPUP),
                event_pb2.Reminder(minutes=60, method=event_pb2.REMINDER_METHOD_EMAIL),
            ]
        ),
        "visibility": event_pb2.VISIBILITY_PRIVATE,
        "busy": True,
        "metadata": dict(answers.METADATA),
        "resources": [{"email": "room-12@example.com", "name": "Room 12"}],
        "hide_participants": True,
        "capacity": 25,
    }


def _event_answered() -> event_pb2.Event:
    said = answers.EVENT
    statuses = {
        "yes": event_pb2.PARTICIPANT_STATUS_YES,
        "noreply": event_pb2.PARTICIPANT_STATUS_NO_REPLY,
        "maybe": event_pb2.PARTICIPANT_STATUS_MAYBE,
    }
    fields = _common() | {
        "participants": [
            {"email": email, "name": name, "status": statuses[status]}
            for email, name, status in answers.PEOPLE
        ],
        **{name: said[name] for name in _SAID_AS_IT_IS},
        **{name: Timestamp(seconds=said[name]) for name in _INSTANTS},
    }
    return event_pb2.Event(
        **fields,
        status=event_pb2.EVENT_STATUS_CONFIRMED,
        conferencing=_conferencing_answered(),
    )


_SAID_AS_IT_IS = (
    "id",
    "grant_id",
    "calendar_id",
    "organizer",
    "creator",
    "read_only",
    "html_link",
    "ical_uid",
    "master_event_id",
)
_INSTANTS = ("original_start_time", "created_at", "updated_at")
