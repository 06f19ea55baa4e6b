"""An issuer of tokens, with keys of its own, made for one test."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://issuer.example"
AUDIENCE = "conferencing"

_ALGORITHMS: dict[str, Any] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class Issuer:
    """Signs tokens.

    Args:
        algorithm: how.
        key_id: what its key is called.
    """

    def __init__(self, algorithm: str = "ES256", key_id: str = "one") -> None:
        self.algorithm = algorithm
        self.key_id = key_id
        self.key = _ALGORITHMS[algorithm]()

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """Its public key, as a JWK."""
        maker = jwt.get_algorithm_by_name(self.algorithm)
        key: dict[str, Any] = json.loads(maker.to_jwk(self.key.public_key()))
        said = {"kid": self.key_id, "alg": self.algorithm, "use": "sig"}
        return {name: value for name, value in (key | said | changes).items() if value is not None}

    def claims(self, subject: str, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, but for what is changed; None takes one away."""
        now = int(time.time())
        good = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 300}
        return {name: value for name, value in (good | changes).items() if value is not None}

    def token(self, subject: str, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token for somebody."""
        return jwt.encode(
            self.claims(subject, **claims),
            self.key,
            algorithm=self.algorithm,
            headers={"kid": self.key_id} | (headers or {}),
        )


def key_set(*issuers: Issuer) -> str:
    """The JWK set of some issuers' keys."""
    return json.dumps({"keys": [issuer.jwk() for issuer in issuers]})


def settings_with(folder: Path, policy: str, *issuers: Issuer) -> dict[str, Any]:
    """Settings of a server that takes tokens of these issuers, and has this policy."""
    (folder / "policy.toml").write_text(policy)
    (folder / "keys.json").write_text(key_set(*issuers))
    return {
        "policy_file": folder / "policy.toml",
        "jwt_issuer": ISSUER,
        "jwt_audience": AUDIENCE,
        "jwt_jwks": str(folder / "keys.json"),
    }


def bearing(token: str) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with a token."""
    return (("authorization", f"Bearer {token}"),)
