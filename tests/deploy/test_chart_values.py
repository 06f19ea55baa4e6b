"""The chart's values: refused where they cannot work, true to the settings, each of them rendered."""

from __future__ import annotations

import contextlib
import itertools

import pytest
import yaml
from opentelemetry.sdk import environment_variables

from conferencing_service.access.named_grants import grants_named_by_rpcs
from conferencing_service.access.policy import policy_from_toml
from conferencing_service.port import check_exposure
from conferencing_service.settings import Settings, SettingsError
from conferencing_service.vendor import vendor_of
from deploy.chart import (
    CASES,
    CHART,
    OLDEST,
    RELEASE,
    SCHEMA,
    VALUES,
    NotTogether,
    Refusal,
    case,
    changed,
    leaves,
    rendered,
    values_of,
)
from support.documents import ROOT

NAMES = [path.name.removesuffix("-values.yaml") for path in CASES]

VARIABLES = {
    field.validation_alias or f"CONFERENCING_{setting.upper()}"
    for setting, field in Settings.model_fields.items()
}
BY_VALUES_OF_THEIR_OWN = {
    *("CONFERENCING_LISTEN", "CONFERENCING_HEALTH_LISTEN", "CONFERENCING_PROMETHEUS_LISTEN"),
    *("CONFERENCING_NYLAS_REGION", "CONFERENCING_NYLAS_API_KEY_FILE", "CONFERENCING_LEDGER_URL"),
    *("CONFERENCING_UPSTREAM_HOSTS", "CONFERENCING_LEDGER_KEYS_FILE", "CONFERENCING_POLICY_FILE"),
    *("CONFERENCING_JWT_ISSUER", "CONFERENCING_JWT_AUDIENCE", "CONFERENCING_JWT_JWKS"),
    "CONFERENCING_ALLOW_UNAUTHENTICATED_CALLERS",
    *("CONFERENCING_TLS_CERT_FILE", "CONFERENCING_TLS_KEY_FILE"),
    *("CONFERENCING_TLS_CLIENT_CA_FILE", "CONFERENCING_DRAIN_WAIT", "CONFERENCING_SHUTDOWN_GRACE"),
}
NOT_IN_A_POD = {
    "CONFERENCING_NYLAS_API_KEY",  # a Secret as a file is not in the environment of a debugger
    "CONFERENCING_PROCESSES",  # a pod more is what a process more would be
    *("CONFERENCING_SANDBOX_LISTEN", "CONFERENCING_SANDBOX_DATABASE"),
    "CONFERENCING_SANDBOX_FAULTS",
}


# ---- Refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "path", "content", "says"),
    [
        ("minimal", "replicas", 2, "more of them, and autoscaling, need ledger.postgresql"),
        ("minimal", "autoscaling.enabled", True, "need ledger.postgresql.secretName"),
        ("minimal", "ledger.sqlite.enabled", False, "ledger: where is it kept?"),
        ("autoscaling", "ledger.postgresql.secretName", "", "ledger: where is it kept?"),
        ("default", "ledger.sqlite.enabled", True, "PostgreSQL and SQLite exclude each other"),
        ("default", "upstream.region", "", "upstream.region: which Nylas?"),
        ("default", "upstream.region", "http://nylas", "upstream/region"),
        ("default", "upstream.region", "https://nylas.example.com", "stand in upstream.hosts"),
        ("default", "upstream.hosts", ["nylas.example.com"], "upstream.hosts: api.us.nylas.com,"),
        ("default", "upstream.apiKey.secretName", "", "the Secret that holds the API key"),
        ("tls", "tls.secretName", "", "callers' certificates need tls.secretName"),
        ("minimal", "allowUnauthenticatedCallers", False, "who may call?"),
        ("telemetry", "allowUnauthenticatedCallers", False, "allowUnauthenticatedCallers: true"),
        ("tls", "tls.clientCa.secretName", "", "policy: needs callers that are known"),
        ("tls", "policy.configMapName", "callers", "inline and configMapName exclude each other"),
        ("default", "tokens.issuer", "", "tokens: issuer, audience and one of keys.url"),
        ("default", "tokens.audience", "", "tokens: issuer, audience and one of keys.url"),
        ("default", "tokens.keys.url", "", "tokens: issuer, audience and one of keys.url"),
        ("default", "tokens.keys.url", "http://issuer/keys", "tokens/keys/url"),
        ("default", "tokens.keys.secretName", "keys", "url, configMapName and secretName exclude"),
        (
            "default",
            "tokens.keys.configMapName",
            "keys",
            "url, configMapName and secretName exclude",
        ),
        ("default", "policy.inline", "", "tokens: what may their bearers do?"),
        ("default", "tokens.secret", "shared", "'secret' not allowed"),
        ("default", "settings.CONFERENCING_POLICY_FILE", "x", "'CONFERENCING_POLICY_FILE'"),
        ("default", "settings.CONFERENCING_JWT_ALGORITHMS", "HS256", "CONFERENCING_JWT_ALGORITHMS"),
        ("default", "upstream.hosts", ["https://nylas.example.com"], "upstream/hosts"),
        ("telemetry", "telemetry.prometheus.enabled", False, "needs telemetry.prometheus.enabled"),
        ("autoscaling", "autoscaling.maxReplicas", 2, "maxReplicas is below minReplicas"),
        ("default", "replicas", 0, "replicas"),
        ("default", "replica", 3, "'replica' not allowed"),
        ("default", "upstream.apiKey.value", "secret", "'value' not allowed"),
        ("default", "settings.CONFERENCING_LISTEN", "0.0.0.0:1", "'CONFERENCING_LISTEN'"),
        ("default", "settings.CONFERENCING_LOG_LEVEL", "LOUD", "CONFERENCING_LOG_LEVEL"),
        ("default", "settings.OTEL_SERVICE_NAME", "x", "OTEL_SERVICE_NAME"),
        ("default", "shutdown.drainWait", -1, "drainWait"),
    ],
)
def test_values_that_cannot_work_are_refused_by_name(start, path, content, says):
    rendered(case(start))
    with pytest.raises(Refusal) as refusal:
        rendered(changed(case(start), path, content))
    assert says in refusal.value.text


