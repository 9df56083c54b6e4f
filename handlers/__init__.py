"""What does it mean? The rules: events become news, and news moves applicants.

This package never sees a delivery's signature or the signing secret. It runs in the worker and on the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handlers.notify.subscribers import Change

__all__ = ["Change"]


def __getattr__(name: str) -> Any:
    """Load what is public when it is asked for: a command that lists commands needs none of it."""
    if name != "Change":
        raise AttributeError(f"module 'handlers' has no attribute {name!r}")
    from handlers.notify.subscribers import Change

    return Change
