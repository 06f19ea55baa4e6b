"""The gate and the audit, put together from the settings."""

from __future__ import annotations

from pathlib import Path

from conferencing_service.access.gate import Gate
from conferencing_service.access.named_grants import grants_named_by_rpcs
from conferencing_service.access.policy_file import PolicyFile
from conferencing_service.access.signing_keys import Fetch, FileKeys, SigningKeys, UrlKeys
from conferencing_service.access.tokens import Tokens
from conferencing_service.core.clock import Clock
from conferencing_service.settings import Settings


def gate_of(settings: Settings, clock: Clock, fetch: Fetch) -> Gate | None:
    """Return the gate that the settings ask for, None where they ask for none.

    Args:
        settings: the settings; raises SettingsError where a file of theirs does not do.
        clock: a clock that never goes back.
        fetch: fetches the keys of tokens.
    """
    if settings.policy_file is None:
        return None
    return Gate(
        policy=PolicyFile(settings.policy_file, grants_named_by_rpcs(), clock),
        tokens=_tokens_of(settings, clock, fetch),
        takes_certificates=settings.tls_client_ca_file is not None,
        clock=clock,
    )


def _tokens_of(settings: Settings, clock: Clock, fetch: Fetch) -> Tokens | None:
    issuer, audience, source = settings.jwt_issuer, settings.jwt_audience, settings.jwt_jwks
    if issuer is None or audience is None or source is None:
        return None
    keys: SigningKeys
    keys = UrlKeys(source, fetch, clock) if "://" in source else FileKeys(Path(source), clock)
    return Tokens(
        issuer=issuer,
        audience=audience,
        algorithms=settings.jwt_algorithms,
        leeway=settings.jwt_leeway,
        keys=keys,
    )
