"""Which URLs name a ledger, and which name none."""

from __future__ import annotations

import traceback

import pytest

from conferencing_service.core.ledger.entry import Step
from conferencing_service.stores import open_store
from stores.entries import claimed

SECRET = "hunter2"


@pytest.mark.parametrize("slashes", ["//", "///"])
async def test_the_path_of_a_file_is_absolute(slashes, tmp_path):
    url = f"sqlite:{slashes}{tmp_path}/ledger.db"
    store = await open_store(url)
    await claimed(store)
    await store.aclose()
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.db"]


async def test_both_forms_name_the_same_file(tmp_path):
    one = await open_store(f"sqlite://{tmp_path}/ledger.db")
    two = await open_store(f"sqlite:///{tmp_path}/ledger.db")
    entry = await claimed(one)
    assert await two.find(entry.operation_id) is not None
    await one.aclose()
    await two.aclose()


@pytest.mark.parametrize("name", ["a b.db", "a?b.db", "a#b.db", "a%20b.db", "ö.db", ":memory:"])
async def test_a_name_may_be_any_that_a_file_has(name, tmp_path):
    escaped = name.replace("%", "%25").replace("?", "%3F").replace("#", "%23").replace(" ", "%20")
    store = await open_store(f"sqlite://{tmp_path}/{escaped}")
    await claimed(store)
    assert (tmp_path / name).exists()
    await store.aclose()


async def test_both_schemes_name_postgresql(postgresql_server):
    url = postgresql_server.fresh()
    for scheme in ("postgresql", "postgres"):
        store = await open_store(url.replace("postgresql", scheme, 1))
        assert await store.listing(Step, limit=1) == []
        await store.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ledger.db",
        "/tmp/ledger.db",
        "redis://127.0.0.1",
        f"mysql://me:{SECRET}@127.0.0.1/ledger",
        "sqlite:",
        "sqlite:ledger.db",
        "sqlite:/tmp/ledger.db",
        "sqlite://",
        "sqlite://tmp/ledger.db",
        "sqlite:///",
        "sqlite:///tmp/",
        "sqlite:///tmp/led%00ger.db",
        "sqlite:///tmp/ledger.db?mode=memory",
        "sqlite:///tmp/ledger.db#fragment",
        "sqlite://[",
        f"postgresql://me:{SECRET}/x@127.0.0.1/ledger",
        f"postgresql://me@127.0.0.1:{SECRET}/ledger",
        f"postgresql://me@127.0.0.1:5432/ledger?{SECRET}",
        f"postgresql://me@127.0.0.1:5432/ledger?sslmode={SECRET}",
        f"postgresql://me:{SECRET}@127.0.0.1:5432,127.0.0.1:x/ledger",
        f"postgresql://[{SECRET}/ledger",
    ],
)
async def test_what_names_no_ledger_is_refused_and_not_repeated(url, caplog):
    with pytest.raises(ValueError, match="URL") as caught:
        await open_store(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value, chain=True))
    assert caught.value.__context__ is None
    assert SECRET not in caplog.text
