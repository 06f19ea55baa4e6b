"""Cisco WebEx: meetings by MTID, personal rooms, on a site of each customer's own."""

from __future__ import annotations

from conferencing_service.core.model import DetailField, Provider
from conferencing_service.core.reading.rules import Label, ProviderRules, join_path

_SERVICES = ("www", "help", "developer", "status", "blog", "community", "learning")

WEBEX = ProviderRules(
    provider=Provider.WEBEX,
    hosts=frozenset(),
    suffixes=(".webex.com",),
    strangers=frozenset(f"{name}.webex.com" for name in _SERVICES),
    paths=(
        join_path(
            r"/(?:[\w.-]{1,64}/){0,2}[jem]\.php\?(?:[\w.=&-]{0,128}&)?MTID=[\w-]{1,128}",
            takes_code=True,
        ),
        join_path(r"/(?:meet|join)/[\w.%+-]{1,128}(?:[/?#]|$)"),
        join_path(r"/wbxmjs/joinservice/sites/[\w.-]{1,64}/meeting/[\w/-]{1,256}", takes_code=True),
        join_path(r"/webappng/sites/[\w.-]{1,64}/meeting/info/[\w-]{1,256}", takes_code=True),
    ),
    labels={
        Label.MEETING_ID: DetailField.MEETING_CODE,
        Label.ACCESS_CODE: DetailField.MEETING_CODE,
        Label.PASSCODE: DetailField.PASSWORD,
    },
    code_digits=(9, 12),
)
