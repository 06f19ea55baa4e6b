"""Where the ledger is kept: the interface that every store fills.

Each method is one atomic step, durable when it returns. Everything about time happens on the
store's own clock, since the clocks of several replicas differ. A method that writes for a `Hold`
does nothing and says so when the fence is not that of the row any more.

Every method raises StoreUnavailable when the store cannot be reached, or cannot commit: the step
may have been taken or not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from conferencing_service.core.ledger.entry import Claim, Entry, Hold, Key, Step


class StoreUnavailable(Exception):
    """The store cannot be reached, or cannot commit."""


class Store(Protocol):
    """Keeps the ledger's entries."""

    async def secret(self) -> bytes:
        """Return the 32 random bytes that belong to this ledger, the same for everybody."""

    async def claim(self, claim: Claim) -> tuple[Entry, bool]:
        """Return the entry of a key, and whether it is the claimer's to work on.

        It is when there was none, or one that may be forgotten (then a new one is made: CLAIMED,
        fence 1); and when the fingerprint is the same, nobody holds a lease, and the work is not at an end:
        RELEASED and CLAIMED become CLAIMED, SENDING becomes IN_DOUBT with a settle window that
        begins now, IN_DOUBT stays what it is. Whoever gets it has the next fence, the claim's
        owner and lease. Otherwise the entry comes back as it stands.
        """

    async def intend(
        self, hold: Hold, *, event_id: str, expected: Mapping[str, str], lease: float
    ) -> bool:
        """CLAIMED -> SENDING, with a new lease; False when the hold is not good, or the lease is over.

        Args:
            hold: the right to do so.
            event_id: the event that is about to be written, "" for one that is to be made.
            expected: of an update, digests of what was asked for.
            lease: seconds.
        """

    async def lease_left(self, hold: Hold) -> float | None:
        """Return the seconds that a lease still lasts; None when the hold is not good."""

    async def renew(self, hold: Hold, *, lease: float) -> bool:
        """Make a lease last so many seconds from now (0 ends it); False when the hold is not good."""

    async def release(self, hold: Hold, *, error: str) -> bool:
        """CLAIMED or SENDING -> RELEASED: it surely did nothing. The lease ends.

        An entry that never was in doubt is removed instead: there is nothing to remember.
        False when the hold is not good.
        """

    async def doubt(self, hold: Hold, *, error: str, settle: float, lease: float) -> bool:
        """SENDING -> IN_DOUBT, with a settle window and a lease of so many seconds from now.

        False when the hold is not good.
        """

    async def finish(self, hold: Hold, *, event_id: str, reply: str, retention: float) -> bool:
        """SENDING or IN_DOUBT -> DONE, kept for so many seconds more. The lease ends.

        False when the hold is not good.
        """

    async def give_up(self, hold: Hold, *, retention: float) -> bool:
        """IN_DOUBT -> UNRESOLVED, kept for so many seconds more. The lease ends.

        False when the hold is not good.
        """

    async def amend(self, operation_id: str, *, reply: str) -> None:
        """Replace the reply of an operation that is DONE."""

    async def get(self, key: Key) -> Entry | None:
        """Return the entry of a key."""

    async def find(self, operation_id: str) -> Entry | None:
        """Return the entry of an operation."""

    async def take_over(
        self, owner: str, *, lease: float, settle: float, limit: int
    ) -> list[Entry]:
        """Take over operations whose owners are gone, oldest first, and return them as they are now.

        Those are the ones in CLAIMED, SENDING or IN_DOUBT whose lease is over. Steps change as in
        `claim`; an operation that is CLAIMED is taken over as well, so that it can be released.
        Several replicas that do this at once get different ones.
        """

    async def unswept(self, *, older_than: float, limit: int) -> list[Entry]:
        """Return operations that were in doubt and not swept since, oldest first.

        Those in DONE, UNRESOLVED and RELEASED that were last written at least so many seconds ago.
        """

    async def mark_swept(self, operation_id: str) -> None:
        """Note that what an operation left behind was looked for."""

    async def listing(self, steps: Collection[Step], *, limit: int) -> Sequence[Entry]:
        """Return the entries in these steps, oldest first."""

    async def resolve(
        self, operation_id: str, *, done: bool, event_id: str, owner: str, retention: float
    ) -> bool:
        """UNRESOLVED -> DONE with this event, or RELEASED; by an operator.

        Gives it the next fence and this owner, so that whoever still believes to own it is refused,
        and marks it as not swept. False when it is in another step.
        """

    async def forget_expired(self, *, limit: int) -> int:
        """Remove entries that are settled (DONE, RELEASED) and expired; return how many.

        One that was in doubt is kept until it was swept, one that is UNRESOLVED until somebody
        resolved it.
        """

    async def probe(self) -> None:
        """Commit something that changes nothing: whoever gets here could have written."""

    async def aclose(self) -> None:
        """Close it; nothing is lost."""
