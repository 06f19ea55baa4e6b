"""The ledger's two stores: what one promises the other promises, so most tests run against both."""

from __future__ import annotations

import contextlib

import pytest

from conferencing_service.stores import open_store


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server):
    """A ledger that many tests use, one after the other."""
    return postgresql_server.fresh()


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request):
    return request.param


@pytest.fixture
def url(kind, request, tmp_path):
    """A ledger that nobody opened yet."""
    if kind == "sqlite":
        return f"sqlite://{tmp_path}/ledger.db"
    return request.getfixturevalue("postgresql_server").fresh()


@pytest.fixture
async def reopen(kind, request, tmp_path):
    """Open an empty ledger, as often as a test asks; each time it is another server's store."""
    async with contextlib.AsyncExitStack() as stack:
        url = f"sqlite://{tmp_path}/shared.db"
        if kind == "postgresql":
            url = request.getfixturevalue("postgresql_url")

        async def reopen():
            store = await open_store(url)
            stack.push_async_callback(store.aclose)
            return store

        if kind == "postgresql":
            # Making the tables anew would take longer than most tests.
            await (await reopen())._database.rows("DELETE FROM operation")
        yield reopen


@pytest.fixture
async def store(reopen):
    return await reopen()
