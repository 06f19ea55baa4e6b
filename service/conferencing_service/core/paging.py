"""Page tokens: the upstream's own token, sealed together with the request that it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from conferencing_service.core.errors import InvalidField, Violation
from conferencing_service.core.requests import ListEvents

_SEAL_BYTES = 16
_INVALID = Violation("page_token", "must be the next_page_token of the same request's last page")


class PageTokens:
    """Makes and opens page tokens.

    A token is base64url of a seal and the upstream's token; the seal is an HMAC-SHA256, cut to 128
    bits, over that token and every argument that selects events. A token that was changed, or is
    used with other arguments, does not open.

    Args:
        key: the secret; the same in every replica, so that a page can be asked of any.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, request: ListEvents, upstream_token: str) -> str:
        """Return the token that names the next page of a request; "" after the last."""
        if not upstream_token:
            return ""
        raw = upstream_token.encode()
        return base64.urlsafe_b64encode(self._seal(request, raw) + raw).decode().rstrip("=")

    def open(self, request: ListEvents) -> str:
        """Return the upstream's token, "" for the first page; raises InvalidField."""
        if not request.page_token:
            return ""
        try:
            padded = request.page_token + "=" * (-len(request.page_token) % 4)
            sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
            seal, raw = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
            if not hmac.compare_digest(seal, self._seal(request, raw)):
                raise InvalidField([_INVALID])
            return raw.decode()
        except (binascii.Error, ValueError) as error:
            raise InvalidField([_INVALID]) from error

    def _seal(self, request: ListEvents, raw: bytes) -> bytes:
        bound = repr(
            (
                request.grant_id,
                request.calendar_id,
                request.start_time,
                request.end_time,
                request.ical_uid,
                request.only_with_conferencing,
            )
        ).encode()
        digest = hmac.new(self._key, b"%d:%b%b" % (len(bound), bound, raw), hashlib.sha256)
        return digest.digest()[:_SEAL_BYTES]
