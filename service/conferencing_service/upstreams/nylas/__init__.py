"""Nylas v3: events of Google, Microsoft, iCloud, Exchange and virtual calendars by one REST API."""

from __future__ import annotations

from conferencing_service.upstreams.nylas.upstream import NylasUpstream

__all__ = ["NylasUpstream"]
