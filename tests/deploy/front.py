"""Three servers on one ledger, and Envoy with the shipped configuration in front of them.

As in Kubernetes, one name resolves to the addresses of all servers, which have the same port: Envoy runs
where /etc/hosts says so, in a mount namespace of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from support.documents import ROOT
from support.replica import Replica, replicas
from support.tools import missing, tool

CONFIGURATION = ROOT / "deploy/envoy/envoy.yaml"
DESCRIPTOR_SET = ROOT / "deploy/envoy/descriptor_set.py"
GUARD = 60.0
"""Seconds after which something hangs."""

NAME = "conferencing-headless"
"""What the shipped configuration calls the replicas."""

_ENDPOINT = "{{address: {}, port_value: {}}}"


_NAMESPACE = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))


@dataclass(frozen=True)
class Front:
    """An Envoy that runs.

    Attributes:
        address: where callers come in.
        admin: where the operator asks.
        log: its access log, and what it says of itself.
    """

    address: str
    admin: httpx.AsyncClient
    log: Path

    async def hosts(self) -> Mapping[str, Mapping[str, object]]:
        """What it knows of each replica, by the replica's address."""
        answer = (await self.admin.get("/clusters", params={"format": "json"})).json()
        (cluster,) = [each for each in answer["cluster_statuses"] if each["name"] == "conferencing"]
        return {
            "{address}:{port_value}".format(**host["address"]["socket_address"]): host
            for host in cluster.get("host_statuses", ())
        }

    async def healthy(self) -> set[str]:
        """The replicas that get calls."""
        return {
            address
            for address, host in (await self.hosts()).items()
            if host["health_status"] == {"eds_health_status": "HEALTHY"}
        }

    async def calls(self) -> Counter[str]:
        """How many calls each replica got, health checks not counted."""
        counted: Counter[str] = Counter()
        for address, host in (await self.hosts()).items():
            stats = {each["name"]: int(each.get("value", 0)) for each in host["stats"]}
            counted[address] = stats["rq_total"]
        return counted

    async def counter(self, name: str) -> int:
        """A statistic of the cluster."""
        whole = f"cluster.conferencing.{name}"
        text = (await self.admin.get("/stats", params={"filter": f"^{whole}$"})).text
        return int(text.rpartition(": ")[2])

    async def wait_for(self, healthy: set[str]) -> None:
        """Wait until these replicas get calls, and no others."""
        async with asyncio.timeout(GUARD):
            while True:
                if await self.healthy() == healthy:
                    return
                await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Fleet:
    """The servers by their addresses, and the Envoy in front of them."""

    servers: Mapping[str, Replica]
    front: Front


@asynccontextmanager
async def fleet(
    folder: Path,
    upstream_url: str,
    ledger_url: str,
    more: Mapping[str, str] | None = None,
    **settings: object,
) -> AsyncIterator[Fleet]:
    """Three servers and an Envoy for the block.

    Args:
        folder: where their files go.
        upstream_url: a sandbox.
        ledger_url: the ledger that they share.
        more: pieces of Envoy's configuration, and what stands in their place.
        settings: of each of the servers.
    """
    _need_a_namespace()
    async with replicas(folder, upstream_url, ledger_url, **settings) as starter:
        port = _free_port()
        addresses = [f"127.0.0.{last}:{port}" for last in (2, 3, 4)]
        started = [await starter.start(listen=each) for each in addresses]
        async with envoy(folder, addresses, more or {}) as front:
            yield Fleet(dict(zip(addresses, started, strict=True)), front)


def configuration(descriptors: Path, port: int, more: Mapping[str, str]) -> str:
    """Return the shipped configuration with nothing changed but its places.

    Args:
        descriptors: the descriptor set.
        port: that of the servers.
        more: other pieces of text, and what stands in their place.
    """
    text = CONFIGURATION.read_text()
    for place, content in {
        _ENDPOINT.format("127.0.0.1", 9901): _ENDPOINT.format("127.0.0.1", 0),
        _ENDPOINT.format("0.0.0.0", 8080): _ENDPOINT.format("127.0.0.1", 0),
        _ENDPOINT.format(NAME, 50051): _ENDPOINT.format(NAME, port),
        "/etc/envoy/conferencing.binpb": str(descriptors),
        **more,
    }.items():
        assert text.count(place) == 1, place
        text = text.replace(place, content)
    return text


def write_descriptors(folder: Path) -> Path:
    """Write the descriptor set as an operator does; return where it is."""
    written = folder / "conferencing.binpb"
    subprocess.run([sys.executable, DESCRIPTOR_SET, written], check=True)
    return written


@asynccontextmanager
async def envoy(
    folder: Path, addresses: Sequence[str], more: Mapping[str, str]
) -> AsyncIterator[Front]:
    """Envoy for the block, told when every server gets calls."""
    port = int(addresses[0].partition(":")[2])
    written, hosts = folder / "envoy.yaml", folder / "hosts"
    written.write_text(configuration(write_descriptors(folder), port, more))
    lines = [f"{each.partition(':')[0]} {NAME}\n" for each in addresses]
    hosts.write_text("127.0.0.1 localhost\n" + "".join(lines))
    told, log = folder / "admin", folder / "envoy.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(*_NAMESPACE, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts),
            *(tool("envoy"), "--config-path", written, "--admin-address-path", told),
            *("--disable-hot-restart", "--concurrency", "2", "--log-level", "warning"),
            *("--file-flush-interval-msec", "100"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        async with asyncio.timeout(GUARD):
            while not (told.exists() and told.read_text()):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.05)
        async with httpx.AsyncClient(base_url=f"http://{told.read_text().strip()}") as admin:
            front = Front(await _listener(admin), admin, log)
            await front.wait_for({*addresses})
            yield front
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _need_a_namespace() -> None:
    try:
        tried = subprocess.run([*_NAMESPACE, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        missing("unshare", "mount namespaces are Linux'")
    if tried.returncode != 0:
        missing("a mount namespace", tried.stderr.strip())


def _free_port() -> int:
    with socket.create_server(("", 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def _listener(admin: httpx.AsyncClient) -> str:
    async with asyncio.timeout(GUARD):
        while True:
            answer = (await admin.get("/listeners", params={"format": "json"})).json()
            for each in answer.get("listener_statuses", ()):
                return "{address}:{port_value}".format(**each["local_address"]["socket_address"])
            await asyncio.sleep(0.05)
