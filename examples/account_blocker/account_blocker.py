"""Blocks the account of whoever is no longer approved. Stands for a call to your own system; it writes a line instead.

Being told twice must do no harm: the line names the change by its cursor, which is the same each time.
"""

from __future__ import annotations

import os
from pathlib import Path

from handlers import Change


def block(change: Change) -> None:
    """What raises is tried again, later and later, and delays no other applicant."""
    if change.reversal != "adverse":
        return
    # A restricted applicant is not shown, and its approval fell all the same: its owner is found by the vendor's reference.
    whose = change.applicant["external_user_id"] if change.applicant else f"{change.vendor}/{change.reference}"
    with Path(os.environ["BLOCKED_ACCOUNTS"]).open("a") as accounts:
        accounts.write(f"{change.cursor} {whose} {', '.join(change.reasons)}\n")
