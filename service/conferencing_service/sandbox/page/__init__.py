"""The sandbox's page for people: what is in the calendars, what happened, and which calls came.

Rendered on the server. It reads the sandbox's memory and never changes it.
"""

from __future__ import annotations

from conferencing_service.sandbox.page.site import Page

__all__ = ["Page"]
