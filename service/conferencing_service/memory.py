"""What the garbage collector need not look at."""

from __future__ import annotations

import gc


def keep_what_is_there() -> None:
    """Take all that exists out of the collector's sight: modules, tables, the server itself.

    Called once, when a server process has started. A full collection looks at every object, and
    holds the event loop for some 50 ms when it looks at these as well, which never become garbage.
    """
    gc.collect()
    gc.freeze()
