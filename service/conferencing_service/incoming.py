"""The message of a call: it may be malformed, long in coming, or never come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from conferencing_service.core.errors import InvalidField, Overloaded, Violation

Context = grpc.aio.ServicerContext[Any, Any]

# When a caller leaves, the end of its stream is seen before its leaving is.
_LEAVING = 0.05


@dataclass(frozen=True, slots=True)
class Malformed:
    """Stands where bytes stood that are no message."""


class Incoming:
    """The message of a call that is a stream of one.

    gRPC's own unary calls wait for their message for ever.

    Args:
        context: the call's.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self.message: Any = None
        """The message, once it was read; None where it was none."""

    async def read(self, seconds: float, *, hurries: bool = False) -> Any:
        """Return the message.

        Raises InvalidField where none comes within so many seconds; where it has to hurry, Overloaded.
        """
        try:
            async with asyncio.timeout(seconds):
                found = await self._context.read()
                if found is grpc.aio.EOF:
                    await asyncio.sleep(_LEAVING)
        except TimeoutError as error:
            if hurries:
                raise Overloaded from error
            raise InvalidField([Violation("request", f"did not come in {seconds:g} s")]) from error
        if found is grpc.aio.EOF or isinstance(found, Malformed):
            raise InvalidField([Violation("request", "is not a message of this method")])
        self.message = found
        return found


def tolerant(deserialize: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return a deserializer that leaves the answer to malformed bytes to whoever reads them."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except Exception:  # noqa: BLE001 - protobuf's own error differs by runtime
            return Malformed()

    return read
