"""Hints: how a command of Standing is typed where this code runs."""

from __future__ import annotations

from pathlib import Path

#: A checkout has it beside the packages; an installed package does not.
_DEV = Path(__file__).parent.parent.parent / "dev"


def typed(words: str) -> str:
    """Return a command as it is typed here: `./dev standing …` in a checkout, `standing …` where Standing was installed as a package."""
    if not _DEV.is_file():
        return f"standing {words}"
    return f"./dev {words}" if words.startswith("up") else f"./dev standing {words}"
