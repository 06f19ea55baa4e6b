"""Skype for Consumer: retired, in old events only."""

from __future__ import annotations

from conferencing_service.core.model import Provider
from conferencing_service.core.reading.rules import ProviderRules, join_path

SKYPE_FOR_CONSUMER = ProviderRules(
    provider=Provider.SKYPE_FOR_CONSUMER,
    hosts=frozenset({"join.skype.com"}),
    suffixes=(),
    paths=(
        join_path(r"/invite/[a-z0-9]{4,64}(?:[/?#]|$)"),
        join_path(r"/(?!(?:bot|invite)(?:[/?#]|$))[a-z0-9]{4,64}(?:[/?#]|$)"),
    ),
)
