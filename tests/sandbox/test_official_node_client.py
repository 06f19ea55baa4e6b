"""The vendor's own Node client, unmodified, as a judge of the sandbox."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.tools import missing, tool

FOLDER = Path(__file__).parent / "node"


def test_the_node_client_agrees(sandbox):
    node = tool("node")
    if not (FOLDER / "node_modules" / "nylas").is_dir():
        missing("the npm package nylas", "run `make tools`")
    google, microsoft = sandbox.grant("google"), sandbox.grant("microsoft")
    judged = subprocess.run(
        [node, "judge.mjs", sandbox.url, google.id, microsoft.id],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert judged.stdout.splitlines()[-1] == "agreed: 2 grants"
    assert google.effects().count("event_deleted") == 2
    assert microsoft.effects().count("event_deleted") == 2


def test_the_lock_file_names_no_download_address():
    lock = (FOLDER / "package-lock.json").read_text()
    assert '"nylas": "8.4.0"' in lock
    assert '"resolved"' not in lock
