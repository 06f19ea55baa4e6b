"""GoToMeeting: its "access code" is the meeting's number."""

from __future__ import annotations

from conferencing_service.core.model import DetailField, Provider
from conferencing_service.core.reading.rules import Label, ProviderRules, join_path

GOTOMEETING = ProviderRules(
    provider=Provider.GOTOMEETING,
    hosts=frozenset(
        {
            "global.gotomeeting.com",
            "www.gotomeeting.com",
            "www1.gotomeeting.com",
            "www2.gotomeeting.com",
            "app.gotomeeting.com",
            "gotomeeting.com",
            "app.goto.com",
            "meet.goto.com",
            "www.gotomeet.me",
            "gotomeet.me",
        }
    ),
    suffixes=(),
    paths=(
        join_path(r"/(?:join|meeting)/(?P<code>\d{9})(?:[/?#]|$)"),
        join_path(r"/(?:index\.html)?\?(?:[\w.=&-]{0,128}&)?meetingId=(?P<code>\d{9})(?:[&#]|$)"),
        join_path(r"/(?P<code>\d{9})(?:[/?#]|$)"),
        join_path(
            r"/(?!(?:install|join|meeting|download|system-check|support|pricing|features|login)"
            r"(?:[/?#]|$))[a-z][\w.-]{2,64}/?(?:[?#]|$)"
        ),
    ),
    labels={
        Label.MEETING_ID: DetailField.MEETING_CODE,
        Label.ACCESS_CODE: DetailField.MEETING_CODE,
        Label.PASSCODE: DetailField.PASSWORD,
    },
    code_digits=(9, 9),
)
