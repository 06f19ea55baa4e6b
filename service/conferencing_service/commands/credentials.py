"""What a command shows a running server of who asks: a certificate, a token; and whom it trusts."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click
import grpc

from conferencing import Tls
from conferencing_service.commands.asking import OPTIONS, channel_to
from conferencing_service.commands.endings import Refused
from conferencing_service.setting_checks import is_loopback


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks, and whom it trusts.

    Attributes:
        tls: how the connection is encrypted; None: not at all.
        name: what the server's certificate has to be for; "": the host that is asked.
        token: a bearer token, or "".
    """

    tls: Tls | None = None
    name: str = ""
    token: str = field(default="", repr=False)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call says of who makes it."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def channel_to(self, address: str) -> grpc.Channel:
        """Return a channel to a server; ends with 2 where a token would leave in plaintext."""
        if self.tls is None:
            if self.token and not is_loopback(address.rpartition(":")[0]):
                raise Refused("--token-file: off this machine a token goes by TLS alone: --tls-ca")
            return channel_to(address)
        name = (("grpc.ssl_target_name_override", self.name),) if self.name else ()
        return grpc.secure_channel(
            address,
            grpc.ssl_channel_credentials(self.tls.ca, self.tls.key, self.tls.certificate),
            options=(*OPTIONS, *name),
        )


_FILES = (
    ("--tls-ca", "FILE", "Speak TLS with a server that this authority vouches for, PEM."),
    ("--tls-cert", "FILE", "Present this certificate, PEM."),
    ("--tls-key", "FILE", "The key of --tls-cert, PEM."),
    ("--tls-name", "NAME", "What the server's certificate is for, where --address is not that."),
    ("--token-file", "FILE", "Send the bearer token that stands in this file."),
)


def credentials_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add --token-file and the options of TLS; the command gets them as `credentials`."""

    @functools.wraps(command)
    def with_credentials(
        *,
        tls_ca: str | None,
        tls_cert: str | None,
        tls_key: str | None,
        tls_name: str | None,
        token_file: str | None,
        **others: Any,
    ) -> int:
        if (tls_cert is None) != (tls_key is None):
            raise click.UsageError("--tls-cert and --tls-key need each other.")
        if tls_ca is None and not (tls_cert is None and tls_name is None):
            raise click.UsageError("--tls-cert and --tls-name need --tls-ca.")
        credentials = Credentials(
            tls=None if tls_ca is None else _tls_from(tls_ca, tls_cert, tls_key),
            name=tls_name or "",
            token="" if token_file is None else _token_from(token_file),
        )
        return command(credentials=credentials, **others)

    for name, metavar, says in reversed(_FILES):
        with_credentials = click.option(name, metavar=metavar, help=says)(with_credentials)
    return with_credentials


def _tls_from(ca: str, cert: str | None, key: str | None) -> Tls:
    """Return what the files hold; of wrong ones gRPC would say that no server answers."""
    option, context = "--tls-ca", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(ca)
        if cert is None or key is None:
            return Tls(ca=_content_of(ca))
        option = "--tls-cert, --tls-key"
        # Without a password that is given, a key that needs one would be asked for on a terminal.
        context.load_cert_chain(cert, key, password="")
        return Tls(ca=_content_of(ca), certificate=_content_of(cert), key=_content_of(key))
    except (OSError, ValueError) as error:
        raise Refused(f"{option}: cannot be read, or is not what it has to be") from error


def _token_from(path: str) -> str:
    try:
        token = _content_of(path).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise Refused("--token-file: the file cannot be read") from error
    if not token or not token.isprintable() or " " in token:
        raise Refused("--token-file: the file holds no bearer token")
    return token


def _content_of(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - a text that a user gave, and no more than that
        return file.read()
