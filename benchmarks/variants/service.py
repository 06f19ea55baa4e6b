"""The service itself, as `conferencing-service serve` starts it; `--without-ledger` takes one part out.

Then its ledger keeps nothing and says yes at once: what is left is the service without a store. No
server runs so outside this benchmark.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import sampler

from conferencing_service import ledger_parts
from conferencing_service.__main__ import main
from conferencing_service.core.ledger.entry import Claim, Entry, Step


class NoStore:
    """A store that keeps nothing: every request is new, every step is taken."""

    async def secret(self) -> bytes:
        """The same for everybody: nothing is kept under it."""
        return bytes(32)

    async def claim(self, claim: Claim) -> tuple[Entry, bool]:
        """Every request is new."""
        entry = Entry(
            key=claim.key,
            operation_id=claim.operation_id,
            fingerprint=claim.fingerprint,
            step=Step.CLAIMED,
            fence=1,
            owner=claim.owner,
            lease_left=claim.lease,
            settle_left=0.0,
            target=claim.target,
            marker=claim.marker,
        )
        return entry, True

    async def lease_left(self, _hold: Any) -> float:
        """No lease is ever over."""
        return 3600.0

    async def nothing(self, *_: Any, **__: Any) -> None:
        """Answer nothing."""
        return

    async def none_found(self, *_: Any, **__: Any) -> Sequence[Any]:
        """Answer that there are none."""
        return []

    async def agree(self, *_: Any, **__: Any) -> bool:
        """Answer that it is done."""
        return True

    async def forget_expired(self, *, limit: int) -> int:  # noqa: ARG002 - the store's own words
        """Answer that none is left to forget."""
        return 0

    intend = renew = release = doubt = finish = give_up = resolve = agree
    amend = get = find = mark_swept = probe = aclose = nothing
    take_over = unswept = listing = none_found


async def _open_no_store(_url: str) -> NoStore:
    return NoStore()


if __name__ == "__main__":
    if "--without-ledger" in sys.argv:
        assert callable(ledger_parts.open_store)  # noqa: S101 - else nothing would be taken out
        ledger_parts.open_store = _open_no_store
    if "--sampled" in sys.argv:
        sampler.write_samples_to(Path(sys.argv[sys.argv.index("--sampled") + 1]))
    sys.argv[1:] = ["serve"]
    sys.exit(main())
