"""``python -m conferencing_service.sandbox``."""

from __future__ import annotations

import sys

from conferencing_service.sandbox.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
