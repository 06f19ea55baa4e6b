"""Who somebody is, as a token or a certificate says it, before the policy gives it a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

# Names of services: what else a certificate can name, people and addresses, is none.
_NAMES = ("peer_uri", "peer_dns")


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody.

    Attributes:
        by_token: a token says so; else a certificate.
        names: the token's subject, or the certificate's alternative names of the kinds URI and DNS
            (RFC 9525: the common name is none).
    """

    by_token: bool
    names: tuple[str, ...] = field(repr=False)


def identity_from_certificate(auth_context: Mapping[str, Iterable[bytes]]) -> Identity | None:
    """Return whom gRPC's authentication context names, None without a client certificate."""
    names = tuple(
        name.decode("utf-8", "replace") for kind in _NAMES for name in auth_context.get(kind, ())
    )
    return Identity(by_token=False, names=names) if names else None
