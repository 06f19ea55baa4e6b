"""Google Meet: codes of 3-4-3 letters and lookup aliases (Google Calendar API, EntryPoint)."""

from __future__ import annotations

from conferencing_service.core.model import DetailField, Provider
from conferencing_service.core.reading.rules import Label, ProviderRules, join_path

GOOGLE_MEET = ProviderRules(
    provider=Provider.GOOGLE_MEET,
    hosts=frozenset({"meet.google.com"}),
    suffixes=(),
    paths=(
        join_path(r"/(?:_meet/)?(?P<code>[a-z]{3}-[a-z]{4}-[a-z]{3})(?:[/?#]|$)"),
        join_path(r"/(?:_meet/)?lookup/(?P<code>[a-z0-9_-]{1,128})(?:[/?#]|$)"),
    ),
    labels={Label.PIN: DetailField.PIN},
)
