"""What a provider's module declares: hosts, join paths, and what labels mean beside its links."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from conferencing_service.core.model import DetailField, Provider


class Label(enum.Enum):
    """What a label beside a link announces, before it is known whose link it is."""

    MEETING_ID = "meeting id"
    PASSCODE = "passcode"
    ACCESS_CODE = "access code"
    PHONE_ID = "phone conference id"
    CONFERENCE_ID = "conference id"
    PIN = "pin"
    OTHER = "something that is none of our fields"


@dataclass(frozen=True, slots=True)
class JoinPath:
    """A form of join link.

    Attributes:
        pattern: matched from the start of the path with its query, without regard to case; the
            group `code`, where there is one, is the meeting code.
        takes_code: whether a meeting code may be read off a label beside such a link.
        rank: of two links to the same meeting the one with the higher rank is taken.
    """

    pattern: re.Pattern[str]
    takes_code: bool = False
    rank: int = 0


def join_path(pattern: str, *, takes_code: bool = False, rank: int = 0) -> JoinPath:
    """Return a join path of a pattern."""
    return JoinPath(re.compile(pattern, re.IGNORECASE | re.ASCII), takes_code, rank)


@dataclass(frozen=True, slots=True)
class ProviderRules:
    """How a provider's conferences are recognised and read.

    Attributes:
        provider: whose.
        hosts: hosts that must match exactly.
        suffixes: domains whose subdomains match, each with its leading dot.
        strangers: hosts that match above and hold no meetings.
        paths: the forms of a join link; whatever matches none is no join link.
        labels: which detail a label announces; a label that is not here announces none.
        code_digits: how many digits a labelled meeting code has, least and most.
        ranked_queries: query parameters that make the better one of two links to one meeting.
        worse_queries: query parameters that make the worse one.
    """

    provider: Provider
    hosts: frozenset[str]
    suffixes: tuple[str, ...]
    paths: tuple[JoinPath, ...]
    strangers: frozenset[str] = frozenset()
    labels: Mapping[Label, DetailField] = field(default_factory=dict)
    code_digits: tuple[int, int] = (9, 11)
    ranked_queries: tuple[str, ...] = ()
    worse_queries: tuple[str, ...] = ()

    def has_host(self, host: str) -> bool:
        """Tell whether a lower-case host is one of these."""
        if host in self.hosts:
            return True
        return host.endswith(self.suffixes) and host not in self.strangers
