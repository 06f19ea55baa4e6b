"""Every setting: its variable, its type, its default. The only reader of the environment."""

from __future__ import annotations

import enum
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from conferencing_service.core.compatibility import CrossPlatformPolicy
from conferencing_service.setting_checks import (
    ALGORITHMS,
    HOSTS,
    base_url_of_region,
    check_hosts,
    check_key_source,
    check_ledger_url,
    check_listen,
    check_names,
    words_of,
)

_PREFIX = "CONFERENCING_"
_EVERYWHERE = frozenset({"0.0.0.0", "[::]", "::"})  # noqa: S104 - compared, not listened at


class SettingsError(Exception):
    """A setting is wrong or missing; the text is one line that names it."""


class Exporter(enum.StrEnum):
    """Where spans, or metrics, go: the values of OTEL_TRACES_EXPORTER and its sister that there are."""

    OTLP = "otlp"
    CONSOLE = "console"
    NONE = "none"


class MarkerKey(enum.StrEnum):
    """The metadata keys that Nylas can look events up by, but key5, which its scheduler uses."""

    KEY1 = "key1"
    KEY2 = "key2"
    KEY3 = "key3"
    KEY4 = "key4"


class Settings(BaseSettings):
    """The server's settings. Each is read from CONFERENCING_ and its name in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        env_ignore_empty=True,
        populate_by_name=True,
    )

    listen: str = "127.0.0.1:50051"
    """Host and port of gRPC; port 0 takes a free one."""

    nylas_region: str | None = None
    """us, eu, or the URL of a server that speaks Nylas v3."""

    nylas_api_key: SecretStr | None = None
    """The key itself."""

    nylas_api_key_file: Path | None = None
    """A file that holds the key."""

    upstream_hosts: Annotated[tuple[str, ...], NoDecode] = HOSTS
    """The hosts that the API key may be sent to, beside loopback; exact names with commas."""

    cross_platform_autocreate: CrossPlatformPolicy = CrossPlatformPolicy.REFUSE
    """Whether a conference grant of another platform may host."""

    reflection: bool | None = None
    """gRPC reflection; unset: on with the sandbox, off without."""

    default_deadline: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds that reads get when the caller sets no deadline."""

    max_deadline: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds that reads get at most."""

    write_timeout: Annotated[float, Field(gt=0, le=3600)] = 100.0
    """Seconds that a write may take; above the vendor's own 90."""

    ledger_url: SecretStr | None = None
    """sqlite:///path or postgresql://...; unset: SQLite in a directory of its own, below the user's
    state directory, or with the sandbox a temporary one."""

    ledger_retention: Annotated[float, Field(gt=0)] = 7 * 86_400.0
    """Seconds for which an answer is kept for repetitions."""

    settle_window: Annotated[float, Field(ge=0, le=3600)] | None = None
    """Seconds after a lost answer in which its effect may still appear; unset: the upstream's own."""

    lease_margin: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds by which a lease outlasts a write."""

    resume_interval: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Seconds between two looks for operations whose owner is gone."""

    marker_key: MarkerKey = MarkerKey.KEY4
    """The metadata key that holds what the ledger finds events by; callers cannot write it."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """How many processes share the port."""

    max_calls: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """How many calls a process works at at once."""

    max_pending_calls: Annotated[int, Field(ge=0, le=100_000)] = 1000
    """How many calls may wait for a place; above, they are refused."""

    max_connection_age: Annotated[float, Field(gt=0)] = 1800.0
    """Seconds after which a connection is to be made anew, so that callers spread over replicas."""

    max_connection_idle: Annotated[float, Field(gt=0)] = 300.0
    """Seconds after which a connection without a call is closed."""

    drain_wait: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """Seconds at SIGTERM for balancers to see NOT_SERVING; calls are still taken."""

    shutdown_grace: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """Seconds that calls under way get after that."""

    health_listen: str | None = None
    """Host and port of grpc.health.v1 alone, without TLS; for probes."""

    prometheus_listen: str | None = None
    """Host and port of metrics for Prometheus; of several processes, each takes the next port."""

    tls_cert_file: Path | None = None
    """The server's certificate and its chain, in PEM; read anew when it changes."""

    tls_key_file: Path | None = None
    """The certificate's key, in PEM."""

    tls_client_ca_file: Path | None = None
    """Authorities of callers' certificates, in PEM; set, a caller without one is not let in."""

    allow_unauthenticated_callers: bool = False
    """Listen off loopback though callers need neither a certificate nor a token."""

    policy_file: Path | None = None
    """Who may do what, in TOML; read anew when it changes."""

    jwt_issuer: str | None = None
    """Whose tokens are taken; set, callers need one, or a certificate that the policy names."""

    jwt_audience: str | None = None
    """For whom tokens have to be made."""

    jwt_algorithms: Annotated[tuple[str, ...], NoDecode] = ("RS256", "ES256")
    """How tokens may be signed, with commas."""

    jwt_jwks: str | None = None
    """The keys that tokens are signed with: a file or an https URL of a JWK set."""

    jwt_leeway: Annotated[float, Field(ge=0, le=300)] = 60.0
    """Seconds by which clocks may differ."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 2000
    """How many connections a process keeps; more are closed at once."""

    handshake_timeout: Annotated[float, Field(gt=0, le=120)] = 5.0
    """Seconds that a connection has for its handshakes, TLS and HTTP/2."""

    message_timeout: Annotated[float, Field(gt=0, le=3600)] = 20.0
    """Seconds that a call's message may take to arrive."""

    ledger_keys_file: Path | None = None
    """Keys that answers in the ledger are encrypted with, the first; and decrypted, all."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    sandbox_listen: str = "127.0.0.1:50080"
    """Host and port of the embedded sandbox; loopback only."""

    sandbox_database: str = ":memory:"
    """Where the embedded sandbox keeps its data: a file, or :memory:."""

    sandbox_faults: Annotated[str, NoDecode] = ""
    """Faults that the embedded sandbox starts with, as JSON."""

    state_home: Path | None = Field(default=None, validation_alias="XDG_STATE_HOME")
    """Where programs of this user keep what is to outlast them; unset: ~/.local/state."""

    traces_exporter: Exporter | None = Field(default=None, validation_alias="OTEL_TRACES_EXPORTER")
    """otlp, console or none; unset: otlp when an OTLP endpoint is set, else none."""

    metrics_exporter: Exporter | None = Field(
        default=None, validation_alias="OTEL_METRICS_EXPORTER"
    )
    """otlp, console or none; unset: otlp when an OTLP endpoint is set, else none."""

    otlp_endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    """Read by the OpenTelemetry SDK; here it only switches the exporter on."""

    otlp_traces_endpoint: str | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    )
    """The same, for traces alone."""

    otlp_metrics_endpoint: str | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
    )
    """The same, for metrics alone."""

    sdk_disabled: bool = Field(default=False, validation_alias="OTEL_SDK_DISABLED")
    """true: no spans and no metrics at all."""

    @field_validator("listen", "sandbox_listen", "health_listen", "prometheus_listen")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None:
            check_listen(value)
        return value

    @field_validator("nylas_region")
    @classmethod
    def _region(cls, value: str | None) -> str | None:
        return None if value is None else base_url_of_region(value)

    @field_validator("upstream_hosts", mode="before")
    @classmethod
    def _hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        hosts = words_of(value.lower())
        check_hosts(hosts)
        return hosts

    @field_validator("jwt_algorithms", mode="before")
    @classmethod
    def _algorithms(cls, value: object) -> object:
        return words_of(value, allowed=ALGORITHMS) if isinstance(value, str) else value

    @field_validator("jwt_jwks")
    @classmethod
    def _keys(cls, value: str | None) -> str | None:
        if value is not None:
            check_key_source(value)
        return value

    @field_validator("otlp_endpoint", "otlp_traces_endpoint", "otlp_metrics_endpoint")
    @classmethod
    def _endpoint(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in {"http", "https"}:
            raise ValueError("must be a URL")
        return value

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @field_validator("ledger_url")
    @classmethod
    def _ledger(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_ledger_url(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.nylas_api_key is not None and self.nylas_api_key_file is not None:
            raise ValueError(
                "CONFERENCING_NYLAS_API_KEY and CONFERENCING_NYLAS_API_KEY_FILE exclude each other"
            )
        return self

    @model_validator(mode="after")
    def _ports_apart(self) -> Self:
        """Refuse two listeners in one place: processes that share ports would share these as well."""
        taken: list[tuple[str, str, range]] = []
        for name, listen, ports in (
            ("CONFERENCING_LISTEN", self.listen, 1),
            ("CONFERENCING_HEALTH_LISTEN", self.health_listen, 1),
            ("CONFERENCING_PROMETHEUS_LISTEN", self.prometheus_listen, self.processes),
        ):
            if listen is None or listen.endswith(":0"):
                continue
            host, _colon, port = listen.rpartition(":")
            places = range(int(port), int(port) + ports)
            for other, where, occupied in taken:
                same_host = host == where or {host, where} & _EVERYWHERE
                if same_host and max(places[0], occupied[0]) <= min(places[-1], occupied[-1]):
                    raise ValueError(f"{name}: is where {other} listens")
            taken.append((name, host, places))
        return self

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError(
                "CONFERENCING_TLS_CERT_FILE and CONFERENCING_TLS_KEY_FILE need each other"
            )
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("CONFERENCING_TLS_CLIENT_CA_FILE: needs CONFERENCING_TLS_CERT_FILE")
        return self

    @model_validator(mode="after")
    def _whole_authentication(self) -> Self:
        tokens = {
            "CONFERENCING_JWT_ISSUER": self.jwt_issuer,
            "CONFERENCING_JWT_AUDIENCE": self.jwt_audience,
            "CONFERENCING_JWT_JWKS": self.jwt_jwks,
        }
        missing = [name for name, value in tokens.items() if value is None]
        if missing and len(missing) < len(tokens):
            raise ValueError(f"{missing[0]}: is needed with the other CONFERENCING_JWT settings")
        if not missing and self.policy_file is None:
            raise ValueError("CONFERENCING_JWT_ISSUER: needs CONFERENCING_POLICY_FILE")
        if self.policy_file is not None and missing and self.tls_client_ca_file is None:
            raise ValueError(
                "CONFERENCING_POLICY_FILE: needs callers that are known, by "
                "CONFERENCING_TLS_CLIENT_CA_FILE or CONFERENCING_JWT_ISSUER"
            )
        return self

    @model_validator(mode="after")
    def _default_below_most(self) -> Self:
        if self.default_deadline > self.max_deadline:
            raise ValueError(
                "CONFERENCING_DEFAULT_DEADLINE: must not be above CONFERENCING_MAX_DEADLINE"
            )
        return self

    def ledger(self) -> str:
        """Return the URL of the ledger's store."""
        if self.ledger_url is not None:
            return self.ledger_url.get_secret_value()
        home = self.state_home or Path.home() / ".local" / "state"
        path = home.absolute() / "conferencing-service" / "ledger" / "ledger.sqlite"
        return f"sqlite://{quote(str(path))}"

    def spans_to(self) -> Exporter:
        """Return where spans go."""
        return self._exporter(self.traces_exporter, self.otlp_traces_endpoint)

    def metrics_to(self) -> Exporter:
        """Return where metrics go, beside Prometheus."""
        return self._exporter(self.metrics_exporter, self.otlp_metrics_endpoint)

    def _exporter(self, chosen: Exporter | None, endpoint: str | None) -> Exporter:
        if self.sdk_disabled:
            return Exporter.NONE
        if chosen is not None:
            return chosen
        return Exporter.OTLP if endpoint or self.otlp_endpoint else Exporter.NONE

    def api_key(self) -> SecretStr:
        """Return the vendor's key; raises SettingsError where there is none."""
        if self.nylas_api_key is not None:
            key = self.nylas_api_key.get_secret_value()
        elif self.nylas_api_key_file is not None:
            try:
                key = self.nylas_api_key_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError) as error:
                raise SettingsError(
                    "CONFERENCING_NYLAS_API_KEY_FILE: the file cannot be read"
                ) from error
        else:
            raise SettingsError(
                "CONFERENCING_NYLAS_API_KEY or CONFERENCING_NYLAS_API_KEY_FILE is needed with "
                "CONFERENCING_NYLAS_REGION"
            )
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            variable = "CONFERENCING_NYLAS_API_KEY" + (
                "_FILE" if self.nylas_api_key is None else ""
            )
            raise SettingsError(f"{variable}: the key is empty or holds characters that no key has")
        return SecretStr(key)


def settings_from_environment() -> Settings:
    """Return the settings; raises SettingsError with one line that names what is wrong."""
    fields = Settings.model_fields.items()
    known = [name.upper() for name, field in fields if field.validation_alias is None]
    try:
        check_names((name for name in os.environ if name.startswith(_PREFIX)), known, _PREFIX)
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(_line(first["loc"], first["msg"])) from None
    except ValueError as error:
        raise SettingsError(str(error)) from None


def environment_with(own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that is started, with these variables instead of ours."""
    return {**os.environ, **own}


def _line(place: Sequence[int | str], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not place:
        return message
    name = str(place[0])
    variable = name if name.startswith("OTEL_") else f"CONFERENCING_{name.upper()}"
    return f"{variable}: {message[:1].lower()}{message[1:]}"
