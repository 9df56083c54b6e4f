"""Carry out erasures at a terminal, with a progress bar. What is left is carried out by a worker, or by the next run."""

from __future__ import annotations

from collections.abc import Sequence

import click

from handlers.cli.terminal.progress import progress_bar
from handlers.privacy import erase
from store.database import bulk
from store.privacy.restoring import ledger
from store.text.counts import counted


def carry_out(erasure_ids: Sequence[str]) -> int:
    """Carry out erasures, and say which wait; return how many are done."""
    done = failed = 0
    with progress_bar() as bar:
        task = bar.add_task("erasing", total=len(erasure_ids))
        events = bar.add_task("events", total=None)
        for some in bulk.parts(erasure_ids, erase.AT_ONCE):
            try:
                counts = erase.attempt(some, on_events=lambda count: bar.advance(events, count))
            except ledger.Unusable as unusable:
                raise click.ClickException(f"nothing is erased yet: {unusable}") from unusable
            done, failed = done + counts[0], failed + counts[1]
            bar.advance(task, len(some))
    if waiting := len(erasure_ids) - done - failed:
        why = "a hold is on it, a rule of RETENTION keeps it, or the vendor has not erased it yet"
        click.echo(f"{counted(waiting, 'erasure')} must wait: {why}.", err=True)
    if failed:
        raise click.ClickException(f"{counted(failed, 'erasure')} failed, as the log says above. A worker tries again.")
    return done
