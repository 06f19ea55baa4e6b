"""Zoom: meetings, webinars and personal links, on its own, vanity and government hosts.

`/s/` starts a meeting as its host and is no join path: it must never be handed on.
"""

from __future__ import annotations

from conferencing_service.core.model import DetailField, Provider
from conferencing_service.core.reading.rules import Label, ProviderRules, join_path

_DOMAINS = ("zoom.us", "zoom.com", "zoom.com.cn", "zoomgov.com")
_SERVICES = ("support", "explore", "marketplace", "applications", "status", "developers", "blog")

ZOOM = ProviderRules(
    provider=Provider.ZOOM_MEETING,
    hosts=frozenset(_DOMAINS),
    suffixes=(*(f".{domain}" for domain in _DOMAINS), ".zoom-x.de"),
    strangers=frozenset(f"{name}.{domain}" for name in _SERVICES for domain in _DOMAINS),
    paths=(
        join_path(r"/(?:j|w)/(?P<code>\d{9,11})(?:[/?#]|$)"),
        join_path(r"/wc/join/(?P<code>\d{9,11})(?:[/?#]|$)"),
        join_path(r"/wc/(?P<code>\d{9,11})/join(?:[/?#]|$)"),
        join_path(r"/my/[\w.-]{1,128}(?:[/?#]|$)"),
    ),
    labels={
        Label.MEETING_ID: DetailField.MEETING_CODE,
        Label.PASSCODE: DetailField.PASSWORD,
        Label.ACCESS_CODE: DetailField.PASSWORD,
    },
    code_digits=(9, 11),
    ranked_queries=("pwd=",),
)
