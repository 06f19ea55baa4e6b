"""`healthcheck`: whether a server serves, by grpc.health.v1; a container needs no other tool."""

from __future__ import annotations

from typing import Any

import click
import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from conferencing_service.commands.asking import (
    address_of,
    address_option,
    channel_to,
    no_answer,
    timeout_option,
)
from conferencing_service.commands.endings import DONE, NotDone
from conferencing_service.commands.help_texts import Command
from conferencing_service.commands.telling import say

_ABOUT = """
Ask grpc.health.v1 whether a server serves. In the server's container it needs no arguments: it asks
at CONFERENCING_HEALTH_LISTEN, or else at CONFERENCING_LISTEN.
"""
_MORE = """
Examples:
  conferencing-service healthcheck
  conferencing-service healthcheck --address 10.0.0.7:50051 --timeout 1
  HEALTHCHECK CMD ["conferencing-service", "healthcheck"]

Exit status:
  0  it serves
  1  it does not: it is stopping, does not answer, or has no such service
  2  the arguments, CONFERENCING_HEALTH_LISTEN or CONFERENCING_LISTEN are wrong
"""


@click.command("healthcheck", cls=Command, help=_ABOUT, epilog=_MORE)
@address_option
@click.option(
    "--service",
    metavar="NAME",
    default="",
    help="One name: liveness, readiness, conferencing.v1.ConferencingService or upstream/nylas; "
    "else the server as a whole.",
)
@timeout_option(3.0)
def command(*, address: str | None, service: str, timeout: float) -> int:
    """Ask once."""
    where = address_of(address, of_health=True)
    asked = health_pb2.HealthCheckRequest(service=service)
    with channel_to(where) as channel:
        try:
            stub: Any = HealthStub(channel)
            # Waited for in Python, where Ctrl-C ends it.
            status = stub.Check.future(asked, timeout=timeout).result().status
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise NotDone(f"the server at {where} has no service {service!a}") from error
            raise no_answer(where, error) from error
    if status != health_pb2.HealthCheckResponse.SERVING:
        name = health_pb2.HealthCheckResponse.ServingStatus.Name(status)
        raise NotDone(f"the server at {where} is {name}")
    say(f"{where} is SERVING")
    return DONE
