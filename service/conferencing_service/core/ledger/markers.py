"""What an event carries so that the operation that made it can be found, and nobody can feign."""

from __future__ import annotations

import hashlib
import hmac

_MAC_CHARACTERS = 32


class Markers:
    """Mints and verifies markers.

    A marker is the operation's id and an HMAC that binds it to the calendar, so that one copied
    onto another calendar's event is none there. It says nothing else.

    Args:
        secret: the ledger's own secret.
    """

    def __init__(self, secret: bytes) -> None:
        # Made once, and copied: setting up a key takes longer than the rest.
        self._keyed = hmac.new(secret, digestmod=hashlib.sha256)

    def mint(self, operation_id: str, grant_id: str, calendar_id: str) -> str:
        """Return the marker of an operation on a calendar."""
        place = f"{operation_id}\0{grant_id}\0{calendar_id}".encode()
        mac = self._keyed.copy()
        mac.update(place)
        return f"{operation_id}.{mac.hexdigest()[:_MAC_CHARACTERS]}"

    def verifies(self, marker: str, operation_id: str, grant_id: str, calendar_id: str) -> bool:
        """Tell whether a marker is the one of this operation on this calendar."""
        expected = self.mint(operation_id, grant_id, calendar_id)
        return hmac.compare_digest(marker.encode(), expected.encode())
