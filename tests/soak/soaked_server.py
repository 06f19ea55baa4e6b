"""`conferencing-service serve` as it is, in a process that can be asked what it holds: a program of its own.

SIGUSR1: it writes on stdout how many tasks its loop has. SIGUSR2: the same after a full collection,
with the blocks that Python's allocator has given out, and the bytes that the C library's has, which
gRPC, SQLite and larger objects take. With `--leaking` it keeps every request that reaches a handler,
which is what a soak has to find.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import gc
import json
import signal
import sys

from conferencing.v1 import conferencing_service_pb2
from conferencing_service.__main__ import main
from conferencing_service.servicer import ConferencingServicer

_LEAKING = "--leaking"


class _Heap(ctypes.Structure):
    """glibc's struct mallinfo2."""

    _names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = tuple((name, ctypes.c_size_t) for name in _names.split())


_heap = ctypes.CDLL(None).mallinfo2
_heap.restype = _Heap


def _tell(number, _frame):
    held = {"tasks": len(asyncio.all_tasks())}
    if number == signal.SIGUSR2:
        # What the first collection finalizes, the second one frees.
        gc.collect()
        gc.collect()
        heap = _heap()
        held |= {"blocks": sys.getallocatedblocks(), "bytes": heap.uordblks + heap.hblkhd}
    sys.stdout.write(json.dumps(held) + "\n")
    sys.stdout.flush()


def _leak():
    kept = []

    def keeping(handler):
        @functools.wraps(handler)
        async def keep(self, request, context):
            kept.append(request)
            return await handler(self, request, context)

        return keep

    service = conferencing_service_pb2.DESCRIPTOR.services_by_name["ConferencingService"]
    for method in service.methods:
        handler = getattr(ConferencingServicer, method.name)
        setattr(ConferencingServicer, method.name, keeping(handler))


if __name__ == "__main__":
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, _tell)
    if _LEAKING in sys.argv:
        _leak()
    sys.exit(main([each for each in sys.argv[1:] if each != _LEAKING]))
