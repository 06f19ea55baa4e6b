"""The chart: valid by every tool that there is, and safe by what it renders."""

from __future__ import annotations

import json
import math
import re
import subprocess
from importlib import resources

import kubernetes_validate
import pytest

from deploy.chart import (
    CASES,
    CHART,
    NEWEST,
    OLDEST,
    RELEASE,
    case,
    changed,
    notes,
    rendered,
)
from deploy.image import instructions_of
from support.documents import ROOT
from support.tools import tool

NAMES = [path.name.removesuffix("-values.yaml") for path in CASES]
EACH = pytest.mark.parametrize("name", NAMES)
ROLLING = [name for name in NAMES if name != "minimal"]


# ---- Valid ----------------------------------------------------------------------------------


def run(*command, **how):
    return subprocess.run(
        [str(each) for each in command], capture_output=True, text=True, check=False, **how
    )


@EACH
def test_helm_has_nothing_to_say(name):
    linted = run(
        *(tool("helm"), "lint", "--strict", "--quiet", CHART, "--kube-version", NEWEST),
        *("--values", CHART / f"ci/{name}-values.yaml"),
    )
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert "[WARNING]" not in linted.stdout + linted.stderr


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    """Kubernetes' schemas out of kubernetes-validate, laid out as kubeconform wants them."""
    folder = tmp_path_factory.mktemp("schemas")
    shipped = resources.files("kubernetes_validate") / "kubernetes-json-schema"
    for version in (OLDEST, NEWEST):
        made = folder / f"v{version}-strict"
        made.mkdir()
        for file in (shipped / f"v{version}-local-strict").iterdir():
            if file.name != "all.json":
                schema = json.loads(file.read_text())
                # By its id kubeconform would look for the definitions on the web.
                schema.pop("$id", None)
                text = json.dumps(schema).replace('"/api/_definitions.json#', '"_definitions.json#')
                (made / file.name).write_text(text)
    place = "{{.NormalizedKubernetesVersion}}{{.StrictSuffix}}/{{.ResourceKind}}{{.KindSuffix}}"
    return f"{folder}/{place}.json"


def conforms(schemas, version, text):
    return run(
        *(tool("kubeconform"), "-strict", "-summary", "-output", "json"),
        # A kind of the Prometheus operator's, whose schema is not Kubernetes'.
        *("-skip", "ServiceMonitor", "-kubernetes-version", version, "-schema-location", schemas),
        input=text,
    )


@EACH
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubeconform_finds_it_valid(schemas, name, version):
    manifests = rendered(case(name), version)
    done = conforms(schemas, version, manifests.text)
    summary = json.loads(done.stdout)["summary"]
    skipped = sum(each["kind"] == "ServiceMonitor" for each in manifests.all)
    assert summary == {
        "valid": len(manifests.all) - skipped,
        "invalid": 0,
        "errors": 0,
        "skipped": skipped,
    }, done.stdout


def test_kubeconform_would_find_a_fault(schemas):
    text = rendered(case("default")).text
    for wrong in (("periodSeconds: 5", "periodSeconds: five"), ("  drop:", "  dropp:")):
        done = conforms(schemas, NEWEST, text.replace(*wrong))
        assert json.loads(done.stdout)["summary"]["invalid"] == 1


@EACH
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_kubernetes_validate_finds_it_valid(name, version):
    for each in rendered(case(name), version).all:
        if each["kind"] != "ServiceMonitor":
            assert kubernetes_validate.validate(each, version, strict=True) == version[:4]


def test_kubernetes_validate_would_find_a_fault():
    deployment = rendered(case("default")).one("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["grpc"]["port"] = (
        "grpc"
    )
    with pytest.raises(kubernetes_validate.ValidationError, match="grpc"):
        kubernetes_validate.validate(deployment, NEWEST, strict=True)


# ---- Safe: what kube-linter would ask -------------------------------------------------------


@EACH
def test_a_pod_has_no_more_rights_than_it_needs(name):
    pod, container = rendered(case(name)).pod(), rendered(case(name)).container()
    image = instructions_of((ROOT / "deploy/Dockerfile").read_text())
    (number,) = [each.text for each in image if each.keyword == "USER"]
    context = pod["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == number
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] != "default"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    assert {each["name"] for each in pod["volumes"]} == set(mounts)
    writable = {each for each, mount in mounts.items() if not mount.get("readOnly")}
    assert writable == ({"tmp", "ledger"} if name == "minimal" else {"tmp"})


