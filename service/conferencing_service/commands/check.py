"""`check`: what is possible with conferences, as a running server says."""

from __future__ import annotations

import sys
from textwrap import fill
from typing import Any

import click
import grpc
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from conferencing.v1 import conferencing_pb2 as c
from conferencing.v1 import conferencing_service_pb2 as s
from conferencing.v1.conferencing_service_pb2_grpc import ConferencingServiceStub
from conferencing_service.commands.asking import (
    address_of,
    address_option,
    no_answer,
    timeout_option,
)
from conferencing_service.commands.credentials import Credentials, credentials_options
from conferencing_service.commands.endings import DONE, NotDone
from conferencing_service.commands.help_texts import Command
from conferencing_service.commands.telling import clean, say

PLATFORMS = {
    name.removeprefix("PLATFORM_").lower().replace("_", "-"): number
    for name, number in c.Platform.items()
    if number != c.PLATFORM_UNSPECIFIED
}
PROVIDERS = {
    name.removeprefix("PROVIDER_").lower().replace("_", "-"): number
    for name, number in c.Provider.items()
    if number not in {c.PROVIDER_UNSPECIFIED, c.PROVIDER_OTHER}
}
_SHORT = {
    "meet": c.PROVIDER_GOOGLE_MEET,
    "zoom": c.PROVIDER_ZOOM_MEETING,
    "teams": c.PROVIDER_MICROSOFT_TEAMS,
}


class _Name(click.Choice[str]):
    """One of the names; the contract's own spelling (PLATFORM_GOOGLE) does as well."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        plain = str(value).lower().removeprefix("platform_").removeprefix("provider_")
        return super().convert(plain.replace("_", "-"), param, ctx)


_ABOUT = """
Ask a running server, by CheckCompatibility, what can be done with whose conferences on a grant's
calendar or on a platform: read details, write them, have the provider make a conference, take it
off. A refusal comes with its reason and the ways out. Nothing is written.
"""
_MORE = f"""
Platforms: {", ".join(PLATFORMS)}.
{fill(f"Providers: {', '.join(PROVIDERS)}; for short {', '.join(_SHORT)}.", 98)}

Examples:
  conferencing-service check --grant google-demo
  conferencing-service check --grant google-demo --provider zoom --conf-grant zoom-demo
  conferencing-service check --platform microsoft --json
  conferencing-service check --grant google-demo --address calls.example.com:443 \\
      --tls-ca /etc/ssl/certs/ca-certificates.crt --token-file token

A token is no argument, since everybody on the machine sees those; off this machine it goes out by TLS
alone. The server's policy says what the caller may ask. Where callers need a certificate, give one by
--tls-cert and --tls-key.

Colours are for terminals only, and not where NO_COLOR is set. --json prints the contract's
CheckCompatibilityResponse.

Exit status:
  0  the server answered, whatever is possible
  1  it did not, or refused the question; one line on stderr says why
  2  the arguments, a file or CONFERENCING_LISTEN are wrong
"""


@click.command("check", cls=Command, help=_ABOUT, epilog=_MORE)
@click.option("--grant", metavar="ID", help="The grant that it is about.")
@click.option(
    "--platform",
    metavar="NAME",
    type=_Name(list(PLATFORMS)),
    help="A platform in general, instead of a grant.",
)
@click.option("--calendar", metavar="ID", help="A calendar of the grant, which is looked up.")
@click.option(
    "--provider",
    metavar="NAME",
    type=_Name([*PROVIDERS, *_SHORT]),
    help="Only this provider.",
)
@click.option("--conf-grant", metavar="ID", help="The grant that would host the conference.")
@address_option
@credentials_options
@timeout_option(30.0)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
def command(
    *,
    grant: str | None,
    platform: str | None,
    calendar: str | None,
    provider: str | None,
    conf_grant: str | None,
    address: str | None,
    credentials: Credentials,
    timeout: float,
    as_json: bool,
) -> int:
    """Ask, and show the answer."""
    if (grant is None) == (platform is None):
        raise click.UsageError("Name what it is about: either --grant or --platform.")
    asked = s.CheckCompatibilityRequest(calendar_id=calendar or "", conf_grant_id=conf_grant or "")
    if grant is not None:
        asked.grant_id = grant
    if platform is not None:
        asked.platform = PLATFORMS[platform]
    if provider is not None:
        asked.provider = (PROVIDERS | _SHORT)[provider]
    answer = _answer(address_of(address), credentials, asked, timeout)
    if as_json:
        say(json_format.MessageToJson(answer))
        return DONE
    # Not for --json, which needs no tables.
    from conferencing_service.commands.verdict_table import verdict_table  # noqa: PLC0415

    about = f"grant {clean(grant)}" if grant is not None else "platform"
    say(verdict_table(answer, about, sys.stdout))
    return DONE


def _answer(
    address: str, credentials: Credentials, asked: s.CheckCompatibilityRequest, seconds: float
) -> s.CheckCompatibilityResponse:
    with credentials.channel_to(address) as channel:
        try:
            stub = ConferencingServiceStub(channel)
            # Waited for in Python, where Ctrl-C ends it; gRPC's own wait may end as an RpcError.
            under_way = stub.CheckCompatibility.future(
                asked, timeout=seconds, metadata=credentials.metadata
            )
            answer: s.CheckCompatibilityResponse = under_way.result()
        except grpc.RpcError as error:
            raise _refusal(address, error, credentials) from error
    return answer


def _refusal(address: str, error: grpc.RpcError, credentials: Credentials) -> NotDone:
    """Return the service's own words, where it was the service that refused."""
    call: Any = error
    status = rpc_status.from_call(call)
    info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status is not None else ():
        detail.Unpack(info)
        detail.Unpack(bad_request)
    if not info.reason:
        return no_answer(address, error, by_tls=credentials.tls is not None)
    faults = [f"{each.field} {each.description}" for each in bad_request.field_violations]
    text = "; ".join(faults) or str(error.details())
    return NotDone(clean(f"{info.reason}: {text}"))
