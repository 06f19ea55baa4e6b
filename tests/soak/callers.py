"""The callers of a soak: so many at once, of whom a quarter hang up at any moment."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import AsyncExitStack

import grpc

from conferencing.v1 import conferencing_service_pb2_grpc as service_grpc
from soak.asking import OK, Asked
from support.service import failure_of

CANCELLED = "CANCELLED"
URLS = 1100
"""More than a server keeps parsed, which are 1,024."""

_AT_ONCE = 32
_CONNECTIONS = 4
_PATIENCE = 0.02
"""Seconds within which whoever hangs up does so."""


class Callers:
    """Calls until as many have been made as are wanted, and remembers how they ended.

    Args:
        target: where the server is.
        asking: draws what is asked.

    Attributes:
        calls: how many have been made.
        endings: how many ended how, by RPC.
        odd: those that ended otherwise than they may.
        made: the ids of the events that were told to each request_id.
        doubtful: the request_ids of creations whose caller hung up.
    """

    def __init__(self, target, asking):
        self._target = target
        self._asking = asking
        self._dice = asking.dice
        self._stubs = []
        self._until = 0
        self.calls = 0
        self.endings = Counter()
        self.odd = Counter()
        self.made = defaultdict(set)
        self.doubtful = set()

    @property
    def cancelled(self):
        """How many calls ended because their caller hung up."""
        return self.endings[CANCELLED]

    async def call_until(self, calls):
        """Go on until so many calls have been made."""
        self._until = calls
        await self._connected(self._go_on)

    async def fill_caches(self):
        """Ask for more events than the server remembers the URLs of."""
        self._until = self.calls + URLS
        await self._connected(self._look_for_nothing)

    async def _connected(self, go_on):
        """Let callers go on over connections of their own, then close them."""
        async with AsyncExitStack() as stack:
            # gRPC shares one connection among channels that are alike, unless they have pools of their own.
            options = [("grpc.use_local_subchannel_pool", 1)]
            channels = [
                await stack.enter_async_context(
                    grpc.aio.insecure_channel(self._target, options=options)
                )
                for _ in range(_CONNECTIONS)
            ]
            self._stubs = list(map(service_grpc.ConferencingServiceStub, channels))
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(go_on())

    async def _look_for_nothing(self):
        while self.calls < self._until:
            await self._ask(self._asking.nothing())

    async def _go_on(self):
        while self.calls < self._until:
            if self._dice.random() < 0.5:
                await self._ask(self._asking.alone())
            else:
                await self._event()

    async def _event(self):
        """An event from its creation to its end, as far as the callers hold on."""
        creation = self._asking.creation()
        answer = await self._create(creation)
        if self._dice.random() < (0.3 if answer else 0.6):
            again = await self._create(creation)
            if answer and again:
                assert again.replayed
            answer = answer or again
        if answer is None:
            return
        if self._dice.random() < 0.1:
            await self._ask(self._asking.reused(creation))
        grant_id, event_id = creation.grant_id, answer.event.id
        for asked in self._asking.about(grant_id, event_id):
            await self._ask(asked)
        await self._ask(self._asking.deletion(grant_id, event_id))

    async def _create(self, request):
        answer = await self._ask(Asked(request))
        if answer is None:
            self.doubtful.add(request.request_id)
        else:
            self.made[request.request_id].add(answer.event.id)
        return answer

    async def _ask(self, asked):
        """Call, and perhaps hang up; return the answer, None where there is none."""
        request, loop = asked.request, asyncio.get_running_loop()
        method = type(request).__name__.removesuffix("Request")
        call = getattr(self._dice.choice(self._stubs), method)(request, timeout=60.0)
        self.calls += 1
        hangs_up = self.cancelled * 4 < self.calls
        timer = loop.call_later(self._dice.uniform(0, _PATIENCE), call.cancel) if hangs_up else None
        answer, ending = None, OK
        try:
            answer = await call
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():
                raise
            ending = CANCELLED
        except grpc.aio.AioRpcError as error:
            # Where the server's word for it comes first, it is the same ending.
            if hangs_up and error.code() is grpc.StatusCode.CANCELLED:
                ending = CANCELLED
            else:
                ending = failure_of(error).reason or f"{error.code().name}: {error.details()}"
        finally:
            if timer is not None:
                timer.cancel()
        self.endings[ending] += 1
        if ending not in asked.endings and not (hangs_up and ending == CANCELLED):
            self.odd[f"{method} {ending}"] += 1
        return answer
