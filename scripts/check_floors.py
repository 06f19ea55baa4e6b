"""Uses the client package beside the oldest, a middle and the newest protobuf and grpcio.

Each floor is a fresh environment: import, a round trip, a rich error.
Usage: check_floors.py [FLOOR ...]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {
    "oldest": ["protobuf==5.29.1", "grpcio==1.71.2", "grpcio-status==1.71.2"],
    "middle": ["protobuf==6.33.0", "grpcio==1.76.0", "grpcio-status==1.76.0"],
    "newest": [],
}


def main(names: list[str]) -> int:
    """Check the named floors, or all; return 0 if the client works at each."""
    if sys.version_info >= (3, 14):
        # grpcio 1.71.2 has no wheel for it.
        FLOORS.pop("oldest")
    failed = [name for name in names or FLOORS if not _works(name, FLOORS[name])]
    for name in failed:
        sys.stderr.write(f"the client package does not work at the floor {name}\n")
    return 1 if failed else 0


def _works(name: str, pins: list[str]) -> bool:
    folder = Path(tempfile.mkdtemp(prefix=f"floor-{name}-"))
    try:
        venv.create(folder, with_pip=True)
        python = folder / "bin" / "python"
        constraints = folder / "constraints.txt"
        constraints.write_text("\n".join(pins) + "\n", encoding="utf-8")
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        client = str(ROOT / "clients" / "python")
        subprocess.run([python, *install, client, "-c", constraints], check=True)
        done = subprocess.run([python, ROOT / "scripts" / "use_client.py"], check=False)
        return done.returncode == 0
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
