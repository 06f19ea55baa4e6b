"""The gate: who makes a call, and whether that caller may. Before it nothing of a request is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from conferencing_service.access.identity import Identity, identity_from_certificate
from conferencing_service.access.policy import Principal
from conferencing_service.access.policy_file import PolicyFile
from conferencing_service.access.tokens import Tokens
from conferencing_service.core.clock import Clock
from conferencing_service.core.errors import (
    CredentialsInvalid,
    CredentialsMissing,
    RpcNotAllowed,
)
from conferencing_service.core.quotas import Quota, Quotas

_BEARER = "bearer "


class Caller(NamedTuple):
    """Who was let through, and what is left to it."""

    principal: Principal
    quota: Quota


class Gate:
    """Lets through whom the policy names.

    A token is who calls, wherever one is sent; the certificate beside it may be a proxy's.

    Args:
        policy: who may do what.
        tokens: tells whom tokens name; None where none are taken.
        takes_certificates: whether certificates name callers.
        clock: a clock that never goes back.
    """

    def __init__(
        self, *, policy: PolicyFile, tokens: Tokens | None, takes_certificates: bool, clock: Clock
    ) -> None:
        self._policy = policy
        self._tokens = tokens
        self._takes_certificates = takes_certificates
        self._quotas = Quotas(clock)

    async def look(self) -> None:
        """Look whether policy and keys are other ones, though nobody calls."""
        self._policy.current()
        if self._tokens is not None:
            await self._tokens.look()

    async def caller_of(
        self,
        metadata: Iterable[tuple[str, str | bytes]],
        auth_context: Callable[[], Mapping[str, Iterable[bytes]]],
    ) -> Caller:
        """Return who calls.

        Raises CredentialsMissing, CredentialsInvalid, RpcNotAllowed where the policy names nobody,
        and Unavailable where it cannot be told whether a token is good.

        Args:
            metadata: the call's.
            auth_context: returns what gRPC knows of the connection's other end.
        """
        identity = await self._identity(metadata, auth_context)
        principal = self._policy.current().principal_of(identity)
        if principal is None:
            raise RpcNotAllowed
        return Caller(principal, self._quotas.of(principal.name, principal.limits))

    async def _identity(
        self,
        metadata: Iterable[tuple[str, str | bytes]],
        auth_context: Callable[[], Mapping[str, Iterable[bytes]]],
    ) -> Identity:
        if self._tokens is not None:
            told = [value for key, value in metadata if key == "authorization"]
            if told:
                return await self._tokens.identity_of(_bearer_token(told))
        identity = identity_from_certificate(auth_context()) if self._takes_certificates else None
        if identity is None:
            raise CredentialsMissing
        return identity


def _bearer_token(told: Sequence[str | bytes]) -> str:
    """Return the token of a call's authorization (RFC 6750, 2.1)."""
    value = told[0]
    if len(told) > 1 or not isinstance(value, str) or value[: len(_BEARER)].lower() != _BEARER:
        raise CredentialsInvalid
    return value[len(_BEARER) :].strip()
