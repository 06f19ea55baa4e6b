"""The table of what vendors answer at their worst, and its document."""

from __future__ import annotations

from collections.abc import Mapping

from upstreams.hostile_answers import Row
from upstreams.hostile_bodies import json_texts, shapes, sizes
from upstreams.hostile_framings import framings, statuses

SECTIONS: Mapping[str, tuple[Row, ...]] = {
    "Too much, too slowly, or packed": tuple(sizes()),
    "No JSON, or JSON at its edges": tuple(json_texts()),
    "JSON of a wrong shape": tuple(shapes()),
    "Statuses": tuple(statuses()),
    "HTTP that is none, or bends its own rules": tuple(framings()),
}
ROWS = tuple(row for rows in SECTIONS.values() for row in rows)

_HEAD = """# Hostile vendors

What a vendor, or whoever stands between, may answer, and how the calls end. Each row is a test, which runs the real
server in front of a raw socket ([hostile_replies.py](../tests/upstreams/hostile_replies.py)); this page is written by it.

- Every call ends in time, whatever the vendor does with its own: by the caller's deadline, the server's own for reads, or
  `CONFERENCING_WRITE_TIMEOUT`. The process' memory grows by less than 16 MiB.
- A reply is taken up to 8 MiB, inflated and on the wire, and up to {values:,} values. Only `gzip` is asked for and inflated.
- What cannot be read of an event is left out; an event without an id is no answer to GetEvent. Redirects are not
  followed, cookies not kept.
- A write is sent once. Where its answer tells nothing it may have happened: OUTCOME_UNRESOLVED when it was looked for in
  vain (OUTCOME_UNKNOWN while it is looked for), never a status after which it would be sent again.
- `OK` means that the rest of the answer was read.
"""


def document(values: int) -> str:
    """Return the document of the table."""
    lines = [_HEAD.format(values=values)]
    for heading, rows in SECTIONS.items():
        lines += [
            f"## {heading}",
            "",
            "| the vendor answers | GetEvent | ListEvents | CreateEvent |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {row.vendor} | {row.get} | {row.listed or row.get} | {row.create} |" for row in rows
        ]
        lines.append("")
    return "\n".join(lines)
