"""`extract`: what people get in a mail, a file or the clipboard, and what hostile ones do."""

from __future__ import annotations

import base64
import json
import os
import quopri
import resource
from pathlib import Path

import pytest
from google.protobuf import json_format

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing_service import codec
from conferencing_service.commands.documents import Kind, conferencing_in, kind_of
from conferencing_service.commands.mail import MAX_DEPTH, MAX_PARTS, Mail, text_of
from conferencing_service.core import reading

HERE = Path(__file__).parent
CORPUS = HERE.parent / "corpus" / "conferencing.jsonl"
CASES = [json.loads(line) for line in CORPUS.read_text().splitlines()]
HEADERS = b"From: a@example.com\r\nTo: b@example.com\r\nMIME-Version: 1.0\r\n"
MEET = "https://meet.google.com/kqx-bwtn-hop"
CPU = 2.0
"""Seconds that the worst input may take, the start of the program included."""


def mail(name):
    return (HERE / "mail" / f"{name}.eml").read_bytes()


INVITATIONS = {
    "teams_alternative": (
        "provider      Microsoft Teams",
        "URL           https://teams.microsoft.com/meet/2345501901234?p=AbCdEf123",
        "code          2345501901234",
        "passcode      hT7ks9",
        "PIN           481902734",
        "phones        +468505550123",
    ),
    "zoom_calendar": (
        "provider      Zoom",
        "URL           https://us02web.zoom.us/j/85550109001?pwd=Qm9va3NvbWVwYWdlcw.1",
        "code          85550109001",
        "passcode      604117",
        "phones        +13462480001",
        "found in      LOCATION",
    ),
    "meet_forwarded": (
        "provider      Google Meet",
        f"URL           {MEET}?hs=224",
        "code          kqx-bwtn-hop",
        "PIN           363467801",
        "phones        +16465550142",
        "              phone tel:+16465550142  PIN 363467801  region US",
    ),
    "webex_latin1": (
        "provider      WebEx",
        "URL           https://exemple.webex.com/exemple/j.php?MTID=m0123456789abcdef0123456789abcdef",
        "code          24555012345",
        "passcode      Été2026",
    ),
}


