"""Microsoft Teams: the short and the long form of its links, on public and government hosts."""

from __future__ import annotations

from conferencing_service.core.model import DetailField, Provider
from conferencing_service.core.reading.rules import Label, ProviderRules, join_path

MICROSOFT_TEAMS = ProviderRules(
    provider=Provider.MICROSOFT_TEAMS,
    hosts=frozenset(
        {
            "teams.microsoft.com",
            "teams.live.com",
            "teams.cloud.microsoft",
            "teams.microsoft.us",
            "gov.teams.microsoft.us",
            "dod.teams.microsoft.us",
            "gov.teams.microsoft.com",
            "teams.microsoftonline.cn",
        }
    ),
    suffixes=(".teams.microsoft.com",),
    strangers=frozenset({"dialin.teams.microsoft.com"}),
    paths=(
        join_path(r"/meet/(?P<code>\d{9,16})(?:[/?#]|$)", rank=1),
        join_path(r"/l/meetup-join/19(?:%3a|:)[a-z0-9_%.:@-]{1,512}", takes_code=True),
        join_path(
            r"/dl/launcher/launcher\.html\?url=%2f_%23%2fl%2fmeetup-join%2f", takes_code=True
        ),
    ),
    labels={
        Label.MEETING_ID: DetailField.MEETING_CODE,
        Label.PASSCODE: DetailField.PASSWORD,
        Label.ACCESS_CODE: DetailField.PASSWORD,
        Label.PHONE_ID: DetailField.PIN,
        Label.CONFERENCE_ID: DetailField.PIN,
    },
    code_digits=(9, 16),
)
