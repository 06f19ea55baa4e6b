"""Every provider that is read; a new one is a module here and a line below."""

from __future__ import annotations

from conferencing_service.core.reading.providers.google_meet import GOOGLE_MEET
from conferencing_service.core.reading.providers.gotomeeting import GOTOMEETING
from conferencing_service.core.reading.providers.microsoft_teams import MICROSOFT_TEAMS
from conferencing_service.core.reading.providers.skype_for_business import SKYPE_FOR_BUSINESS
from conferencing_service.core.reading.providers.skype_for_consumer import SKYPE_FOR_CONSUMER
from conferencing_service.core.reading.providers.webex import WEBEX
from conferencing_service.core.reading.providers.zoom import ZOOM

PROVIDERS = (
    GOOGLE_MEET,
    ZOOM,
    MICROSOFT_TEAMS,
    WEBEX,
    GOTOMEETING,
    SKYPE_FOR_BUSINESS,
    SKYPE_FOR_CONSUMER,
)

__all__ = ["PROVIDERS"]
