import sys, asyncio
from collections import Counter
from fuzz import test_fuzz_frames as t
async def test_kill(sandbox, tmp_path, monkeypatch):
    old = t.attacked
    async def attacked(server):
        asyncio.get_running_loop().call_later(1.0, server.process.kill)
        return await old(server)
    monkeypatch.setattr(t, "attacked", attacked)
    await t.test_any_frames_leave_the_server_alive(sandbox, tmp_path, Counter())
async def test_freeze(sandbox, tmp_path, monkeypatch):
    old = t.attacked
    monkeypatch.setattr(t, "LETS_GO", 3.0)
    async def attacked(server):
        asyncio.get_running_loop().call_later(1.0, server.freeze)
        asyncio.get_running_loop().call_later(12.0, server.thaw)
        return await old(server)
    monkeypatch.setattr(t, "attacked", attacked)
    await t.test_any_frames_leave_the_server_alive(sandbox, tmp_path, Counter())
