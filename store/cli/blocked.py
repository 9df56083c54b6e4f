"""Commands while nothing may be read: which ones run all the same, and what the others print.

A restored database may hold applicants that were erased since. Until they are erased again, no command shows or exports what it holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from store.cli.terminal.consent import Effect

#: Commands that repair, or that show no applicant. Those that run a part of the service run, too: the service looks itself.
OPEN = {
    "backup", "doctor", "erasures accept-ledger", "keys destroyed", "keys list", "keys rotate", "log checkpoint", "log consistency",
    "log export", "log keys", "log new-epoch", "log verifier", "new-epoch", "refusals", "restore", "secrets", "status", "verify-backup",
}  # fmt: skip

#: An erasure that another process begins at this moment blocks a command for so long at most.
PATIENCE_SECONDS, PAUSE_SECONDS = 2.0, 0.4


def guard(command: click.Command, path: str) -> None:
    """Make a command, and each one of a group, refuse to run while nothing may be read, and wait long for others that write to SQLite.
    `path`: how it is typed."""
    for name, part in command.commands.items() if isinstance(command, click.Group) else ():
        guard(part, f"{path} {name}")
    if command.callback and vars(command.callback).get("effect", Effect.RUNS) != Effect.RUNS:
        command.callback = _patient(command.callback if path in OPEN else _refusing(command.callback))


def _patient(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
    def run_patiently(*arguments: Any, **options: Any) -> Any:
        from store.database.engine import patience

        with patience.of_a_command():
            return run(*arguments, **options)

    return run_patiently


def _refusing(run: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(run)
    def run_if_open(*arguments: Any, **options: Any) -> Any:
        _require_open()
        return run(*arguments, **options)

    return run_if_open


def _require_open() -> None:
    from store.privacy.restoring import gate

    ends = time.monotonic() + PATIENCE_SECONDS
    while (found := gate.tell()).is_closed:
        if found.fault or time.monotonic() > ends:
            raise click.ClickException(f"Nothing is shown yet: {found}. standing status says more.")
        time.sleep(PAUSE_SECONDS)
