"""Conference details out of native events and texts. Nothing is fetched, nothing is guessed."""

from __future__ import annotations

from conferencing_service.core.reading.blocks import block_of, holds, without_block
from conferencing_service.core.reading.icalendar import conferencing_from_icalendar
from conferencing_service.core.reading.links import (
    JoinLink,
    conferencing_from_text,
    is_provider_host,
    join_link_from_url,
    join_links_in,
)
from conferencing_service.core.reading.native import (
    conferencing_from_google,
    conferencing_from_microsoft,
)

__all__ = [
    "JoinLink",
    "block_of",
    "conferencing_from_google",
    "conferencing_from_icalendar",
    "conferencing_from_microsoft",
    "conferencing_from_text",
    "holds",
    "is_provider_host",
    "join_link_from_url",
    "join_links_in",
    "without_block",
]
