"""Carry out erasures at a terminal, with a progress bar. What is left is carried out by a worker, or by the next run."""

from __future__ import annotations

from collections.abc import Sequence

import click

from handlers.cli.terminal.progress import progress_bar
from handlers.privacy import erase
from store.privacy.restoring import ledger
from store.text.counts import counted


def carry_out(erasure_ids: Sequence[str]) -> int:
    """Carry out erasures, and say which wait; return how many are done."""
    done = 0
    with progress_bar() as bar:
        task = bar.add_task("erasing", total=len(erasure_ids))
        events = bar.add_task("events", total=None)
        for some in (erasure_ids[start : start + erase.AT_ONCE] for start in range(0, len(erasure_ids), erase.AT_ONCE)):
            try:
                done += erase.carry_out_all(some, on_events=lambda count: bar.advance(events, count))
            except ledger.Unusable as unusable:
                raise click.ClickException(f"nothing is erased yet: {unusable}") from unusable
            bar.advance(task, len(some))
    if done < len(erasure_ids):
        why = "a hold is on it, a rule of RETENTION keeps it, or the vendor has not erased it yet"
        click.echo(f"{counted(len(erasure_ids) - done, 'erasure')} must wait: {why}.", err=True)
    return done
