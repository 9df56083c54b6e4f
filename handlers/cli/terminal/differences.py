"""Print applicants that would change: each, and how many approvals would fall or rise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import click

from handlers.cli.terminal import attempts
from handlers.replay.derive import Difference
from handlers.replay.forecast import describe, turned
from store.cli.terminal import tables
from store.text import safe_text
from store.text.counts import counted


def show(found: Sequence[Difference], *, as_json: bool, none: str, many: str) -> None:
    """Print each difference, then the counts of each move and of approvals. `none` and `many` are the headings. Restricted applicants are
    counted, and named to privacy officers alone."""
    named = found if attempts.is_officer() else [one for one in found if not one.shown.restricted]
    if as_json:
        tables.print_json(map(describe, named))
        return
    for one in named:
        before, after = one.move
        moved = (
            f"{before or '(unknown)'} → {after}" if before != after else f"{after}: {', '.join(one.changed) or 'what is shown beside it'}"
        )
        click.echo(f"{one.key.vendor} {safe_text.plain(one.key.reference)} ({one.key.environment})  {moved}  {one.reversal or ''}".rstrip())
    if not found:
        click.echo(none)
        return
    click.echo(f"\n{counted(len(found), 'applicant')} {many}:")
    for (before, after), count in Counter(one.move for one in found).most_common():
        click.echo(f"{count:8}  {before or '(unknown)'} → {after}")
    falling, rising = turned(found)
    click.echo(f"{counted(falling, 'approval')} would fall, {rising} would rise.")


def tell_failing(event_ids: Collection[str]) -> None:
    """Print how many events could not be interpreted, and name some."""
    if event_ids:
        some = ", ".join(sorted(event_ids)[:3])
        click.echo(
            f"{counted(len(event_ids), 'event')} cannot be handled: reading fails ({some}). The applicants that they name stay.", err=True
        )
