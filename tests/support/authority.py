"""A throwaway certificate authority, made for one test run."""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Pair(NamedTuple):
    """A key and the certificate of it, as PEM."""

    key: bytes
    certificate: bytes

    @property
    def serial(self) -> int:
        """The certificate's number, which no other one has."""
        return x509.load_pem_x509_certificate(self.certificate).serial_number


class Authority:
    """A certificate authority that nobody else trusts."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._signed("authority", self._key, is_ca=True)

    @property
    def pem(self) -> bytes:
        """Its own certificate, as PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, *uris: str) -> Pair:
        """Make a key and sign a certificate for a name on this machine, and for URIs."""
        key = ec.generate_private_key(ec.SECP256R1())
        return Pair(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            self._signed(name, key, uris).public_bytes(serialization.Encoding.PEM),
        )

    def _signed(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        uris: Sequence[str] = (),
        *,
        is_ca: bool = False,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        names = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            *map(x509.UniformResourceIdentifier, uris),
        ]
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
