"""The page for people, as the sandbox sends it: what stands on it, and what cannot slip through."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import quote

import httpx
import pytest

from support.sandbox import START

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
MEET = {"provider": "Google Meet", "autocreate": {}}


class Reader(HTMLParser):
    """Takes a page apart: its elements, its whole text, and the rows of its tables by name."""

    def __init__(self, text):
        super().__init__()
        self.elements = []
        self.text = ""
        self.tables = {}
        self._caption = None
        self._cell = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag == "caption":
            self._caption = ""
        elif tag == "tr" and "data-key" in attributes:
            self._rows.append({})
        elif tag == "td":
            self._cell = attributes["data-label"]
            self._rows[-1][self._cell] = ""

    def handle_endtag(self, tag):
        if tag == "caption":
            self._rows = self.tables.setdefault(self._caption, [])
            self._caption = None
        elif tag == "td":
            self._cell = None
        self.handle_data(" ")

    def handle_data(self, data):
        self.text += data
        if self._caption is not None:
            self._caption += data
        elif self._cell is not None:
            self._rows[-1][self._cell] = re.sub(r"\s+", " ", self._rows[-1][self._cell] + data)

    def links(self):
        return [attributes for tag, attributes in self.elements if tag == "a"]


def page(sandbox, grant_id=None):
    answer = sandbox.http.get("/", params={} if grant_id is None else {"grant": grant_id})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return Reader(answer.text)


def events(sandbox, grant, calendar):
    return page(sandbox, grant.id).tables[f"Events of {calendar}, {grant.id}"]


def email(grant):
    return f"{grant.id}@example.com"


def test_every_grant_is_shown_with_its_platform_its_status_and_its_calendars(start):
    with start() as sandbox:
        shown = page(sandbox)
        text = re.sub(r"\s+", " ", shown.text)
        assert "google-demo google valid google-demo@example.com" in text
        assert "expired-demo google invalid expired-demo@example.com" in text
        assert "virtual-demo virtual-calendar valid" in text
        assert "zoom-demo zoom valid zoom-demo@example.com No calendar on this platform." in text
        assert "No events in google-demo@example.com primary , Team team" in text
        holidays = shown.tables["Events of Holidays, google-demo"]
        assert [row["Event"].split("no participants")[0].strip() for row in holidays] == [
            "New Year's Day"
        ]
        assert holidays[0]["When"].endswith("all day ")


def test_an_event_is_shown_in_its_own_zone_with_all_that_it_takes_to_join(sandbox, google):
    berlin = {"start_timezone": "Europe/Berlin", "end_timezone": "Europe/Berlin"}
    created = google.created(
        title="Design review",
        when={"start_time": START, "end_time": START + 3600, **berlin},
        participants=[{"email": "ada@example.com"}, {"email": "grace@example.com"}],
        conferencing=MEET,
    )
    (row,) = events(sandbox, google, email(google))
    assert row["When"] == "Sun 17 Mar 2030 18:46 to 19:46 Europe/Berlin "
    assert row["Event"] == f"Design review 2 participants {created['id']} "
    details = created["conferencing"]["details"]
    assert row["Conference"] == (
        f"Google Meet autocreate meet.google.com/{details['meeting_code']} "
        f"Meeting code {details['meeting_code']} PIN {details['pin']} Phone {details['phone'][0]} "
    )
    joins = [link for link in page(sandbox, google.id).links() if link["href"] == details["url"]]
    assert [link["rel"] for link in joins] == ["noreferrer noopener"]


def test_details_that_a_caller_brought_are_told_from_those_that_were_made(sandbox, google, zoom):
    webex = {"url": "https://example.webex.com/meet/ada", "password": "s3cret", "pin": "77"}
    google.created(conferencing={"provider": "WebEx", "details": {**webex, "phone": ["+1", "+2"]}})
    made = {"provider": "Zoom Meeting", "autocreate": {"conf_grant_id": zoom.id}}
    google.created(when={"time": START + 5}, conferencing=made)
    google.created(when={"time": START + 9})
    rows = events(sandbox, google, email(google))
    assert rows[0]["Conference"] == (
        "WebEx details example.webex.com/meet/ada Passcode s3cret PIN 77 Phone +1, +2 "
    )
    assert rows[1]["Conference"].startswith("Zoom Meeting autocreate us05web.zoom.us/j/")
    assert " Passcode " in rows[1]["Conference"]
    assert rows[2]["Conference"] == "None "


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        ({"time": START}, "Sun 17 Mar 2030, 17:46 UTC"),
        ({"time": START, "timezone": "Asia/Tokyo"}, "Mon 18 Mar 2030, 02:46 Asia/Tokyo"),
        (
            {
                "start_time": START,
                "start_timezone": "Europe/Berlin",
                "end_time": START + 3600,
                "end_timezone": "America/New_York",
            },
            "Sun 17 Mar 2030, 18:46 Europe/Berlin to Sun 17 Mar 2030, 14:46 America/New_York",
        ),
        (
            {"start_time": START, "end_time": START + 86_400},
            "Sun 17 Mar 2030, 17:46 to Mon 18 Mar 2030, 17:46 UTC",
        ),
        ({"date": "2030-03-17"}, "Sun 17 Mar 2030 all day"),
        (
            {"start_date": "2030-03-17", "end_date": "2030-03-18"},
            "Sun 17 Mar 2030 to Mon 18 Mar 2030 all day",
        ),
        # In Tokyo that is in the year 10000, which no calendar here knows.
        ({"time": 253_402_300_799, "timezone": "Asia/Tokyo"}, "Fri 31 Dec 9999, 23:59 UTC"),
    ],
)
def test_every_form_of_a_time_can_be_read(sandbox, virtual, when, shown):
    virtual.created(when=when)
    (row,) = events(sandbox, virtual, email(virtual))
    assert row["When"].strip() == shown


def test_a_deleted_event_and_its_conference_are_gone_and_the_log_tells_of_them(sandbox, google):
    event_id = google.created(title="Short lived", conferencing=MEET)["id"]
    google.delete(event_id)
    shown = page(sandbox, google.id)
    assert "Short lived" not in shown.text
    log = shown.tables["Effect log"]
    assert [row["Effect"].strip() for row in log] == [
        *("event_deleted", "conference_deleted", "event_created", "conference_created")
    ]
    assert [int(row["No."]) for row in log] == sorted(
        (int(row["No."]) for row in log), reverse=True
    )
    assert {row["Grant"].strip() for row in log} == {google.id}
    assert {row["Event"].strip() for row in log} == {event_id}


def test_a_conference_whose_event_was_refused_is_shown(sandbox, google):
    google.fault("insert_refused", value=403)
    google.create(conferencing=MEET)
    (made,) = google.conferences()
    shown = page(sandbox, google.id)
    (row,) = shown.tables[f"Conferences without an event, {google.id}"]
    assert row["Provider"].strip() == "Google Meet"
    assert made["details"]["meeting_code"] in row["Join details"]
    assert shown.tables["Effect log"][0]["Event"].strip() == "none"


def test_calls_are_shown_with_their_trace_ids_their_ends_and_their_faults(sandbox, google):
    google.http.get(f"/v3/grants/{google.id}", headers={"traceparent": TRACEPARENT})
    google.get("un<known>")
    google.fault("server_error", value=503)
    google.listed()
    google.fault("reset_before_commit", method="POST")
    with pytest.raises(httpx.ReadError):
        google.create()
    rows = page(sandbox, google.id).tables["REST calls"]
    calls = [row["Call, grant and trace id"].strip() for row in rows]
    path = f"/v3/grants/{google.id}"
    assert calls == [
        f"POST {path}/events?calendar_id=primary {google.id} no trace reset_before_commit",
        f"GET {path}/events?calendar_id=primary {google.id} no trace server_error",
        f"GET {path}/events/un%3Cknown%3E?calendar_id=primary {google.id} no trace",
        f"GET {path} {google.id} {TRACE}",
    ]
    ends = [re.fullmatch(r"(\w+) \d+ ms ", row["Status"])[1] for row in rows]
    assert ends == ["reset", "503", "404", "200"]
    assert all(re.fullmatch(r"\d+ \w{3} [\d:]{8}\.\d{3} ", row["Time (UTC)"]) for row in rows)


def test_armed_faults_are_shown_with_what_they_befall(start):
    with start() as sandbox:
        assert "None: every call is answered as it should be." in page(sandbox).text
        sandbox.arm(
            {"kind": "rate_limit", "value": 7, "grant_id": "google-demo", "method": "POST"},
            {"kind": "latency", "times": None, "resource": "grant"},
            {"kind": "grant_401", "times": 3},
            {"kind": "reset_after_commit"},
            {"kind": "pending_conference", "value": None},
        )
        rows = page(sandbox).tables["Armed faults"]
        assert [tuple(cell.strip() for cell in row.values()) for row in rows] == [
            ("rate_limit 7 (seconds in Retry-After)", "POST of google-demo", "1"),
            (
                "latency 100 (milliseconds before the call is handled)",
                "reads and writes, grant of all grants",
                "always",
            ),
            ("grant_401", "reads and writes of all grants", "3"),
            ("reset_after_commit", "writes of all grants", "1"),
            (
                "pending_conference null (milliseconds until the details show; null: never)",
                "writes, autocreate of all grants",
                "1",
            ),
        ]
        assert len(page(sandbox, "icloud-demo").tables["Armed faults"]) == 4


def test_one_grant_can_be_chosen(sandbox, google, microsoft):
    google.created(title="Of Google")
    microsoft.created(title="Of Microsoft")
    shown = page(sandbox, google.id)
    assert "Of Google" in shown.text
    assert "Of Microsoft" not in shown.text
    assert {row["Grant"].strip() for row in shown.tables["Effect log"]} == {google.id}
    current = [link["href"] for link in shown.links() if "aria-current" in link]
    assert current == [f"/?grant={google.id}"]
    both = page(sandbox)
    assert "Of Google" in both.text
    assert "Of Microsoft" in both.text
    assert [link["href"] for link in both.links() if "aria-current" in link] == ["/"]


def test_a_grant_that_does_not_exist_is_no_error_and_its_calls_are_shown(sandbox):
    sandbox.demo("unheard-of-by-any-test").listed()
    shown = page(sandbox, "unheard-of-by-any-test")
    assert "There is no grant" in shown.text
    assert [row["Status"][:3] for row in shown.tables["REST calls"]] == ["404"]


def test_the_grant_that_was_busy_last_comes_first(sandbox, google, microsoft):
    for grant in (google, microsoft, google):
        grant.created()
        first = next(name for name in page(sandbox).tables if name.startswith("Events of "))
        assert first == f"Events of {email(grant)}, {grant.id}"


def test_nothing_that_came_in_becomes_markup(sandbox):
    planted = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    grant = sandbox.grant("google", id=planted, email=f"{planted}@x", read_only_calendar=planted)
    path = f"/v3/grants/{quote(planted, safe='')}"
    when = {"time": START, "timezone": "UTC"}
    body = {
        "title": planted,
        "when": when,
        "location": planted[:250],
        "recurrence": [f"RRULE{planted}"],
    }
    grant.id = quote(planted, safe="")
    webex = {"url": f"https://x.example/{quote(planted)}", "password": planted, "pin": planted}
    webex["phone"] = [planted]
    grant.created(**body, conferencing={"provider": "WebEx", "details": webex})
    headers = {"traceparent": planted}
    sandbox.http.get(f"{path}/events/<script>?calendar_id=<script>{planted}", headers=headers)
    sandbox.http.put(
        "/_sandbox/faults", json={"faults": [{"kind": "latency", "grant_id": planted}]}
    )
    for shown in (page(sandbox, planted), page(sandbox), page(sandbox, planted * 2)):
        scripts = [attributes for tag, attributes in shown.elements if tag == "script"]
        assert scripts == [{"src": "/_sandbox/page.js", "type": "module"}]
        assert "img" not in {tag for tag, _ in shown.elements}
        names = {name for _, attributes in shown.elements for name in attributes}
        assert not [name for name in names if name.startswith("on") or name == "style"]
        assert planted in shown.text
    sandbox.arm()
    rows = events(sandbox, type(grant)(planted, grant.http), f"{planted}@x")
    assert [row["Event"].startswith(planted) for row in rows] == [True]
    assert rows[0]["Conference"].count(planted) == 3


@pytest.mark.parametrize(
    "address",
    [
        *("javascript:alert(1)", "JavaScript:alert(1)//https://x.example", " javascript:alert(1)"),
        *("java\nscript:alert(1)", "data:text/html,<script>", "https:", "https://", "//x.example"),
        *("http://[x", "file:///etc/passwd", "https://x.example/ y", "https://x\u202e.example"),
        "vbscript:https://x.example",
    ],
)
def test_only_a_web_address_becomes_a_link(sandbox, google, address):
    google.created(location=address)
    shown = page(sandbox, google.id)
    assert address in shown.text
    inside = ("/?grant=", "#contents")
    assert not [
        link
        for link in shown.links()
        if not link["href"].startswith(inside) and link["href"] != "/"
    ]


def test_a_place_that_is_a_web_address_becomes_a_link(sandbox, google):
    address = "HTTPS://example.com/room?a=1&b=%22"
    google.created(location=address)
    found = [link for link in page(sandbox, google.id).links() if link["href"] == address]
    assert [link["rel"] for link in found] == ["noreferrer noopener"]


def test_a_table_says_that_it_is_one_where_its_cells_are_stacked(sandbox):
    # Some browsers forget it of a table that the style sheet lays out otherwise.
    roles = {
        "table": "table",
        "thead": "rowgroup",
        "tbody": "rowgroup",
        "tr": "row",
        "th": "columnheader",
        "td": "cell",
    }
    found = {tag: given for tag, given in page(sandbox).elements if tag in roles}
    assert {tag: given.get("role") for tag, given in found.items()} == roles
    assert found["th"]["scope"] == "col"


def test_much_is_cut_to_what_a_page_can_hold(sandbox):
    grant = sandbox.grant("virtual-calendar", read_only_calendar=None)
    for number in range(205):
        grant.created(title=f"Event {number}", when={"time": START + number})
    shown = page(sandbox, grant.id)
    rows = shown.tables[f"Events of {email(grant)}, {grant.id}"]
    titles = [row["Event"].split(" no ")[0] for row in rows]
    # Those that were written last, in the order of their time.
    assert titles == [f"Event {number}" for number in range(105, 205)]
    assert "105 more events" in shown.text
    for log, what in (("Effect log", "effects"), ("REST calls", "calls")):
        assert len(shown.tables[log]) + len(shown.tables[f"{log}, older"]) == 200
        assert f"5 more {what}" in shown.text
    sandbox.arm(*({"kind": "latency", "value": 0, "grant_id": grant.id} for _ in range(53)))
    assert "3 more faults" in page(sandbox, grant.id).text
    sandbox.arm()


def test_an_endless_text_is_cut(sandbox, google):
    address = f"https://x.example/{'y' * 300_000}"
    google.created(
        recurrence=[f"RRULE:{'z' * 300_000}"] * 2,
        conferencing={"provider": "GoToMeeting", "details": {"url": address}},
    )
    shown = page(sandbox, google.id)
    assert address not in {link["href"] for link in shown.links()}
    assert len(shown.text) < 10_000
    assert shown.text.count("…") == 2


def test_many_grants_are_cut_and_one_can_still_be_asked_for(start):
    with start("--events-per-second", "0") as sandbox:
        grants = [sandbox.grant("virtual-calendar") for _ in range(60)]
        for grant in grants[:15]:
            for number in range(40):
                grant.created(when={"time": START + number})
        shown = page(sandbox)
        assert "17 more grants" in shown.text
        rows = [row for name, rows in shown.tables.items() if "Events of" in name for row in rows]
        assert len(rows) == 300
        listed = {link["href"].removeprefix("/?grant=") for link in shown.links()}
        left_out = next(grant.id for grant in grants if grant.id not in listed)
        assert ("form", {"action": "/"}) in shown.elements
        assert (
            "input",
            {"id": "grant", "name": "grant", "placeholder": "grant id", "required": ""},
        ) in shown.elements
        links = page(sandbox, left_out).links()
        assert [link["href"] for link in links if "aria-current" in link] == [f"/?grant={left_out}"]
