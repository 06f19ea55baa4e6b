"""Conference details out of native events and texts. Nothing is fetched, nothing is guessed.

`providers/` says what is a join link and what labels mean, a module per provider; `authority` and
`wrappers` find out whose link it really is; `links` scans; `text` reads the block of the chosen
link; `native` and `icalendar` read structures first. All of it takes linear time.
"""

from __future__ import annotations

from conferencing_service.core.reading.blocks import block_of, holds, without_block
from conferencing_service.core.reading.icalendar import conferencing_from_icalendar
from conferencing_service.core.reading.links import (
    JoinLink,
    is_provider_host,
    join_link_from_url,
    join_links_in,
)
from conferencing_service.core.reading.native import (
    conferencing_from_google,
    conferencing_from_microsoft,
    first_in,
)
from conferencing_service.core.reading.text import conferencing_from_text

__all__ = [
    "JoinLink",
    "block_of",
    "conferencing_from_google",
    "conferencing_from_icalendar",
    "conferencing_from_microsoft",
    "conferencing_from_text",
    "first_in",
    "holds",
    "is_provider_host",
    "join_link_from_url",
    "join_links_in",
    "without_block",
]
