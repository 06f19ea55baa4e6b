"""The vendor of a run: nginx, which answers at once, or a slow one. Both count their requests."""

from __future__ import annotations

import os
import re
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import answers
from processes import Process, free_port, program, wait_for_port

HERE = Path(__file__).resolve().parent
_ALLOWED = sorted(os.sched_getaffinity(0))
MEASURED_CORE = str(_ALLOWED[0])
"""Where runs what is measured."""

CORE = str(_ALLOWED[-1])
"""Where run the vendor, the loaders, the receiver of spans and the benchmark itself."""

_NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_timeout 3600s;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/json;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    root {folder};
    add_header x-request-id {request_id};
    location = /status {{ stub_status; }}
    location ~ ^/v3/grants/[^/]+$ {{ return 200 '{grant}'; }}
    location ~ ^/v3/grants/[^/]+/events$ {{
      error_page 418 = @page;
      if ($request_method = GET) {{ return 418; }}
      return 200 '{event}';
    }}
    location ~ ^/v3/grants/[^/]+/calendars/ {{ return 200 '{calendar}'; }}
    location ~ ^/v3/grants/[^/]+/events/ {{ return 200 '{event}'; }}
    location @page {{ try_files /$arg_calendar_id.json =404; }}
  }}
}}
"""


@dataclass(frozen=True)
class Vendor:
    """A vendor that runs.

    Attributes:
        url: where.
        own: how many requests one look at the counter adds to it.
    """

    url: str
    own: int

    def requests(self) -> int:
        """Return how many requests it has taken, those to this counter left out of differences."""
        with urllib.request.urlopen(f"{self.url}/status", timeout=10) as answer:  # noqa: S310 - http
            text = answer.read().decode()
        # nginx: "accepts handled requests" over three numbers.
        numbers = re.findall(r"\d+", text.partition("requests")[2])
        return int(numbers[2] if len(numbers) >= 3 else numbers[0])

    def requests_since(self, before: int) -> int:
        """Return how many came since the counter was looked at."""
        return self.requests() - before - self.own


@dataclass(frozen=True)
class SpanReceiver:
    """What takes spans, and runs."""

    process: Process
    url: str

    def count(self) -> int:
        """Return how many spans have come."""
        return int(self.process.ask(""))


@contextmanager
def span_receiver(folder: Path) -> Iterator[SpanReceiver]:
    """Run what takes spans."""
    command = [sys.executable, HERE / "spans.py"]
    with Process("span receiver", command, cores=CORE, log=folder / "spans.log") as process:
        yield SpanReceiver(process, f"http://127.0.0.1:{process.port()}")


@contextmanager
def instant_vendor(folder: Path) -> Iterator[Vendor]:
    """Run nginx with one worker."""
    port = free_port()
    home = folder / "nginx"
    home.mkdir()
    for calendar_id in ("primary", answers.TEXTS_CALENDAR):
        (home / f"{calendar_id}.json").write_bytes(answers.page_answer(calendar_id))
    configuration = home / "nginx.conf"
    configuration.write_text(
        _NGINX.format(
            folder=home,
            port=port,
            request_id=answers.REQUEST_ID,
            grant=answers.GRANT_ANSWER.decode(),
            calendar=answers.CALENDAR_ANSWER.decode(),
            event=answers.EVENT_ANSWER.decode(),
        )
    )
    command = [program("nginx"), "-p", home, "-c", configuration]
    with Process("nginx", command, cores=CORE, log=folder / "nginx.log") as process:
        wait_for_port(process, port)
        yield Vendor(f"http://127.0.0.1:{port}", own=1)


@contextmanager
def slow_vendor(folder: Path, milliseconds: int) -> Iterator[Vendor]:
    """Run the vendor that takes its time."""
    command = [sys.executable, HERE / "upstreams" / "slow.py", str(milliseconds)]
    with Process("slow vendor", command, cores=CORE, log=folder / "slow.log") as process:
        yield Vendor(f"http://127.0.0.1:{process.port()}", own=0)
