"""Outside the load: does a variant answer OK, and is it the right answer, twenty times?"""

from __future__ import annotations

import uuid

import grpc
from messages import REQUEST_ID, Exchange
from processes import Broken

_CALLS = 20
_SECONDS = 30.0
_OPTIONS = (("grpc.max_receive_message_length", 16 << 20), ("grpc.use_local_subchannel_pool", 1))


def right_answer(name: str, port: int, exchange: Exchange) -> bytes:
    """Make the calls by grpcio, and return the bytes that were answered; raises Broken.

    What the loader compares under load are those bytes, in number and in sum: two serialisers may
    write one message differently, and one may order a map as it likes.
    """
    seen: dict[tuple[int, int], bytes] = {}
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=_OPTIONS) as channel:
        call = channel.unary_unary(exchange.method)
        for _ in range(_CALLS):
            try:
                data = call(fresh(exchange), timeout=_SECONDS)
            except grpc.RpcError as error:
                raise Broken(f"{name}: {exchange.method}: {error}") from error
            answer = type(exchange.answer).FromString(data)
            if not exchange.is_right(answer):
                raise Broken(
                    f"{name}: {exchange.method}: answered\n{answer}\nnot\n{exchange.answer}"
                )
            seen[len(data), sum(data)] = data
    if len(seen) > 1:
        raise Broken(f"{name}: {exchange.method}: equal answers of other bytes: {sorted(seen)}")
    return next(iter(seen.values()))


def fresh(exchange: Exchange) -> bytes:
    """Return a request's bytes with a request id that nobody has had."""
    data = exchange.request.SerializeToString()
    return data.replace(REQUEST_ID.encode(), str(uuid.uuid4()).encode())
