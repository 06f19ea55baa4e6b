"""`policy`: whether a policy holds, and what somebody may do by it, before a server has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import click

from conferencing_service.access.identity import Identity
from conferencing_service.access.named_grants import grants_named_by_rpcs
from conferencing_service.access.policy import Policy, PolicyError, Principal, policy_from_toml
from conferencing_service.commands.endings import DONE, NotDone, Refused
from conferencing_service.commands.help_texts import Command
from conferencing_service.commands.telling import clean, say

RPCS = tuple(sorted(grants_named_by_rpcs()))

_ABOUT = """
Read FILE as a server reads CONFERENCING_POLICY_FILE. Without options, show its principals in the
order in which they are asked, with their RPCs and quotas.

With --subject or --certificate, show who that is by the policy; with --rpc, --grant and --conf-grant
as well, say whether they may. Quotas are shown and not judged. No server is asked.
"""
_MORE = """
Examples:
  conferencing-service policy policy.toml
  conferencing-service policy policy.toml --subject reporting@example.com
  conferencing-service policy policy.toml --subject reporting@example.com --rpc CreateEvent
  conferencing-service policy policy.toml --certificate spiffe://example.com/scheduling \\
      --rpc CreateEvent --grant team-a-room --conf-grant zoom-team-a

Put such questions beside the file, and have them asked of every change to it.

Exit status:
  0  it holds, and whoever was asked for may do what was asked for
  1  it does not hold, or they may not; one line on stderr says why
  2  the arguments are wrong, or the file cannot be read
"""


@click.command("policy", cls=Command, help=_ABOUT, epilog=_MORE)
@click.argument("file", metavar="FILE")
@click.option("--subject", metavar="SUB", help="Whoever has a token with this `sub`.")
@click.option(
    "--certificate",
    metavar="NAME",
    multiple=True,
    help="Whoever has a certificate with this alternative name, URI or DNS; can be repeated.",
)
@click.option("--rpc", type=click.Choice(RPCS), metavar="RPC", help="May they use this RPC?")
@click.option("--grant", metavar="ID", help="May they use this grant?")
@click.option("--conf-grant", metavar="ID", help="May this grant host their conferences?")
def command(
    *,
    file: str,
    subject: str | None,
    certificate: tuple[str, ...],
    rpc: str | None,
    grant: str | None,
    conf_grant: str | None,
) -> int:
    """Read, and answer."""
    if "" in {subject, *certificate, grant, conf_grant}:
        raise click.UsageError("an empty text names nobody and nothing")
    who = _identity(subject, certificate)
    if who is None and (rpc, grant, conf_grant) != (None, None, None):
        raise click.UsageError("who? --subject or --certificate says it")
    policy = _policy_in(file)
    if who is None:
        for each in policy.principals:
            say("\n".join(_lines(each)))
        return DONE
    principal = policy.principal_of(who)
    if principal is None:
        raise NotDone("the policy names nobody of that name: they may do nothing")
    for asked, is_allowed in (
        (rpc, rpc in principal.rpcs),
        (grant, principal.grants.match(grant or "")),
        (conf_grant, principal.conf_grants.match(conf_grant or "")),
    ):
        if asked is not None and not is_allowed:
            raise NotDone(f"{principal.name} may not use {clean(asked)}")
    say("\n".join(_lines(principal)))
    return DONE


def _identity(subject: str | None, certificate: tuple[str, ...]) -> Identity | None:
    if subject is not None and certificate:
        raise click.UsageError("either --subject or --certificate")
    if subject is not None:
        return Identity(by_token=True, names=(subject,))
    return Identity(by_token=False, names=certificate) if certificate else None


def _policy_in(file: str) -> Policy:
    try:
        with open(file, "rb") as stream:  # noqa: PTH123 - a name with a NUL is a ValueError
            data = stream.read()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no such file"
        raise Refused(f"{clean(file)} cannot be read: {why}") from error
    try:
        return policy_from_toml(data, RPCS)
    except PolicyError as error:
        raise NotDone(f"{clean(file)}: {error}") from error


def _lines(principal: Principal) -> Iterator[str]:
    """Yield a principal's name, and below it what it may use, but for grants, which are patterns."""
    yield principal.name
    rpcs = "every RPC" if principal.rpcs == set(RPCS) else ", ".join(sorted(principal.rpcs))
    yield f"  {rpcs or 'no RPC'}"
    for field in fields(principal.limits):
        limit = getattr(principal.limits, field.name)
        if limit is not None:
            yield f"  {field.name} {limit}"
