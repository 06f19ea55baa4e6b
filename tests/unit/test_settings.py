"""Every setting comes from the environment, and a wrong one is told in one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from conferencing_service.core.compatibility import CrossPlatformPolicy
from conferencing_service.setting_checks import base_url_of_region, check_ledger_url, is_loopback
from conferencing_service.settings import (
    Exporter,
    MarkerKey,
    Settings,
    SettingsError,
    settings_from_environment,
)

SECRET = "planted-secret-7d1f"
KEY = "CONFERENCING_NYLAS_API_KEY"
KEY_FILE = "CONFERENCING_NYLAS_API_KEY_FILE"
LEDGER_URL = "CONFERENCING_LEDGER_URL"
STATE_HOME = "XDG_STATE_HOME"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start every test without a setting."""
    for name in list(os.environ):
        if name.startswith(("CONFERENCING_", "OTEL_")) or name == STATE_HOME:
            monkeypatch.delenv(name)


def refused(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """Return the line that refuses an environment."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        settings_from_environment()
    line = str(caught.value)
    assert "\n" not in line
    assert line
    return line


# ---- Values --------------------------------------------------------------------------------


def test_without_an_environment_there_are_defaults() -> None:
    settings = settings_from_environment()
    assert settings.listen == "127.0.0.1:50051"
    assert settings.nylas_region is None
    assert settings.nylas_api_key is None
    assert settings.cross_platform_autocreate is CrossPlatformPolicy.REFUSE
    assert settings.reflection is None
    assert settings.default_deadline == 30.0
    assert settings.max_deadline == 60.0
    assert settings.write_timeout == 100.0
    assert settings.ledger_url is None
    assert settings.ledger_retention == 604_800.0
    assert settings.settle_window is None
    assert settings.lease_margin == 30.0
    assert settings.resume_interval == 10.0
    assert settings.marker_key is MarkerKey.KEY4
    assert settings.state_home is None
    assert settings.shutdown_grace == 30.0
    assert settings.log_level == "INFO"
    assert settings.sandbox_listen == "127.0.0.1:50080"
    assert settings.sandbox_database == ":memory:"
    assert settings.sandbox_faults == ""
    assert settings.spans_to() is Exporter.NONE


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("CONFERENCING_LISTEN", "0.0.0.0:0", "listen", "0.0.0.0:0"),
        ("CONFERENCING_LISTEN", "[::1]:50051", "listen", "[::1]:50051"),
        ("CONFERENCING_NYLAS_REGION", "us", "nylas_region", "https://api.us.nylas.com"),
        ("CONFERENCING_NYLAS_REGION", "eu", "nylas_region", "https://api.eu.nylas.com"),
        (KEY_FILE, "/run/key", "nylas_api_key_file", Path("/run/key")),
        (
            "CONFERENCING_CROSS_PLATFORM_AUTOCREATE",
            "allow",
            "cross_platform_autocreate",
            CrossPlatformPolicy.ALLOW,
        ),
        ("CONFERENCING_REFLECTION", "true", "reflection", True),
        ("CONFERENCING_REFLECTION", "false", "reflection", False),
        ("CONFERENCING_DEFAULT_DEADLINE", "2.5", "default_deadline", 2.5),
        ("CONFERENCING_MAX_DEADLINE", "90", "max_deadline", 90.0),
        ("CONFERENCING_WRITE_TIMEOUT", "120", "write_timeout", 120.0),
        (LEDGER_URL, "sqlite:///data/l.db", "ledger_url", SecretStr("sqlite:///data/l.db")),
        ("CONFERENCING_LEDGER_RETENTION", "3600", "ledger_retention", 3600.0),
        ("CONFERENCING_SETTLE_WINDOW", "0", "settle_window", 0.0),
        ("CONFERENCING_LEASE_MARGIN", "5", "lease_margin", 5.0),
        ("CONFERENCING_RESUME_INTERVAL", "0.5", "resume_interval", 0.5),
        ("CONFERENCING_MARKER_KEY", "key2", "marker_key", MarkerKey.KEY2),
        (STATE_HOME, "/var/state", "state_home", Path("/var/state")),
        ("CONFERENCING_PROCESSES", "4", "processes", 4),
        ("CONFERENCING_MAX_CALLS", "7", "max_calls", 7),
        ("CONFERENCING_MAX_PENDING_CALLS", "0", "max_pending_calls", 0),
        ("CONFERENCING_MAX_CONNECTION_AGE", "60", "max_connection_age", 60.0),
        ("CONFERENCING_MAX_CONNECTION_IDLE", "9", "max_connection_idle", 9.0),
        ("CONFERENCING_DRAIN_WAIT", "5", "drain_wait", 5.0),
        ("CONFERENCING_SHUTDOWN_GRACE", "0", "shutdown_grace", 0.0),
        ("CONFERENCING_HEALTH_LISTEN", "0.0.0.0:50052", "health_listen", "0.0.0.0:50052"),
        ("CONFERENCING_PROMETHEUS_LISTEN", "[::1]:9464", "prometheus_listen", "[::1]:9464"),
        ("OTEL_METRICS_EXPORTER", "console", "metrics_exporter", Exporter.CONSOLE),
        ("CONFERENCING_LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("CONFERENCING_UPSTREAM_HOSTS", "A.example, b:8", "upstream_hosts", ("a.example", "b:8")),
        (
            "CONFERENCING_ALLOW_UNAUTHENTICATED_CALLERS",
            "true",
            "allow_unauthenticated_callers",
            True,
        ),
        ("CONFERENCING_JWT_ALGORITHMS", "EdDSA,PS512", "jwt_algorithms", ("EdDSA", "PS512")),
        ("CONFERENCING_JWT_LEEWAY", "0", "jwt_leeway", 0.0),
        ("CONFERENCING_MAX_CONNECTIONS", "9", "max_connections", 9),
        ("CONFERENCING_HANDSHAKE_TIMEOUT", "1", "handshake_timeout", 1.0),
        ("CONFERENCING_MESSAGE_TIMEOUT", "2", "message_timeout", 2.0),
        ("CONFERENCING_LEDGER_KEYS_FILE", "/run/keys", "ledger_keys_file", Path("/run/keys")),
        ("CONFERENCING_SANDBOX_LISTEN", "127.0.0.1:0", "sandbox_listen", "127.0.0.1:0"),
        ("CONFERENCING_SANDBOX_DATABASE", "/data/s.db", "sandbox_database", "/data/s.db"),
        ("CONFERENCING_SANDBOX_FAULTS", '{"faults": []}', "sandbox_faults", '{"faults": []}'),
        ("OTEL_TRACES_EXPORTER", "console", "traces_exporter", Exporter.CONSOLE),
        ("OTEL_SDK_DISABLED", "true", "sdk_disabled", True),
    ],
)
def test_a_setting_is_read_from_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: Any
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(settings_from_environment(), field) == value


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("CONFERENCING_POLICY_FLE", "CONFERENCING_POLICY_FILE"),
        ("CONFERENCING_LEDGER_KEY_FILE", "CONFERENCING_LEDGER_KEYS_FILE"),
        ("CONFERENCING_JWT_ISUER", "CONFERENCING_JWT_ISSUER"),
        ("CONFERENCING_TLS_CLIENT_CA", "CONFERENCING_TLS_CLIENT_CA_FILE"),
    ],
)
def test_a_misspelt_variable_is_not_ignored(
    monkeypatch: pytest.MonkeyPatch, wrong: str, meant: str
) -> None:
    line = refused(monkeypatch, **{wrong: SECRET})
    assert line == f"{wrong}: there is no such setting; {meant} is one"


def test_variables_of_others_that_begin_like_ours_are_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (
        *("PORT", "SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_GRPC", "PORT_50051_TCP_ADDR"),
        *("LEDGER_PORT", "LEDGER_SERVICE_HOST", "ADDRESS"),
        *("METRICS_PORT", "METRICS_SERVICE_PORT_HTTP"),
    ):
        monkeypatch.setenv(f"CONFERENCING_{name}", "tcp://10.0.0.1:50051")
    settings_from_environment()


@pytest.mark.parametrize(
    "hosts", ["https://api.us.nylas.com", "a b", "*.nylas.com", "a,", "a/b", "u@a"]
)
def test_what_is_no_host_is_no_upstream_host(monkeypatch: pytest.MonkeyPatch, hosts: str) -> None:
    assert refused(monkeypatch, CONFERENCING_UPSTREAM_HOSTS=hosts).startswith(
        "CONFERENCING_UPSTREAM_HOSTS: must be "
    )


def test_every_setting_has_a_variable_that_is_tested_above() -> None:
    tested = {
        mark.args[1][index][2]
        for mark in test_a_setting_is_read_from_its_variable.pytestmark
        for index in range(len(mark.args[1]))
    }
    elsewhere = {
        *("nylas_api_key", "otlp_endpoint", "otlp_traces_endpoint", "otlp_metrics_endpoint"),
        *("tls_cert_file", "tls_key_file", "tls_client_ca_file", "policy_file"),
        *("jwt_issuer", "jwt_audience", "jwt_jwks"),
    }
    assert tested | elsewhere == set(Settings.model_fields)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("CONFERENCING_NYLAS_REGION", KEY, KEY_FILE, "OTEL_TRACES_EXPORTER"),
        *(LEDGER_URL, STATE_HOME),
    ):
        monkeypatch.setenv(name, "")
    assert settings_from_environment() == Settings()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("CONFERENCING_LISTEN", "50051"),
        ("CONFERENCING_LISTEN", ":50051"),
        ("CONFERENCING_LISTEN", "127.0.0.1:"),
        ("CONFERENCING_LISTEN", "127.0.0.1:65536"),
        ("CONFERENCING_LISTEN", "127.0.0.1:http"),
        ("CONFERENCING_NYLAS_REGION", "moon"),
        ("CONFERENCING_CROSS_PLATFORM_AUTOCREATE", "maybe"),
        ("CONFERENCING_REFLECTION", "perhaps"),
        ("CONFERENCING_DEFAULT_DEADLINE", "0"),
        ("CONFERENCING_DEFAULT_DEADLINE", "soon"),
        ("CONFERENCING_DEFAULT_DEADLINE", "nan"),
        ("CONFERENCING_MAX_DEADLINE", "-1"),
        ("CONFERENCING_WRITE_TIMEOUT", "3601"),
        ("CONFERENCING_WRITE_TIMEOUT", "inf"),
        (LEDGER_URL, "/data/ledger.sqlite"),
        (LEDGER_URL, "redis://127.0.0.1"),
        ("CONFERENCING_LEDGER_RETENTION", "0"),
        ("CONFERENCING_SETTLE_WINDOW", "-1"),
        ("CONFERENCING_SETTLE_WINDOW", "3601"),
        ("CONFERENCING_LEASE_MARGIN", "0"),
        ("CONFERENCING_RESUME_INTERVAL", "0"),
        ("CONFERENCING_MARKER_KEY", "key5"),
        ("CONFERENCING_MARKER_KEY", "case"),
        ("CONFERENCING_SHUTDOWN_GRACE", "-1"),
        ("CONFERENCING_LOG_LEVEL", "LOUD"),
        ("CONFERENCING_SANDBOX_LISTEN", "nowhere"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_SDK_DISABLED", "perhaps"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    assert refused(monkeypatch, **{variable: text}).startswith(f"{variable}: ")


# ---- Regions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("https://nylas.example.org", "https://nylas.example.org"),
        ("https://nylas.example.org/", "https://nylas.example.org"),
        ("https://nylas.example.org:8443", "https://nylas.example.org:8443"),
        ("http://127.0.0.1:50080", "http://127.0.0.1:50080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:50080", "http://[::1]:50080"),
        ("http://localhost:50080/", "http://localhost:50080"),
    ],
)
def test_a_region_may_be_a_url(region: str, url: str) -> None:
    assert base_url_of_region(region) == url


@pytest.mark.parametrize(
    "region",
    [
        "",
        "US",
        "us ",
        "http://nylas.example.org",
        "http://127.0.0.1.example.org",
        "http://localhost.example.org",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "ftp://nylas.example.org",
        "nylas.example.org",
        "//nylas.example.org",
        "https://",
        "https://key@nylas.example.org",
        "https://user:word@nylas.example.org",
        "http://127.0.0.1@nylas.example.org",
        "https://nylas.example.org/v3",
        "https://nylas.example.org?x=1",
        "https://nylas.example.org#x",
        "https://nylas.example.org:port",
        "https://nylas.example.org:99999",
        "https://[::1",
        "https://nylas example.org",
        "https://nylas.example.org\\x",
        "file:///etc/passwd",
    ],
)
def test_another_region_is_refused(region: str) -> None:
    with pytest.raises(ValueError, match="us, eu"):
        base_url_of_region(region)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("example.org", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


# ---- The ledger ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///data/ledger.sqlite",
        "sqlite:////data/ledger.sqlite",
        "postgresql://user:word@db.example.org:5432/conferencing",
        "postgresql://db.example.org/conferencing?sslmode=verify-full",
        "postgres://db.example.org/conferencing",
    ],
)
def test_a_ledger_is_a_file_or_a_database(url: str) -> None:
    check_ledger_url(url)
    assert Settings(ledger_url=url).ledger() == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ledger.sqlite",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite://host/ledger.sqlite",
        "file:///data/ledger.sqlite",
        "postgresql://",
        "postgresql://db.example.org",
        "postgresql://db.example.org/",
        "postgresql://db.example.org:port/conferencing",
        "postgresql://[::1/conferencing",
        "mysql://db.example.org/conferencing",
    ],
)
def test_another_ledger_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:///PATH or postgresql://"):
        check_ledger_url(url)


def test_without_a_setting_the_ledger_is_in_a_folder_of_its_own_below_the_users_state(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    below = "conferencing-service/ledger/ledger.sqlite"
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    assert Settings().ledger() == f"sqlite://{tmp_path}/ada/.local/state/{below}"
    monkeypatch.setenv(STATE_HOME, str(tmp_path / "state of 100%"))
    assert Settings().ledger() == f"sqlite://{tmp_path}/state%20of%20100%25/{below}"
    monkeypatch.setenv(LEDGER_URL, "sqlite:///data/l.db")
    assert Settings().ledger() == "sqlite:///data/l.db"


def test_a_ledgers_password_stands_in_no_text_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(LEDGER_URL, f"postgresql://user:{SECRET}@db.example.org/conferencing")
    settings = settings_from_environment()
    assert SECRET in settings.ledger()
    assert SECRET not in f"{settings} {settings!r} {settings.model_dump_json()}"


# ---- The key -------------------------------------------------------------------------------


def test_the_key_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    assert settings_from_environment().api_key().get_secret_value() == SECRET


def test_the_key_comes_from_a_file_without_its_line_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    monkeypatch.setenv(KEY_FILE, str(file))
    assert settings_from_environment().api_key().get_secret_value() == SECRET


def test_the_file_is_read_anew_for_whoever_asks(tmp_path: Path) -> None:
    file = tmp_path / "key"
    settings = Settings(nylas_api_key_file=file)
    for key in ("first", "second"):
        file.write_text(key, encoding="utf-8")
        assert settings.api_key().get_secret_value() == key


def test_both_ways_to_give_a_key_exclude_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    line = refused(monkeypatch, **{KEY: SECRET, KEY_FILE: "/run/key"})
    assert KEY in line
    assert KEY_FILE in line
    assert SECRET not in line


def test_no_key_is_one_line_that_names_both_ways() -> None:
    with pytest.raises(SettingsError, match=KEY_FILE) as caught:
        Settings(nylas_region="us").api_key()
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line_that_names_the_variable(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    for file in (tmp_path / "missing", tmp_path, binary):
        with pytest.raises(SettingsError, match=f"^{KEY_FILE}: ") as caught:
            Settings(nylas_api_key_file=file).api_key()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["   ", f"{SECRET} x", f"{SECRET}\nx", f"{SECRET}\x00", "ä"])
def test_a_key_that_can_be_none_is_one_line_that_names_where_it_came_from(
    tmp_path: Path, text: str
) -> None:
    file = tmp_path / "key"
    file.write_text(text, encoding="utf-8")
    for settings, variable in (
        (Settings(nylas_api_key=text), KEY),
        (Settings(nylas_api_key_file=file), KEY_FILE),
    ):
        with pytest.raises(SettingsError, match=f"^{variable}: ") as caught:
            settings.api_key()
        assert "\n" not in str(caught.value)
        assert SECRET not in str(caught.value)


def test_the_key_stands_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    settings = settings_from_environment()
    assert SECRET not in f"{settings} {settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    "variable",
    [
        "CONFERENCING_LISTEN",
        "CONFERENCING_NYLAS_REGION",
        "CONFERENCING_DEFAULT_DEADLINE",
        "CONFERENCING_REFLECTION",
        "CONFERENCING_LOG_LEVEL",
        "CONFERENCING_CROSS_PLATFORM_AUTOCREATE",
        "CONFERENCING_LEDGER_URL",
        "CONFERENCING_MARKER_KEY",
    ],
)
def test_a_secret_in_the_wrong_variable_is_not_echoed(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setenv(variable, f"https://{SECRET}@nylas.example.org/{SECRET}")
    with pytest.raises(SettingsError) as caught:
        settings_from_environment()
    error = caught.value
    assert SECRET not in f"{error} {error!r} {error.__cause__!r}"
    assert error.__suppress_context__


def test_a_refused_value_stands_in_no_text_of_the_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONFERENCING_DEFAULT_DEADLINE", SECRET)
    monkeypatch.setenv("CONFERENCING_NYLAS_REGION", f"https://{SECRET}@nylas.example.org")
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert SECRET not in f"{caught.value} {caught.value!r}"


# ---- Traces --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "exporter"),
    [
        ({}, Exporter.NONE),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, Exporter.OTLP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"}, Exporter.OTLP),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, Exporter.OTLP),
        (
            {
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
            },
            Exporter.NONE,
        ),
        ({"OTEL_TRACES_EXPORTER": "console"}, Exporter.CONSOLE),
        (
            {"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"},
            Exporter.NONE,
        ),
    ],
)
def test_spans_go_where_the_standard_variables_say(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], exporter: Exporter
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings_from_environment().spans_to() is exporter


@pytest.mark.parametrize(
    ("variables", "exporter"),
    [
        ({}, Exporter.NONE),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, Exporter.OTLP),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:4317"}, Exporter.OTLP),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4317"}, Exporter.NONE),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, Exporter.OTLP),
        ({"OTEL_METRICS_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, Exporter.NONE),
    ],
)
def test_metrics_go_where_the_standard_variables_say(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], exporter: Exporter
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings_from_environment().metrics_to() is exporter


# ---- TLS -----------------------------------------------------------------------------------


def test_certificate_and_key_need_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    line = refused(monkeypatch, CONFERENCING_TLS_CERT_FILE="/run/tls.crt")
    assert "CONFERENCING_TLS_KEY_FILE" in line


def test_callers_certificates_need_a_server_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    line = refused(monkeypatch, CONFERENCING_TLS_CLIENT_CA_FILE="/run/ca.crt")
    assert line.startswith("CONFERENCING_TLS_CLIENT_CA_FILE: ")


def test_the_files_of_tls_are_read_from_their_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFERENCING_TLS_CERT_FILE", "/run/tls.crt")
    monkeypatch.setenv("CONFERENCING_TLS_KEY_FILE", "/run/tls.key")
    monkeypatch.setenv("CONFERENCING_TLS_CLIENT_CA_FILE", "/run/ca.crt")
    settings = settings_from_environment()
    assert settings.tls_cert_file == Path("/run/tls.crt")
    assert settings.tls_key_file == Path("/run/tls.key")
    assert settings.tls_client_ca_file == Path("/run/ca.crt")


# ---- Ports ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"CONFERENCING_HEALTH_LISTEN": "127.0.0.1:50051"}, "CONFERENCING_HEALTH_LISTEN"),
        ({"CONFERENCING_HEALTH_LISTEN": "0.0.0.0:50051"}, "CONFERENCING_HEALTH_LISTEN"),
        ({"CONFERENCING_PROMETHEUS_LISTEN": "127.0.0.1:50051"}, "CONFERENCING_PROMETHEUS_LISTEN"),
        (
            {"CONFERENCING_PROMETHEUS_LISTEN": "[::]:50049", "CONFERENCING_PROCESSES": "3"},
            "CONFERENCING_PROMETHEUS_LISTEN",
        ),
    ],
)
def test_two_listeners_in_one_place_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    line = refused(monkeypatch, **variables)
    assert line == f"{named}: is where CONFERENCING_LISTEN listens"


def test_listeners_apart_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFERENCING_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("CONFERENCING_HEALTH_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("CONFERENCING_PROMETHEUS_LISTEN", "127.0.0.1:50049")
    monkeypatch.setenv("CONFERENCING_PROCESSES", "3")
    assert settings_from_environment().processes == 3
