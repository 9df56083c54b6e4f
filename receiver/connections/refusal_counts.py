"""What this process refused, by the address of the sender, until it is written to the tables."""

from __future__ import annotations

from store import database
from store.operations import refusals
from store.operations.refusals import RefusalCounts

_counts = RefusalCounts()


def note(*, peer: str, cause: str, vendor: str = "") -> None:
    """Count a refused request. `vendor` is the vendor that it was sent as, where that was read."""
    _counts.note(peer=peer, vendor=vendor, cause=cause)


def tell() -> None:
    """Write the counts. Raises what the database raises: then they are kept for the next time."""
    global _counts
    counts, _counts = _counts, _counts.next()
    try:
        database.write(lambda connection: refusals.add(connection, counts))
    except BaseException:
        _counts.take_back(counts)
        raise
