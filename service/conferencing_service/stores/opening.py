"""Which store does a URL mean?"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from conferencing_service.core.ledger.store import Store
from conferencing_service.stores.postgresql import open_postgresql
from conferencing_service.stores.sqlite import open_sqlite


async def open_store(url: str) -> Store:
    """Open the ledger that a URL names; it is made when missing.

    Raises StoreUnavailable when that cannot be done, ValueError when the URL is none. No text of
    either quotes the URL, which may hold a password.

    Args:
        url: sqlite:///PATH, with or without a slash more; or postgresql://USER:PASSWORD@HOST/NAME,
            with the options that the driver knows.
    """
    scheme = url.partition(":")[0].lower()
    if scheme in {"postgresql", "postgres"}:
        return await open_postgresql(url)
    if scheme == "sqlite":
        return await open_sqlite(_path_of(url))
    raise ValueError("the URL of a ledger begins with sqlite:/// or postgresql://")


def _path_of(url: str) -> Path:
    parts = urlsplit(url)
    path = "/" + unquote(parts.path).lstrip("/")
    # A question mark or a hash in a name is written %3F or %23; a bare one is a mistake.
    if not url[len("sqlite:") :].startswith("///") or "?" in url or "#" in url:
        raise ValueError("the URL of a ledger in a file is sqlite:/// and an absolute path")
    if path.endswith("/") or "\0" in path:
        raise ValueError("the URL of a ledger in a file names no file")
    return Path(path)
