"""The vendor's key is replaced while the server runs."""

from __future__ import annotations

import base64
import http.server
import logging
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from conferencing_service.api_key import ApiKey
from conferencing_service.core.upstream import Call
from conferencing_service.settings import Settings
from conferencing_service.telemetry import Telemetry
from conferencing_service.vendor import Vendor, nylas_upstream
from support.waiting import until

pytestmark = pytest.mark.security


def key_of(file: Path) -> ApiKey:
    return ApiKey.of(Settings(nylas_api_key_file=file))


async def test_a_new_key_is_sent_as_soon_as_it_is_in_the_file(tmp_path: Path) -> None:
    file, seen = tmp_path / "key", []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers["authorization"])
            body = b'{"data": {"id": "g", "provider": "google"}}'
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: object) -> None:
            pass

    file.write_text("first")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings = Settings()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    upstream = nylas_upstream(Vendor(url, key_of(file)), settings, Telemetry.off())
    try:

        async def sends(key: str) -> bool:
            call = Call(lambda: 0.0, 0.0, None, 10.0)
            await upstream.get_grant(call, "g")
            return seen[-1] == f"Bearer {key}"

        assert await sends("first")
        file.write_text("second")
        await until(lambda: sends("second"))
    finally:
        await upstream.aclose()
        server.shutdown()
        server.server_close()


async def test_page_tokens_of_the_key_before_still_open(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first")
    key = key_of(file)
    (first,) = key.page_keys()
    file.write_text("second")
    await until(lambda: len(key.page_keys()) == 2)
    assert key.page_keys()[1] == first
    assert list(key.page_keys()[:1]) == list(ApiKey(SecretStr("second")).page_keys())
    assert key.current().get_secret_value() == "second"


async def test_a_file_that_does_not_do_leaves_the_last_key_and_tells_the_operator(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "key"
    file.write_text("first")
    key = key_of(file)
    file.write_text(base64.b64encode(b"x").decode() + " with a space")

    def is_told() -> bool:
        assert key.current().get_secret_value() == "first"
        return any(getattr(line, "alert", "") == "api_key" for line in caplog.records)

    with caplog.at_level(logging.ERROR):
        await until(is_told)
    file.write_text("third")
    await until(lambda: key.current().get_secret_value() == "third")
    assert "first" not in repr(key)