@pytest.mark.parametrize("ending", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("name", INVITATIONS)
async def test_an_invitation_is_read_off_standard_input(run, name, ending):
    ran = await run("extract", given=mail(name).replace(b"\r\n", b"\n").replace(b"\n", ending))
    assert (ran.status, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert not [line for line in INVITATIONS[name] if line not in lines], ran.stdout


async def test_a_file_is_read_and_json_is_the_contracts_answer(run, service):
    ran = await run("extract", str(HERE / "mail/zoom_calendar.eml"), "--json")
    assert (ran.status, ran.stderr) == (0, "")
    answer = json_format.Parse(ran.stdout, s.ExtractConferencingResponse())
    assert answer.conferencing.provider == c.PROVIDER_ZOOM_MEETING
    assert answer.conferencing.details.password == "604117"
    text = f"Join {MEET}"
    ran = await run("extract", "--json", given=text.encode())
    expected = await service.call(s.ExtractConferencingRequest(text=text))
    assert json_format.Parse(ran.stdout, s.ExtractConferencingResponse()) == expected


async def test_where_there_is_none_it_ends_with_1(run):
    path = HERE / "mail/no_meeting.eml"
    ran = await run("extract", str(path))
    assert (ran.status, ran.stdout) == (1, "")
    assert ran.stderr == f"no conference in {path}\n"
    ran = await run("extract", "--json", given=b"")
    assert (ran.status, ran.stdout, ran.stderr) == (1, "{}\n", "")


@pytest.mark.parametrize(
    ("arguments", "given", "why"),
    [
        (["missing.eml"], b"", "missing.eml cannot be read: No such file or directory"),
        ([os.curdir], b"", ". cannot be read: Is a directory"),
        (["mis\x1b[31m\nsing"], b"", "mis\\x1b[31m\\nsing cannot be read: No such file"),
        (["--kind", "google"], b"Join", "standard input is no JSON"),
        (["--kind", "microsoft"], b"[1]", "standard input is no JSON object"),
        (["--kind", "google"], b'{"a":' * 100_000, "JSON that is nested too deeply"),
        ([], b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is neither a mail nor a text"),
        ([], b"a" * (32 * 2**20 + 1), "standard input is larger than 32 MiB"),
    ],
)
async def test_what_cannot_be_read_is_2_with_one_line(run, arguments, given, why):
    ran = await run("extract", *arguments, given=given)
    assert (ran.status, ran.stdout) == (2, "")
    assert ran.stderr.startswith("conferencing-service: ")
    assert ran.stderr.count("\n") == 1
    assert why in ran.stderr


async def test_foreign_words_move_no_cursor_and_need_no_encoding(run):
    link = {"entryPointType": "video", "uri": MEET, "pin": "1\x1b]0;x\x07\n2", "passcode": "é"}
    event = json.dumps({"conferenceData": {"entryPoints": [link]}}).encode()
    for settings in ({}, {"PYTHONIOENCODING": "ascii"}):
        ran = await run("extract", given=event, terminal=True, **settings)
        assert ran.status == 0
        assert not {"\x1b", "\x07"} & set(ran.stdout)
        assert "PIN 1\\x1b]0;x\\x07\\n2" in ran.stdout
    assert "passcode      \\xe9\n" in ran.stdout


# ---- Kinds -------------------------------------------------------------------------------------


def document_of(case):
    """A case of the corpus as a file, its kind, and what the reader makes of it."""
    event = case["event"]
    match case["platform"]:
        case "google":
            return json.dumps(event), Kind.GOOGLE, reading.conferencing_from_google(event)
        case "microsoft":
            return json.dumps(event), Kind.MICROSOFT, reading.conferencing_from_microsoft(event)
        case "ical":
            text = event["vevent"]
            return text, Kind.ICALENDAR, reading.conferencing_from_icalendar(text)
        case _:
            return event["text"], Kind.TEXT, reading.conferencing_from_text(event["text"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_case_of_the_corpus_is_known_for_what_it_is(case):
    text, kind, expected = document_of(case)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        data = text.encode(encoding)
        assert conferencing_in(data, kind) == expected
        seen = kind_of(data)
        assert seen == kind or (kind is Kind.TEXT and seen is Kind.HTML)
        assert conferencing_in(data, seen) == expected


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case["platform"] in {"ical", "text"}],
    ids=lambda case: case["id"],
)
@pytest.mark.parametrize("coding", ["8bit", "base64", "quoted-printable"])
def test_a_case_of_the_corpus_is_read_out_of_a_mail(case, coding):
    text, kind, expected = document_of(case)
    subtype = "calendar" if kind is Kind.ICALENDAR else "html" if "<" in text else "plain"
    body = text.encode()
    match coding:
        case "base64":
            body = base64.encodebytes(body)
        case "quoted-printable":
            body = quopri.encodestring(body)
    data = (
        HEADERS
        + b'Content-Type: multipart/alternative; boundary="a b"\r\n\r\n--a b\r\n'
        + f"Content-Type: text/{subtype}; charset=utf-8\r\n".encode()
        + f"Content-Transfer-Encoding: {coding}\r\n\r\n".encode()
        + body
        + b"\r\n--a b--\r\n"
    )
    assert kind_of(data) is Kind.MAIL
    found = conferencing_in(data, Kind.MAIL)
    assert (found and codec.conferencing_to_proto(found)) == (
        expected and codec.conferencing_to_proto(expected)
    )


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.TEXT),
        (b"Topic: Review\nTime: 10:00\n\nJoin", Kind.TEXT),
        (b"Subject: Review\nJoin us at https://zoom.us", Kind.TEXT),
        (b"From: Ada\nSubject: Review\n\nJoin", Kind.MAIL),
        (b"From ada@example.com Mon Jan  5 09:00:00 2026\nReceived: x\nDate: y\n\n", Kind.MAIL),
        (b"\r\nReturn-Path: <a@b>\r\nReceived: by\r\n\tx\r\nDate: y\r\n\r\n", Kind.MAIL),
        (b"begin:vcalendar\r\n", Kind.ICALENDAR),
        (b"\xef\xbb\xbfBEGIN:VEVENT\nSUMMARY:x", Kind.ICALENDAR),
        (b"<!DOCTYPE html><p>Join", Kind.HTML),
        (b"<p>Join", Kind.HTML),
        (b"<https://meet.google.com/kqx-bwtn-hop>", Kind.TEXT),
        (b'{"hangoutLink": ""}', Kind.GOOGLE),
        (b' {"onlineMeeting": null, "subject": "x"}', Kind.MICROSOFT),
        (b'{"url": "x"}', Kind.TEXT),
        (b"{not JSON", Kind.TEXT),
    ],
)
def test_the_kind_is_seen(data, kind):
    assert kind_of(data) is kind


def test_charsets_are_kept_to_or_seen_through():
    assert text_of("Été".encode("latin-1"), "iso-8859-1") == "Été"
    assert text_of("Été".encode(), "us-ascii") == "Été"
    assert text_of("Été".encode("cp1252")) == "Été"
    assert text_of("会議".encode("iso-2022-jp"), "iso-2022-jp") == "会議"
    assert text_of("会議".encode()[:-1], "utf-8") == "会"
    for name in ("no-such", "punycode", "base64", "zlib", "rot13", "undefined", "a\0b", "idna"):
        assert text_of(b"Join", name) == "Join"


