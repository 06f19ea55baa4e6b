"""The embedded vendor: Nylas v3 on loopback, so that the service runs with no account.

It is the other side of the wire and shares no code with the rest of the service. It behaves as the
vendor documents itself, takes the weakest reading where the documents leave a doubt, keeps an
append-only log of every effect, and can be told to fail in the ways that real vendors fail in.
"""

from __future__ import annotations

from conferencing_service.sandbox.app import SandboxApp, create_app
from conferencing_service.sandbox.command import main
from conferencing_service.sandbox.settings import SandboxSettings

__all__ = ["SandboxApp", "SandboxSettings", "create_app", "main"]
