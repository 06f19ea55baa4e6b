"""What callers ask during a soak: a mix of every RPC, and how each request has to end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1 import event_pb2 as e
from support.service import START, autocreate, creation, delete, details, get, timespan, update

OK = "OK"
_LINK = "https://zoom.us/j/98765432101?pwd=secret"
_TEXTS = (
    "Join: https://meet.google.com/abc-defg-hij",
    f"Join Zoom Meeting\n{_LINK}\nMeeting ID: 987 6543 2101\nPasscode: sesame\n" * 3,
    "Nothing to join here.\n" * 200,
    # Above 32 KiB it is read in a thread.
    f"{'An agenda. ' * 4000}\n{_LINK}",
)


@dataclass
class Asked:
    """One request, and what it may end with; whoever is cancelled is told CANCELLED instead."""

    request: Any
    endings: frozenset[str] = frozenset({OK})


class Asking:
    """Draws requests on a bounded set of grants.

    Args:
        sandbox: where the grants are made.
        dice: what is drawn with.
        grants: how many calendars there are.
    """

    def __init__(self, sandbox, dice, grants=50):
        self.dice = dice
        platforms = ("google",) * 8 + ("microsoft",) * 2
        self.grants = [sandbox.grant(platforms[n % len(platforms)]) for n in range(grants)]
        self.host = sandbox.grant("zoom")

    def creation(self):
        """A CreateEvent that is right."""
        grant = self.dice.choice(self.grants)
        conferencing = self.dice.choice(
            [
                None,
                autocreate(),
                autocreate(c.PROVIDER_ZOOM_MEETING, self.host.id, {"settings": {"duration": 60}}),
                details(c.PROVIDER_ZOOM_MEETING, _LINK, meeting_code="98765432101"),
            ]
        )
        return creation(
            grant.id,
            conferencing,
            request_id=self._uuid(),
            title="Review",
            when=timespan(START + 3600 * self.dice.randrange(2000)),
            description="<b>Agenda</b>\n" * self.dice.randrange(60),
            participants=[e.Participant(email=f"guest-{n}@example.com") for n in range(3)],
        )

    def about(self, grant_id, event_id):
        """What is asked about an event before it is deleted, in any order."""
        return self.dice.sample(
            [
                Asked(get(grant_id, event_id)),
                Asked(update(grant_id, event_id, title="Another", location="Room 7")),
                Asked(self._listing(grant_id)),
                Asked(update(grant_id, event_id, "conferencing", title="unmasked")),
            ],
            k=self.dice.randrange(1, 4),
        )

    def deletion(self, grant_id, event_id):
        """A DeleteEvent; one that was cancelled may have been done."""
        return Asked(delete(grant_id, event_id, allow_missing=True))

    def alone(self):
        """A request that belongs to no event: checks, texts, and what is refused."""
        return self.dice.choice(
            (self._check, self._extraction, self._faulty, self._unknown, self._refused)
        )()

    def nothing(self):
        """An event that nobody made."""
        grant = self.dice.choice(self.grants)
        return Asked(get(grant.id, self._uuid()), frozenset({"EVENT_NOT_FOUND"}))

    def reused(self, request):
        """The same request_id with another payload."""
        other = type(request)()
        other.CopyFrom(request)
        other.event.title = "Something else"
        return Asked(other, frozenset({"REQUEST_ID_REUSED"}))

    def for_a_broken_connection(self):
        """A request whose caller does not wait for its end."""
        grant = self.dice.choice(self.grants)
        draw = (
            self.creation,
            lambda: get(grant.id, "nothing"),
            lambda: self._listing(grant.id),
            lambda: self._check().request,
        )
        return self.dice.choice(draw)()

    def _listing(self, grant_id):
        return s.ListEventsRequest(grant_id=grant_id, calendar_id="primary", page_size=20)

    def _check(self):
        grant = self.dice.choice(self.grants)
        return Asked(s.CheckCompatibilityRequest(grant_id=grant.id, calendar_id="primary"))

    def _extraction(self):
        text = self.dice.choices(_TEXTS, (10, 10, 10, 1))[0]
        return Asked(s.ExtractConferencingRequest(text=text))

    def _faulty(self):
        request = self.creation()
        request.event.ClearField("when")
        request.event.title = "x" * 2000
        return Asked(request, frozenset({"INVALID_FIELD"}))

    def _unknown(self):
        name = f"nobody-{self.dice.randrange(1000)}"
        return Asked(get(name, "nothing"), frozenset({"GRANT_NOT_FOUND"}))

    def _refused(self):
        google = self.grants[0].id
        request = creation(google, autocreate(c.PROVIDER_MICROSOFT_TEAMS), request_id=self._uuid())
        return Asked(request, frozenset({"CROSS_PLATFORM_AUTOCREATE"}))

    def _uuid(self):
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))
