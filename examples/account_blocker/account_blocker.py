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
    with Path(os.environ["BLOCKED_ACCOUNTS"]).open("a") as accounts:
        accounts.write(f"{change.cursor} {change.applicant['external_user_id']} {', '.join(change.reasons)}\n")
