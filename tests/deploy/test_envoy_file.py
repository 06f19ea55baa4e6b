"""Envoy's configuration as a file: valid as it is shipped, and its times fit those of the servers."""

from __future__ import annotations

import subprocess
import sys

import yaml

from conferencing_service.settings import Settings
from deploy.front import CONFIGURATION, configuration, write_descriptors
from support.documents import ROOT
from support.tools import tool

RPCS = "/conferencing.v1.ConferencingService/"


def test_the_times_fit_the_servers():
    told = yaml.safe_load(CONFIGURATION.read_text())
    (listener,), (cluster,) = (told["static_resources"][each] for each in ("listeners", "clusters"))
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    values = yaml.safe_load((ROOT / "deploy/chart/values.yaml").read_text())

    def seconds(text):
        return float(text.removesuffix("s"))

    def default(name):
        return Settings.model_fields[name].default

    rpcs = [each["route"] for each in routes if RPCS in str(each["match"])]
    assert all(default("write_timeout") < seconds(each["timeout"]) for each in rpcs)
    assert seconds(rpcs[0]["timeout"]) < seconds(manager["stream_idle_timeout"])
    (check,) = cluster["health_checks"]
    noticed = check["unhealthy_threshold"] * (
        seconds(check["interval"]) + seconds(check["timeout"])
    )
    assert noticed < values["shutdown"]["drainWait"]
    options = cluster["typed_extension_protocol_options"].popitem()[1]
    idle = seconds(options["common_http_protocol_options"]["idle_timeout"])
    assert idle < default("max_connection_idle")
    limits = cluster["circuit_breakers"]["thresholds"][0]
    assert limits["max_requests"] == values["replicas"] * default("max_calls")
    assert told["admin"]["address"]["socket_address"]["address"] == "127.0.0.1"


def test_the_shipped_file_itself_is_valid(tmp_path):
    written = tmp_path / "envoy.yaml"
    text = configuration(write_descriptors(tmp_path), 50051, {})
    written.write_text(text)
    for place, status in (("ROUND_ROBIN", 0), ("ROUND_ROBBIN", 1)):
        written.write_text(text.replace("ROUND_ROBIN", place))
        checked = subprocess.run(
            [tool("envoy"), "--mode", "validate", "--config-path", written],
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == status, checked.stderr
        assert "deprecated" not in checked.stderr.lower()


def test_the_descriptor_set_has_the_details_of_errors(tmp_path):
    written = write_descriptors(tmp_path).read_bytes()
    assert b"google/rpc/error_details.proto" in written
    again = tmp_path / "again"
    subprocess.run(
        [sys.executable, ROOT / "deploy/envoy/descriptor_set.py", again], check=True, cwd="/"
    )
    assert again.read_bytes() == written