def test_a_cluster_that_is_too_old_is_refused():
    with pytest.raises(Refusal, match="kubeVersion"):
        rendered(case("default"), "1.26.0")


# ---- True to the settings -------------------------------------------------------------------


def test_every_variable_is_a_setting():
    known = VARIABLES | {
        value for name, value in vars(environment_variables).items() if name.startswith("OTEL_")
    }
    rendering = (rendered(values_of(path)).environment() for path in CASES)
    set_here = set(itertools.chain.from_iterable(rendering)) - {"POD_NAME", "POD_NAMESPACE"}
    assert set_here <= known
    # No case needs it: the vendor's two hosts are the default.
    assert set_here >= BY_VALUES_OF_THEIR_OWN - {"CONFERENCING_UPSTREAM_HOSTS"}


def test_the_settings_that_may_be_given_are_the_servers():
    given = set(SCHEMA["properties"]["settings"]["properties"])
    ours = {each for each in VARIABLES if each.startswith("CONFERENCING_")}
    assert given | BY_VALUES_OF_THEIR_OWN | NOT_IN_A_POD == ours
    assert not given & (BY_VALUES_OF_THEIR_OWN | NOT_IN_A_POD)


@pytest.mark.parametrize("name", NAMES)
def test_the_server_takes_the_settings(name, monkeypatch):
    for variable, value in rendered(case(name)).environment().items():
        if isinstance(value, str):
            monkeypatch.setenv(variable, value)
    settings = Settings()
    assert settings.listen == "0.0.0.0:50051"
    assert (settings.tls_cert_file is not None) == (name == "tls")
    assert (settings.health_listen is not None) == (name == "tls")
    assert (settings.prometheus_listen is not None) == (name == "telemetry")
    assert (
        settings.spans_to() == settings.metrics_to() == ("otlp" if name == "telemetry" else "none")
    )
    if name == "autoscaling":
        assert (settings.drain_wait, settings.ledger_retention) == (12.5, 2_592_000)
        assert (settings.reflection, settings.log_level) == (True, "WARNING")
        assert (settings.jwt_algorithms, settings.max_connections) == (("ES256",), 5000)


@pytest.mark.parametrize("name", NAMES)
def test_the_server_lets_nobody_in_whom_the_values_do_not_mean(name, monkeypatch):
    for variable, value in rendered(case(name)).environment().items():
        if isinstance(value, str):
            monkeypatch.setenv(variable, value)
    settings = Settings()
    # Off loopback it would refuse to start; where it is told to let everybody in, the values say so.
    check_exposure(settings)
    assert settings.allow_unauthenticated_callers == (name in {"minimal", "telemetry"})
    assert (settings.jwt_issuer is not None) == (name in {"default", "autoscaling"})
    assert (settings.tls_client_ca_file is not None) == (name == "tls")
    assert (settings.policy_file is None) == settings.allow_unauthenticated_callers
    monkeypatch.delenv("CONFERENCING_ALLOW_UNAUTHENTICATED_CALLERS", raising=False)
    if settings.allow_unauthenticated_callers:
        with pytest.raises(SettingsError, match="callers have to be known"):
            check_exposure(Settings())
    else:
        check_exposure(Settings())


