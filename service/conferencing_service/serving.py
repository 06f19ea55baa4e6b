"""What `serve` does: starts the sandbox where it is asked for, serves, and stops at a signal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from pydantic import SecretStr

from conferencing_service.api_key import ApiKey
from conferencing_service.embedded import API_KEY, SandboxProcess
from conferencing_service.interceptors import SERVICE
from conferencing_service.ledger_parts import ledger_beside_sandbox
from conferencing_service.memory import keep_what_is_there
from conferencing_service.processes import processes_listening
from conferencing_service.protobuf_runtime import check_protobuf_runtime
from conferencing_service.server import listening
from conferencing_service.settings import Settings, SettingsError
from conferencing_service.telemetry import Telemetry
from conferencing_service.vendor import Vendor, vendor_of

_FIRST_CALLS = """
Try, with grpcurl (README.md has an example for every RPC):

  grpcurl -plaintext -d '{{"grant_id": "google-demo"}}' \\
    {address} conferencing.v1.ConferencingService/CheckCompatibility

  grpcurl -plaintext -d @ {address} \\
    conferencing.v1.ConferencingService/CreateEvent < clients/grpcurl/create_event_zoom.json

Grants: google-demo, microsoft-demo, icloud-demo, virtual-demo, zoom-demo, expired-demo,
microsoft-noscope-demo. Calendar: primary (icloud-demo: team). Ctrl-C stops the server and the sandbox.
"""


async def serve(settings: Settings, *, with_sandbox: bool, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; raises SettingsError when the start is refused.

    Args:
        settings: the settings.
        with_sandbox: start the embedded sandbox and use it as the upstream.
        say: tells a person where what is.
    """
    check_protobuf_runtime()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if not with_sandbox:
        await _serve_until(stop, settings, vendor_of(settings), say, is_sandbox=False)
        return
    if settings.nylas_region is not None:
        raise SettingsError("CONFERENCING_NYLAS_REGION: cannot be combined with --sandbox")
    with ledger_beside_sandbox(settings) as complete:
        sandbox = await SandboxProcess.start(complete)
        try:
            say(f"sandbox  {sandbox.url}  (API key: {API_KEY})")
            vendor = Vendor(sandbox.url, ApiKey(SecretStr(API_KEY)))
            await _serve_until(stop, complete, vendor, say, is_sandbox=True)
        finally:
            await sandbox.stop()


async def _serve_until(
    stop: asyncio.Event,
    settings: Settings,
    vendor: Vendor,
    say: Callable[[str], None],
    *,
    is_sandbox: bool,
) -> None:
    reflection_on = is_sandbox if settings.reflection is None else settings.reflection
    async with _served(settings, vendor, reflection_on=reflection_on) as port:
        keep_what_is_there()
        host = settings.listen.rpartition(":")[0]
        say(f"serving  {SERVICE} on {host}:{port}")
        if is_sandbox:
            say(_FIRST_CALLS.format(address=f"{host}:{port}"))
        await stop.wait()
        say("stopping")


def _served(
    settings: Settings, vendor: Vendor, *, reflection_on: bool
) -> AbstractAsyncContextManager[int]:
    if settings.processes > 1:
        return processes_listening(settings, vendor, reflection_on=reflection_on)
    return listening(settings, vendor, Telemetry.of(settings), reflection_on=reflection_on)
