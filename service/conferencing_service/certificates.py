"""The server's certificate, read anew when its files change, so that nobody restarts for a new one."""

from __future__ import annotations

import logging
import ssl
import time
from pathlib import Path
from typing import TypeAlias

import grpc

from conferencing_service.core.clock import Clock
from conferencing_service.settings import Settings, SettingsError

_log = logging.getLogger(__name__)

# Told again while it lasts: an alert that is told once cannot tell what lasts from what is over.
_TELL_SECONDS = 60.0

_Files: TypeAlias = tuple[bytes, bytes, bytes | None]


class Certificates:
    """The files of a certificate, its key, and the authorities of callers' certificates.

    Args:
        cert: the certificate with its chain, in PEM.
        key: its key, in PEM.
        client_ca: authorities, in PEM; None where callers need no certificate.
        clock: a clock that never goes back.
    """

    def __init__(
        self, cert: Path, key: Path, client_ca: Path | None, clock: Clock = time.monotonic
    ) -> None:
        self._cert = cert
        self._key = key
        self._client_ca = client_ca
        self._served: _Files | None = None
        self._clock = clock
        self._told_at = float("-inf")

    @classmethod
    def of(cls, settings: Settings) -> Certificates | None:
        """Return those that the settings name, None where they name none."""
        if settings.tls_cert_file is None or settings.tls_key_file is None:
            return None
        return cls(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)

    def credentials(self) -> grpc.ServerCredentials:
        """Return what the port is opened with; raises SettingsError where a file does not do."""
        try:
            files = self._files()
            self._check(files)
        except (OSError, ValueError) as error:
            raise SettingsError(
                "CONFERENCING_TLS_CERT_FILE, CONFERENCING_TLS_KEY_FILE or "
                "CONFERENCING_TLS_CLIENT_CA_FILE: a file cannot be read, or is not the other's"
            ) from error
        self._served = files
        return grpc.dynamic_ssl_server_credentials(
            _configuration(files),
            self._changed,  # type: ignore[arg-type] # its stubs forget that nothing may be new
            require_client_authentication=self._client_ca is not None,
        )

    def _files(self) -> _Files:
        return (
            self._cert.read_bytes(),
            self._key.read_bytes(),
            None if self._client_ca is None else self._client_ca.read_bytes(),
        )

    def _check(self, files: _Files) -> None:
        """Raise OSError or ValueError where files do not do; gRPC tells nobody of those."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # How strong a key has to be is not asked here.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        # Without a password that is given, a key that needs one would be asked for on a terminal.
        context.load_cert_chain(self._cert, self._key, password="")
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
        if files != self._files():
            raise ValueError("replaced meanwhile")

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what is new at a handshake, None where nothing is, or nothing that does."""
        try:
            files = self._files()
            if files != self._served:
                self._check(files)
        except (OSError, ValueError):
            # Half of it may have been replaced so far; what was read before still does.
            if self._clock() - self._told_at >= _TELL_SECONDS:
                self._told_at = self._clock()
                _log.error(
                    "the certificate's files cannot be read, or are not each other's; "
                    "the last ones are still used",
                    extra={"alert": "certificate"},
                )
            return None
        self._told_at = float("-inf")
        if files == self._served:
            return None
        self._served = files
        _log.info("the certificate was read anew")
        return _configuration(files)


def _configuration(files: _Files) -> grpc.ServerCertificateConfiguration:
    cert, key, client_ca = files
    return grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=client_ca)
