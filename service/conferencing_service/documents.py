"""Documents of others that are fetched now and then: the keys of callers' tokens."""

from __future__ import annotations

import asyncio

import httpx

from conferencing_service.upstreams.aiohttp_transport import AiohttpTransport
from conferencing_service.upstreams.bodies import body_of

_SECONDS = 10.0
_MOST_BYTES = 1024 * 1024


async def document_from(url: str) -> bytes:
    """Fetch a document: 200, at most 1 MiB and 10 seconds, no redirects, no proxies.

    Raises OSError where there is none.
    """
    # An operator's own setting names it, so that it may stand in a private network.
    host = httpx.URL(url).host
    transport = AiohttpTransport(connections=1, own_hosts=(host,))
    try:
        async with asyncio.timeout(_SECONDS):
            request = httpx.Request("GET", url, headers={"accept": "application/json"})
            response = await transport.handle_async_request(request)
            body = await body_of(response)
    except (httpx.HTTPError, TimeoutError) as error:
        raise OSError("the document cannot be fetched") from error
    finally:
        await transport.aclose()
    if response.status_code != 200 or body is None or len(body) > _MOST_BYTES:
        raise OSError("the document cannot be fetched")
    return bytes(body)
