"""Page tokens: the upstream's own token, sealed together with the request that it belongs to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence

from conferencing_service.core.errors import InvalidField, Violation
from conferencing_service.core.requests import ListEvents

_SEAL_BYTES = 16
_INVALID = Violation("page_token", "must be the next_page_token of the same request's last page")


class PageTokens:
    """Makes and opens page tokens.

    A token is base64url of a seal and the upstream's token; the seal is an HMAC-SHA256, cut to 128
    bits, over that token, the caller and every argument that selects events. A token that was
    changed, or is used by another caller or with other arguments, does not open.

    Args:
        keys: returns the secrets, the same in every replica, so that a page can be asked of any:
            the first seals, all open.
    """

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys

    def seal(self, request: ListEvents, principal: str, upstream_token: str) -> str:
        """Return the token that names the next page of a request; "" after the last."""
        if not upstream_token:
            return ""
        raw = upstream_token.encode()
        return (
            base64.urlsafe_b64encode(_seal(self._keys()[0], request, principal, raw) + raw)
            .decode()
            .rstrip("=")
        )

    def open(self, request: ListEvents, principal: str) -> str:
        """Return the upstream's token, "" for the first page; raises InvalidField."""
        if not request.page_token:
            return ""
        try:
            padded = request.page_token + "=" * (-len(request.page_token) % 4)
            sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
            seal, raw = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
            if not any(
                hmac.compare_digest(seal, _seal(key, request, principal, raw))
                for key in self._keys()
            ):
                raise InvalidField([_INVALID])
            return raw.decode()
        except (binascii.Error, ValueError) as error:
            raise InvalidField([_INVALID]) from error


def _seal(key: bytes, request: ListEvents, principal: str, raw: bytes) -> bytes:
    bound = repr(
        (
            principal,
            request.grant_id,
            request.calendar_id,
            request.start_time,
            request.end_time,
            request.ical_uid,
            request.only_with_conferencing,
        )
    ).encode()
    digest = hmac.new(key, b"%d:%b%b" % (len(bound), bound, raw), hashlib.sha256)
    return digest.digest()[:_SEAL_BYTES]
