"""Whose link is it? Each provider's hosts and the paths on them that join a meeting, as data.

Hosts and paths: the vendors' own invitation texts and link formats. A path that is not listed is no
join link, however well its host is known: recordings, registration and help pages stay out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from conferencing_service.core.model import Provider


@dataclass(frozen=True, slots=True)
class JoinPaths:
    """The join links of a provider on some hosts.

    Attributes:
        provider: whose.
        hosts: hosts that must match exactly.
        suffixes: domains whose subdomains match.
        paths: patterns of the path with its query, matched from the start; the group `code`, where
            there is one, is the meeting code.
    """

    provider: Provider
    hosts: frozenset[str]
    suffixes: tuple[str, ...]
    paths: tuple[re.Pattern[str], ...]

    def has_host(self, host: str) -> bool:
        """Tell whether a lower-case host is one of these."""
        return host in self.hosts or host.endswith(self.suffixes)


def _paths(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE | re.ASCII) for pattern in patterns)


JOIN_PATHS: tuple[JoinPaths, ...] = (
    JoinPaths(
        Provider.GOOGLE_MEET,
        frozenset({"meet.google.com"}),
        (),
        _paths(
            r"/(?:_meet/)?(?P<code>[a-z]{3}-[a-z]{4}-[a-z]{3})(?:[/?#]|$)",
            r"/lookup/(?P<code>[a-z0-9_-]{1,128})(?:[/?#]|$)",
        ),
    ),
    JoinPaths(
        Provider.ZOOM_MEETING,
        frozenset({"zoom.us", "zoom.com", "zoom.com.cn", "zoomgov.com"}),
        (".zoom.us", ".zoom.com", ".zoom.com.cn", ".zoomgov.com", ".zoom-x.de"),
        _paths(
            r"/(?:j|w)/(?P<code>\d{9,11})(?:[/?#]|$)",
            r"/wc/join/(?P<code>\d{9,11})(?:[/?#]|$)",
            r"/wc/(?P<code>\d{9,11})/join(?:[/?#]|$)",
            r"/my/[\w.-]{1,128}(?:[/?#]|$)",
        ),
    ),
    JoinPaths(
        Provider.MICROSOFT_TEAMS,
        frozenset(
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
        (),
        _paths(
            r"/l/meetup-join/19(?:%3a|:)[a-z0-9_%.@-]{1,512}",
            r"/meet/(?P<code>\d{10,16})(?:[/?#]|$)",
        ),
    ),
    JoinPaths(
        Provider.WEBEX,
        frozenset(),
        (".webex.com",),
        _paths(
            r"/(?:[\w.-]{1,64}/)?[je]\.php\?MTID=[\w-]{1,128}",
            r"/(?:meet|join)/[\w.-]{1,128}(?:[/?#]|$)",
        ),
    ),
    JoinPaths(
        Provider.GOTOMEETING,
        frozenset(
            {
                "global.gotomeeting.com",
                "www.gotomeeting.com",
                "www1.gotomeeting.com",
                "app.gotomeeting.com",
                "app.goto.com",
                "meet.goto.com",
                "www.gotomeet.me",
                "gotomeet.me",
            }
        ),
        (),
        _paths(
            r"/(?:join|meeting)/(?P<code>\d{9})(?:[/?#]|$)",
            r"/(?:index\.html)?\?meetingId=(?P<code>\d{9})(?:[&#]|$)",
            r"/(?P<code>\d{9})(?:[/?#]|$)",
            r"/(?!install(?:[/?#]|$)|join(?:[/?#]|$)|meeting(?:[/?#]|$))[a-z][\w.-]{2,64}/?(?:[?#]|$)",
        ),
    ),
    JoinPaths(
        Provider.SKYPE_FOR_BUSINESS,
        frozenset({"meet.lync.com"}),
        (),
        _paths(r"/[\w.-]{1,128}/[\w.-]{1,128}/[\w.-]{1,64}(?:[/?#]|$)"),
    ),
    JoinPaths(
        Provider.SKYPE_FOR_CONSUMER,
        frozenset({"join.skype.com"}),
        (),
        _paths(r"/(?:invite/)?(?!bot(?:[/?#]|$)|invite(?:[/?#]|$))[a-z0-9]{4,64}(?:[/?#]|$)"),
    ),
)
