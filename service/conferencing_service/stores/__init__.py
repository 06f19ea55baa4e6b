"""Where the ledger is kept: in a SQLite file, or in PostgreSQL."""

from __future__ import annotations

from conferencing_service.stores.opening import open_store

__all__ = ["open_store"]