def test_parts_are_asked_in_their_order():
    mails = Mail(mail("zoom_calendar"))
    assert [part.kind.name for part in mails.texts] == ["CALENDAR", "HTML", "PLAIN"]
    attached = (
        HEADERS + b"Content-Type: multipart/mixed;\r\n boundary=b\r\n\r\n--b\r\n\r\nHello\r\n"
        b"--b \t\r\nContent-Type: application/octet-stream; name*=utf-8''Sitzung%20A.ICS\r\n"
        b"Content-Transfer-Encoding: BASE64\r\n\r\nQkVHSU46VkVWRU5U\r\n--b--\r\n--b\r\n\r\nignored"
    )
    assert [(part.kind.name, part.text) for part in Mail(attached).texts] == [
        ("CALENDAR", "BEGIN:VEVENT"),
        ("PLAIN", "Hello\r"),
    ]
    digest = HEADERS + b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nTo: x\n\nHi\n--b--"
    assert [part.text for part in Mail(digest).texts] == ["Hi"]


# ---- Hostile ones ------------------------------------------------------------------------------


def nested(count):
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d."\r\n\r\n--b%d.\r\n' % (level, level)
        for level in range(count)
    )
    closing = b"".join(b"\r\n--b%d.--" % level for level in reversed(range(count)))
    return HEADERS + opening + b"\r\n" + MEET.encode() + closing


def typed(content, body):
    return HEADERS + b"Content-Type: " + content + b"\r\n\r\n" + body


def mixed(part, count):
    return typed(b"multipart/mixed; boundary=b", (b"--b\r\n" + part + b"\r\n") * count)


HOSTILE = {
    "nested": (2, nested(10_000)),
    "forwards": (2, HEADERS + b"Content-Type: message/rfc822\r\n\r\n" * 10_000),
    "a header without end": (1, HEADERS + b"X-A: " + b"a;" * 15_000_000),
    "headers without end": (1, HEADERS + b"X-A: a\r\n" * 3_000_000),
    "folds without end": (1, HEADERS + b"Content-Type: text/plain;\r\n" + b" a\r\n" * 5_000_000),
    "parameters": (1, typed(b"text/plain; " + b'a=";";' * 600, b"")),
    "more parameters": (1, typed(b'text/plain; a="\\";' * 1_000_000, b"")),
    "parts": (2, mixed(b"\r\nx\r\n", 2_000_000)),
    "parts with heads": (1, mixed(b"A: b\r\n" * 10_000 + b"\r\nx\r\n", 480)),
    "marks that are none": (2, mixed(b"--bc\r\n" * 10, 400_000)),
    "one letter as a boundary": (1, typed(b'multipart/mixed; boundary="-"', b"-" * 30_000_000)),
    "broken base64": (
        1,
        typed(b"text/html\r\nContent-Transfer-Encoding: base64", b"a=b$?" * 6_000_000),
    ),
    "broken quoted-printable": (
        1,
        typed(b"text/html\r\nContent-Transfer-Encoding: quoted-printable", b"=3D=\n=" * 5_000_000),
    ),
    "broken uuencode": (
        1,
        typed(b"text/html\r\nContent-Transfer-Encoding: x-uuencode", b"M###\n" * 6_000_000),
    ),
    "punycode": (1, typed(b"text/html; charset=punycode", b"a-b" * 9_000_000)),
    "links": (
        2,
        mixed(
            b"Content-Type: text/html\r\n\r\n" + b"<a href=https://zoom.us.evil.example/j/" * 9000,
            80,
        ),
    ),
    "calendars": (
        2,
        mixed(b"Content-Type: text/calendar\r\n\r\n" + b"CONFERENCE:https://a\r\n" * 9000, 150),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_mail_ends_soon(run, name):
    status, data = HOSTILE[name]
    assert len(data) < 32 * 2**20
    assert kind_of(data) is Kind.MAIL
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = await run("extract", given=data)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (ran.status, ran.stdout) == (status, "")
    assert ran.stderr.count("\n") == 1
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < CPU


def test_the_limits_are_where_they_are_said_to_be():
    assert conferencing_in(nested(MAX_DEPTH), Kind.MAIL) is not None
    assert Mail(nested(MAX_DEPTH + 1)).is_cut
    part = b"Content-Type: text/plain\r\n\r\nx\r\n"
    assert len(Mail(mixed(part, MAX_PARTS - 1)).texts) == MAX_PARTS - 1
    assert not Mail(mixed(part, MAX_PARTS - 1)).is_cut
    assert Mail(mixed(part, MAX_PARTS)).is_cut
    # What was found before a limit counts.
    joined = mixed(b"\r\n" + MEET.encode() + b"\r\n", MAX_PARTS * 2)
    assert conferencing_in(joined, Kind.MAIL) is not None