@EACH
def test_a_pod_says_what_it_takes_and_where_it_comes_from(name):
    container = rendered(case(name)).container()
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    image = container["image"]
    assert not image.endswith(":latest")
    assert ":" in image.rpartition("/")[2]


@EACH
def test_pods_are_asked_by_grpc_spread_and_not_all_taken_away(name):
    manifests = rendered(case(name))
    container = manifests.container()
    probes = {
        each: container[f"{each}Probe"]["grpc"] for each in ("startup", "liveness", "readiness")
    }
    assert {each: probe["service"] for each, probe in probes.items()} == {
        "startup": "liveness",
        "liveness": "liveness",
        "readiness": "readiness",
    }
    (port,) = {probe["port"] for probe in probes.values()}
    ports = {each["containerPort"]: each["name"] for each in container["ports"]}
    assert ports[port] == ("health" if name == "tls" else "grpc")
    labels = manifests.one("Deployment")["spec"]["selector"]["matchLabels"]
    spread = manifests.pod()["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    }
    budget = manifests.one("PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    found = [each["labelSelector"]["matchLabels"] for each in spread]
    assert [*found, budget["selector"]["matchLabels"]] == [labels] * 3
    for service in (RELEASE, f"{RELEASE}-headless"):
        assert manifests.one("Service", service)["spec"]["selector"] == labels
    template = manifests.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    assert labels.items() <= template.items()


@EACH
def test_nothing_secret_is_in_a_config_map(name):
    environment = rendered(case(name)).environment()
    (ledger,) = [environment["CONFERENCING_LEDGER_URL"]]
    if name == "minimal":
        assert ledger == "sqlite:///var/lib/conferencing/ledger/ledger.sqlite"
    else:
        assert ledger == {"secretKeyRef": {"name": "conferencing-ledger", "key": "url"}}
    assert environment["CONFERENCING_NYLAS_API_KEY_FILE"] == "/etc/conferencing/upstream/api-key"
    assert "CONFERENCING_NYLAS_API_KEY" not in environment


@EACH
def test_every_file_that_a_variable_names_is_mounted_and_what_is_secret_out_of_a_secret(name):
    manifests = rendered(case(name))
    mounts = {each["name"]: each["mountPath"] for each in manifests.container()["volumeMounts"]}
    # A file that is mounted alone is never replaced.
    assert not [each for each in manifests.container()["volumeMounts"] if "subPath" in each]
    files, public = {}, {}
    for volume in manifests.pod()["volumes"]:
        source = volume.get("secret") or volume.get("configMap") or {}
        # One without items is of the type kubernetes.io/tls.
        items = [(each["key"], each["path"]) for each in source.get("items", ())]
        for key, path in items or ([("tls.crt",) * 2, ("tls.key",) * 2] if source else []):
            place = f"{mounts[volume['name']]}/{path}"
            if "configMap" in volume:
                public[place] = (source["name"], key)
            else:
                files[place] = (source["secretName"], key)
        # By root for the group of fsGroup, and for nobody else.
        assert source.get("defaultMode", 0o440) == 0o440
    environment = manifests.environment()
    named = {
        variable: files[value]
        for variable, value in environment.items()
        if variable.endswith("_FILE") and variable != "CONFERENCING_POLICY_FILE"
    }
    policies = {
        "default": (f"{RELEASE}-policy", "policy.toml"),
        "tls": (f"{RELEASE}-policy", "policy.toml"),
        "autoscaling": ("callers", "policy.toml"),
    }
    assert public.get(environment.get("CONFERENCING_POLICY_FILE")) == policies.get(name)
    keys = environment.get("CONFERENCING_JWT_JWKS")
    assert (keys in public) == (name == "autoscaling")
    if name == "autoscaling":
        assert public[keys] == ("issuer-keys", "jwks.json")
    tls = {
        "CONFERENCING_TLS_CERT_FILE": ("conferencing-tls", "tls.crt"),
        "CONFERENCING_TLS_KEY_FILE": ("conferencing-tls", "tls.key"),
        "CONFERENCING_TLS_CLIENT_CA_FILE": ("callers-ca", "ca.crt"),
        "CONFERENCING_LEDGER_KEYS_FILE": ("ledger-keys", "keys"),
    }
    key = {"CONFERENCING_NYLAS_API_KEY_FILE": ("nylas", "api-key")}
    assert named == (key | tls if name == "tls" else key)
    if name == "tls":
        # What docs/deploy.md has the ledger's URL name.
        assert files["/etc/conferencing/ledger/ca.crt"] == ("database-ca", "ca.crt")


@EACH
def test_there_is_a_name_for_callers_who_balance_and_one_for_those_who_do_not(name):
    manifests = rendered(case(name))
    one, all_of_them = (
        manifests.one("Service", each)["spec"] for each in (RELEASE, f"{RELEASE}-headless")
    )
    assert all_of_them["clusterIP"] == "None"
    assert "clusterIP" not in one
    ports = {each["name"] for each in manifests.container()["ports"]}
    for service in (one, all_of_them):
        assert service["ports"][0]["targetPort"] == "grpc"
        assert {each["targetPort"] for each in service["ports"]} <= ports - {"health"}


# ---- A rollout ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROLLING)
def test_a_rollout_takes_no_replica_away_before_another_is_ready(name):
    strategy = rendered(case(name)).one("Deployment")["spec"]["strategy"]
    assert strategy["type"] == "RollingUpdate"
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0


@EACH
def test_a_pod_gets_the_time_that_its_server_takes_to_stop(name):
    manifests = rendered(case(name))
    environment = manifests.environment()
    waits = float(environment["CONFERENCING_DRAIN_WAIT"])
    grace = float(environment["CONFERENCING_SHUTDOWN_GRACE"])
    period = manifests.pod()["terminationGracePeriodSeconds"]
    assert period == math.ceil(waits + grace) + 15
    # Longer than it takes until a pod that stops is out of every endpoint.
    readiness = manifests.container()["readinessProbe"]
    assert waits >= readiness["periodSeconds"] * readiness["failureThreshold"]


def test_a_change_of_a_setting_is_a_rollout():
    key = "checksum/settings"
    before, after = (
        rendered(values).one("Deployment")["spec"]["template"]["metadata"]["annotations"][key]
        for values in (
            case("default"),
            changed(case("default"), "settings.CONFERENCING_LOG_LEVEL", "ERROR"),
        )
    )
    assert before != after


def test_a_change_of_the_policy_is_no_rollout():
    """The server reads it anew: nothing of it stands in the pods."""
    before, after = (
        rendered(values)
        for values in (
            case("default"),
            changed(case("default"), "policy.inline", case("tls")["policy"]["inline"]),
        )
    )
    assert before.one("Deployment") == after.one("Deployment")
    policy = f"{RELEASE}-policy"
    assert before.one("ConfigMap", policy) != after.one("ConfigMap", policy)


def test_a_file_as_the_ledger_is_on_a_volume_that_outlasts_the_release():
    manifests = rendered(case("minimal"))
    assert manifests.one("Deployment")["spec"]["strategy"] == {"type": "Recreate"}
    claim = manifests.one("PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    (volume,) = [each for each in manifests.pod()["volumes"] if each["name"] == "ledger"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (mount,) = [each for each in manifests.container()["volumeMounts"] if each["name"] == "ledger"]
    url = manifests.environment()["CONFERENCING_LEDGER_URL"]
    assert url.startswith(f"sqlite://{mount['mountPath']}/")


# ---- What helm says at the end --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says", "flags"),
    [
        ("default", "a bearer token of https://issuer.example.com", {"-plaintext", "-H"}),
        ("tls", "with TLS and certificates of callers", {"-insecure", "-cert", "-key"}),
        ("minimal", "one replica, and a gap at each rollout", {"-plaintext"}),
        ("telemetry", "authenticates nobody", {"-plaintext"}),
        ("autoscaling", "says the ConfigMap callers", {"-plaintext", "-H"}),
    ],
)
def test_who_installs_it_is_told_how_to_call_it(tmp_path, name, says, flags):
    told = notes(case(name), tmp_path)
    assert says in told
    services = {
        f"{each['metadata']['name']}.calls.svc.cluster.local:{each['spec']['ports'][0]['port']}"
        for each in rendered(case(name)).all
        if each["kind"] == "Service"
    }
    assert set(re.findall(r"[\w.-]+\.svc\.cluster\.local:\d+", told)) == services
    call = told[told.index("grpcurl ") :].split()
    assert set(call) & {"-plaintext", "-insecure", "-cert", "-key", "-H"} == flags
    known = not {"allowUnauthenticatedCallers"} & set(case(name))
    assert ("authenticates nobody" in told) != known
    assert (ROOT / call[call.index("-protoset") + 1]).exists()
