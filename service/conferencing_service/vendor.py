"""The vendor that the settings name, and the way out to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx
from pydantic import SecretStr

from conferencing_service import __version__
from conferencing_service.api_key import ApiKey
from conferencing_service.metrics import request_histogram
from conferencing_service.setting_checks import HOSTS
from conferencing_service.settings import Settings, SettingsError
from conferencing_service.telemetry import Telemetry
from conferencing_service.upstreams.addresses import check_host, own_hosts
from conferencing_service.upstreams.aiohttp_transport import AiohttpTransport
from conferencing_service.upstreams.http import RestClient
from conferencing_service.upstreams.nylas import NylasUpstream

NYLAS = "nylas"
"""What the upstream is called in names of health."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """Where the Nylas API is and what opens it."""

    base_url: str
    api_key: ApiKey


def nylas_upstream(
    vendor: Vendor,
    settings: Settings,
    telemetry: Telemetry,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> NylasUpstream:
    """Return the upstream of a vendor; without a transport it gets a connection pool of its own."""
    client = RestClient(
        transport=transport
        or AiohttpTransport(own_hosts=own_hosts(settings.upstream_hosts, HOSTS)),
        base_url=vendor.base_url,
        headers=_Headers(vendor.api_key),
        tracer=telemetry.tracer_below("conferencing_service.upstreams"),
        request_id_header="x-request-id",
        sandbox_header="conferencing-sandbox",
        sleep=sleep,
        durations=request_histogram(telemetry.meters.provider)
        if telemetry.meters.are_read
        else None,
    )
    return NylasUpstream(client, settings.write_timeout, settings.marker_key.value)


def vendor_of(settings: Settings) -> Vendor:
    """Return the vendor that the settings name; raises SettingsError where they name none."""
    if settings.nylas_region is None:
        raise SettingsError(
            "CONFERENCING_NYLAS_REGION: no upstream is set (us, eu or a URL); "
            "with --sandbox none is needed"
        )
    try:
        check_host(settings.nylas_region, settings.upstream_hosts)
    except ValueError as error:
        raise SettingsError(f"CONFERENCING_NYLAS_REGION: {error}") from error
    return Vendor(settings.nylas_region, ApiKey.of(settings))


class _Headers:
    """What every request carries: the same object as long as the key is the same.

    Args:
        key: what opens the API.
    """

    def __init__(self, key: ApiKey) -> None:
        self._key = key
        self._of: SecretStr | None = None
        self._headers: Mapping[str, str] = {}

    def __call__(self) -> Mapping[str, str]:
        """Return the headers of the moment."""
        key = self._key.current()
        if key is not self._of:
            self._of = key
            self._headers = {
                "authorization": f"Bearer {key.get_secret_value()}",
                "accept": "application/json",
                "user-agent": f"conferencing-service/{__version__}",
            }
        return self._headers
