"""Request bodies, read as the vendor reads them: a JSON object under its exact media type."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from conferencing_service.sandbox.errors import VendorError, invalid, unreadable

_LARGEST = 2**20


async def read_body(request: Request) -> bytes:
    """The bytes of the body; refused when there are too many, or when they are called no JSON."""
    content = bytearray()
    try:
        async for chunk in request.stream():
            content += chunk
            if len(content) > _LARGEST:
                raise VendorError(
                    413, "api.invalid_request_payload", "The request body is too large."
                )
    except ClientDisconnect as error:
        raise unreadable("the body did not come whole") from error
    # The vendor refuses even `application/json; charset=utf-8` (nylas-python, its changelog).
    content_type = request.headers.get("content-type")
    if content_type != "application/json" and (content or content_type is not None):
        raise invalid("only JSON and multipart supported")
    return bytes(content)


def parse_object(content: bytes) -> dict[str, Any]:
    """The JSON object of the body; an absent body is an empty one."""
    if not content:
        return {}
    try:
        # Decoded here, because json.loads would let half a surrogate pair and UTF-16 through.
        parsed = json.loads(content.decode(), parse_constant=_no_constant)
        if b"\\u" in content:
            # An escaped half is no text either: it could neither be stored nor be sent back.
            json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise unreadable("the body is no JSON") from error
    if not isinstance(parsed, dict):
        raise unreadable("the body must be a JSON object")
    return parsed


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