@pytest.mark.parametrize("name", NAMES)
def test_the_policies_hold(name):
    manifests = rendered(case(name))
    found = [each for each in manifests.all if each["metadata"]["name"] == f"{RELEASE}-policy"]
    assert bool(found) == (name in {"default", "tls"})
    for each in found:
        (text,) = each["data"].values()
        policy_from_toml(text.encode(), grants_named_by_rpcs())


def test_another_host_than_nylas_own_can_be_named():
    values = changed(case("default"), "upstream.region", "https://nylas.example.com:8443")
    values = changed(values, "upstream.hosts", ["nylas.example.com:8443", "api.us.nylas.com"])
    told = rendered(values).environment()
    settings = Settings(
        nylas_region=told["CONFERENCING_NYLAS_REGION"],
        upstream_hosts=told["CONFERENCING_UPSTREAM_HOSTS"],
        nylas_api_key="key",
    )
    assert vendor_of(settings).base_url == "https://nylas.example.com:8443"


def test_what_the_chart_refuses_of_hosts_the_server_would_refuse_as_well():
    for region, hosts in (
        ("https://nylas.example.com", ()),
        ("https://nylas.example.com:8443", ("nylas.example.com",)),
        ("us", ("api.eu.nylas.com",)),
    ):
        values = changed(case("default"), "upstream.region", region)
        values = changed(values, "upstream.hosts", [*hosts])
        with pytest.raises(NotTogether, match=r"upstream\.hosts"):
            rendered(values)
        given = {"upstream_hosts": hosts} if hosts else {}
        with pytest.raises(SettingsError, match="CONFERENCING_UPSTREAM_HOSTS"):
            vendor_of(Settings(nylas_region=region, nylas_api_key="key", **given))


def test_what_the_settings_may_be_is_what_the_server_takes(monkeypatch):
    """Each limit of the schema, tried at the server: the last that fits, and the first that does not."""
    for variable, told in SCHEMA["properties"]["settings"]["properties"].items():
        fits = [
            *told.get("enum", ()),
            *(told[each] for each in ("minimum", "maximum") if each in told),
        ]
        fits += [told["pattern"].partition("(")[2].partition("|")[0]] if "pattern" in told else []
        wrong = ["nonsense"]
        if "maximum" in told:
            wrong.append(told["maximum"] + 1)
        if "minimum" in told:
            wrong.append(told["minimum"] - 1)
        if "exclusiveMinimum" in told:
            wrong.append(told["exclusiveMinimum"])
        if variable == "CONFERENCING_DEFAULT_DEADLINE":
            monkeypatch.setenv("CONFERENCING_MAX_DEADLINE", "3600")
        for value in fits:
            monkeypatch.setenv(variable, str(value))
            Settings()
        for value in wrong:
            monkeypatch.setenv(variable, str(value))
            with pytest.raises(ValueError, match=variable.removeprefix("CONFERENCING_").lower()):
                Settings()
        monkeypatch.delenv(variable)


# ---- Every value counts ---------------------------------------------------------------------


def everything():
    """Values under which every part of the chart is rendered."""
    values = case("telemetry")
    for path, content in {
        "tls": case("tls")["tls"],
        "ledger": case("tls")["ledger"],
        "policy": case("tls")["policy"],
        "tokens": {
            **case("default")["tokens"],
            "keys": {"secretName": "keys", "url": ""},
        },
        "image": {"pullSecrets": ["other"]},
        "serviceAccount": {"annotations": {}},
    }.items():
        values = changed(values, path, content)
    return values


LEAVES = list(leaves())


def test_the_schema_knows_the_values_and_no_others():
    def paths(values, schema, path=""):
        for name, value in values.items():
            place = f"{path}.{name}" if path else name
            told = schema["properties"][name]
            if "examples" in told:
                yield place
            else:
                yield from paths(value, told, place)

    assert set(paths(VALUES, SCHEMA)) == {place for place, _examples in LEAVES}


@pytest.mark.parametrize(
    ("path", "examples"),
    # Without the file there has to be PostgreSQL: a test above compares these two.
    [each for each in LEAVES if each[0] != "ledger.sqlite.enabled"],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_value_changes_what_is_rendered(path, examples):
    different = 0
    for start in (everything(), case("autoscaling"), case("default"), case("minimal")):
        before = rendered(start).text
        for example in examples:
            with contextlib.suppress(NotTogether):
                different += rendered(changed(start, path, example)).text != before
    assert different


def test_the_versions_are_those_of_the_package():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (ROOT / "pyproject.toml").read_text()
    assert f'\nversion = "{chart["appVersion"]}"' in project
    assert chart["kubeVersion"] == f">={OLDEST}-0"
