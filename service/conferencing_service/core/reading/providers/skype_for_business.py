"""Skype for Business: Microsoft's hosts here; a company's own hosts only beside its wording."""

from __future__ import annotations

from conferencing_service.core.model import DetailField, Provider
from conferencing_service.core.reading.rules import Label, ProviderRules, join_path

SKYPE_FOR_BUSINESS = ProviderRules(
    provider=Provider.SKYPE_FOR_BUSINESS,
    hosts=frozenset({"meet.lync.com", "join.lync.com"}),
    suffixes=(),
    paths=(join_path(r"/[\w.-]{1,128}/[\w.-]{1,128}/[\w.-]{1,64}(?:[/?#]|$)"),),
    # It has one id, for telephones; some languages call it the meeting's.
    labels={
        Label.CONFERENCE_ID: DetailField.PIN,
        Label.PHONE_ID: DetailField.PIN,
        Label.MEETING_ID: DetailField.PIN,
    },
    worse_queries=("sl=",),
)

ON_PREMISES_PREFIXES = ("meet.", "join.", "lync.", "sfb.", "skype.")
"""How companies call their own hosts."""

ON_PREMISES = join_path(r"/[\w.-]{1,128}/[A-Z0-9]{4,16}/?(?:[?#]|$)")
"""The path of a link on a company's own host, which says nothing by itself."""
