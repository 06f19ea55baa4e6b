"""Bearer tokens: JWTs (RFC 7519) that an issuer signed for this service, checked by RFC 8725."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

import jwt

from conferencing_service.access.identity import Identity
from conferencing_service.access.signing_keys import SigningKeys
from conferencing_service.core.errors import CredentialsInvalid, Unavailable

_log = logging.getLogger(__name__)

_REMEMBERED = 10_000
_REQUIRED = ("exp", "iss", "aud", "sub")

_WHY: Mapping[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.ImmatureSignatureError: "not yet valid",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
    jwt.InvalidSignatureError: "signature",
    jwt.InvalidAlgorithmError: "algorithm",
    jwt.MissingRequiredClaimError: "claims",
}


class Tokens:
    """Tells whom tokens name.

    A token that was found good is remembered, by its digest, until it ends or the keys change.

    Args:
        issuer: whose tokens are good.
        audience: for whom they have to be made.
        algorithms: how they may be signed; none with a shared secret.
        leeway: seconds by which clocks may differ.
        keys: the issuer's keys.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        algorithms: Collection[str],
        leeway: float,
        keys: SigningKeys,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._algorithms = frozenset(algorithms)
        self._leeway = leeway
        self._keys = keys
        self._good: OrderedDict[bytes, tuple[Identity, float, int]] = OrderedDict()

    async def look(self) -> None:
        """Look whether the keys are other ones, though nobody calls."""
        with contextlib.suppress(Unavailable):
            await self._keys.look()

    async def identity_of(self, token: str) -> Identity:
        """Return whom a token names.

        Raises CredentialsInvalid where it is not good, and Unavailable where the issuer's keys
        cannot be had.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        # First: what is remembered holds as long as the keys do.
        seen = await self._keys.look()
        known = self._good.get(digest)
        if known is not None:
            identity, ends, generation = known
            if time.time() < ends and generation == seen:
                return identity
            del self._good[digest]
        claims = await self._claims(token)
        identity = Identity(by_token=True, names=(claims["sub"],))
        self._good[digest] = identity, _ends(claims) + self._leeway, seen
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        return identity

    async def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except Exception as error:
            raise _refused("form") from error
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or not isinstance(key_id, str | None):
            raise _refused("form")
        if algorithm not in self._algorithms:
            raise _refused("algorithm")
        key = await self._keys.find(key_id, algorithm)
        if key is None:
            raise _refused("key")
        try:
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway,
                options={"require": list(_REQUIRED)},
            )
        except jwt.PyJWTError as error:
            raise _refused(_WHY.get(type(error), "form")) from error
        except Exception as error:
            raise _refused("form") from error
        if not (isinstance(claims["sub"], str) and claims["sub"]):
            raise _refused("claims")
        return claims


def _ends(claims: Mapping[str, Any]) -> float:
    """Return when a token ends; one that ends beyond all numbers ends late enough."""
    return float(min(int(claims["exp"]), 2**53))


def _refused(why: str) -> CredentialsInvalid:
    # Its caller is not told: that would help to make a better one.
    _log.warning("a token was refused", extra={"why": why})
    return CredentialsInvalid()
