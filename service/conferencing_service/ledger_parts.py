"""The ledger's parts, put together: for the server, and for the operator's commands."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from conferencing_service.core.clock import Clock
from conferencing_service.core.effects import Effects
from conferencing_service.core.ledger.ledger import Ledger
from conferencing_service.core.ledger.markers import Markers
from conferencing_service.core.ledger.resumer import Resumer
from conferencing_service.core.ledger.settling import Settling, Times
from conferencing_service.core.ledger.store import Store, StoreUnavailable
from conferencing_service.core.ledger.sweeper import Sweeper
from conferencing_service.core.upstream import Registry
from conferencing_service.ledger_keys import seal_of
from conferencing_service.settings import Settings, SettingsError
from conferencing_service.stores import open_store
from conferencing_service.stores.sealed import sealed

_CANNOT_BE_OPENED = "CONFERENCING_LEDGER_URL: the ledger cannot be opened"


@dataclass(frozen=True, slots=True)
class OpenStore:
    """A store that was opened, and the secret that belongs to it."""

    store: Store
    secret: bytes


@dataclass(frozen=True, slots=True)
class LedgerParts:
    """What works on one ledger."""

    ledger: Ledger
    settling: Settling
    sweeper: Sweeper
    resumer: Resumer
    times: Times


def ledger_parts(
    opened: OpenStore,
    settings: Settings,
    *,
    registry: Registry,
    settle: float,
    effects: Effects,
    clock: Clock,
    on_swept: Callable[[], None] = lambda: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> LedgerParts:
    """Return the parts that work on an open store.

    Args:
        opened: the store.
        settings: the settings.
        registry: finds a grant's upstream.
        settle: the upstream's settle time, for where no setting says otherwise.
        effects: owns the writes.
        clock: a clock that never goes back.
        on_swept: is told of each event that the sweeper deleted.
        sleep: waits so many seconds.
    """
    times = Times(
        write=settings.write_timeout,
        lease=settings.write_timeout + settings.lease_margin,
        settle=settle if settings.settle_window is None else settings.settle_window,
        retention=settings.ledger_retention,
    )
    store, markers, owner = opened.store, Markers(opened.secret), owner_of_process()
    settling = Settling(store=store, registry=registry, times=times, clock=clock, sleep=sleep)
    sweeper = Sweeper(
        store=store,
        markers=markers,
        registry=registry,
        settling=settling,
        times=times,
        on_deleted=on_swept,
    )
    return LedgerParts(
        ledger=Ledger(
            store=store,
            markers=markers,
            settling=settling,
            effects=effects,
            times=times,
            owner=owner,
            clock=_waking_clock(),
            sleep=sleep,
        ),
        settling=settling,
        sweeper=sweeper,
        resumer=Resumer(
            store=store,
            settling=settling,
            sweeper=sweeper,
            times=times,
            owner=owner,
            interval=settings.resume_interval,
            sleep=sleep,
        ),
        times=times,
    )


@contextmanager
def ledger_beside_sandbox(settings: Settings) -> Iterator[Settings]:
    """Give settings without a ledger one that ends with the sandbox, as its calendars do."""
    if settings.ledger_url is not None:
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="conferencing-ledger-") as folder:
        url = SecretStr(f"sqlite://{folder}/ledger.sqlite")
        yield settings.model_copy(update={"ledger_url": url})


@asynccontextmanager
async def opened_ledger(settings: Settings) -> AsyncIterator[OpenStore]:
    """Open the ledger's store, its entries sealed where the settings name keys.

    Raises SettingsError when it cannot be opened, or the keys cannot be had.
    """
    seal = seal_of(settings)
    try:
        store = sealed(await open_store(settings.ledger()), seal)
    except (StoreUnavailable, ValueError) as error:
        raise SettingsError(_CANNOT_BE_OPENED) from error
    try:
        try:
            secret = await store.secret()
        except StoreUnavailable as error:
            raise SettingsError(_CANNOT_BE_OPENED) from error
        yield OpenStore(store, secret)
    finally:
        await store.aclose()


def owner_of_process() -> str:
    """Return a name that no other process has had: for people, and for nothing else."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def _waking_clock() -> Clock:
    """Return a clock that goes on while the machine sleeps, where there is one."""
    number = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.monotonic if number is None else functools.partial(time.clock_gettime, number)
