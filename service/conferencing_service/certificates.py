"""The server's certificate, read anew when its files change, so that nobody restarts for a new one."""

from __future__ import annotations

import logging
from pathlib import Path

import grpc

from conferencing_service.settings import Settings, SettingsError

_log = logging.getLogger(__name__)


class Certificates:
    """The files of a certificate, its key, and the authorities of callers' certificates.

    Args:
        cert: the certificate with its chain, in PEM.
        key: its key, in PEM.
        client_ca: authorities, in PEM; None where callers need no certificate.
    """

    def __init__(self, cert: Path, key: Path, client_ca: Path | None) -> None:
        self._cert = cert
        self._key = key
        self._client_ca = client_ca
        self._read: tuple[bytes, bytes, bytes | None] | None = None

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
            first = _configuration(files)
        except (OSError, ValueError) as error:
            raise SettingsError(
                "CONFERENCING_TLS_CERT_FILE, CONFERENCING_TLS_KEY_FILE or "
                "CONFERENCING_TLS_CLIENT_CA_FILE: a file cannot be read"
            ) from error
        self._read = files
        return grpc.dynamic_ssl_server_credentials(
            first,
            self._changed,  # type: ignore[arg-type] # its stubs do not know that None is no change
            require_client_authentication=self._client_ca is not None,
        )

    def _files(self) -> tuple[bytes, bytes, bytes | None]:
        return (
            _pem(self._cert),
            _pem(self._key),
            None if self._client_ca is None else _pem(self._client_ca),
        )

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return what is new at a handshake, None where nothing is, or nothing that does."""
        try:
            files = self._files()
            if files == self._read:
                return None
            changed = _configuration(files)
        except (OSError, ValueError):
            # Half of it may have been replaced so far; what was read before still does.
            _log.error(
                "the certificate's files cannot be read; the last ones are still used",
                extra={"alert": "certificate"},
            )
            return None
        self._read = files
        _log.info("the certificate was read anew")
        return changed


def _pem(path: Path) -> bytes:
    """Return a file that is PEM by its looks; gRPC says nothing of one that is not."""
    read = path.read_bytes()
    if b"-----BEGIN " not in read:
        raise ValueError("not PEM")
    return read


def _configuration(files: tuple[bytes, bytes, bytes | None]) -> grpc.ServerCertificateConfiguration:
    cert, key, client_ca = files
    return grpc.ssl_server_certificate_configuration([(key, cert)], root_certificates=client_ca)
