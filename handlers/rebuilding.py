"""`standing rebuild`, as a person sees it: progress, each difference, and how many approvals would fall or rise."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import func, select

from handlers import rebuild, terminal
from handlers.rebuild import Difference
from store import database
from store.models import ApplicantRow, Event
from store.states import Status


def run(*, apply: bool, max_changes: int, as_json: bool) -> int:
    """Compare, and mend if asked to; return the exit status."""
    with _progress() as progress:
        found = list(_compared(progress))
    _print(found, as_json)
    if not apply or not found:
        return 1 if found else 0
    if len(found) > max_changes:
        click.echo(f"Nothing was mended: {len(found)} applicants differ, more than --max-changes {max_changes}.", err=True)
        return 1
    with _progress() as progress:
        task = progress.add_task("mending", total=len(found))
        mended = rebuild.mend((one.key for one in found), on_applicants=lambda count: progress.advance(task, count))
    click.echo(f"Mended {mended} applicants.", err=True)
    return 0


def _compared(progress: Progress) -> Iterator[Difference]:
    with database.reading() as connection:
        events, known = (connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (Event, ApplicantRow))
    reading = progress.add_task("reading events", total=events)
    comparing = progress.add_task("comparing applicants", total=known)
    yield from rebuild.differences(
        on_events=lambda count: progress.advance(reading, count), on_applicants=lambda count: progress.advance(comparing, count)
    )


def _print(found: list[Difference], as_json: bool) -> None:
    if as_json:
        terminal.print_json(map(_describe, found))
        return
    for one in found:
        before, after = one.move
        moved = (
            f"{before or '(unknown)'} → {after}" if before != after else f"{after}: {', '.join(one.changed) or 'what is shown beside it'}"
        )
        click.echo(f"{one.key.vendor} {terminal.plain(one.key.reference)} ({one.key.environment})  {moved}  {one.reversal or ''}".rstrip())
    if not found:
        click.echo("Every applicant stands where the kept events say.")
        return
    click.echo(f"\n{len(found)} applicants are not as the kept events say:")
    for (before, after), count in Counter(one.move for one in found).most_common():
        click.echo(f"{count:8}  {before or '(unknown)'} → {after}")
    falling = sum(one.move[0] == Status.APPROVED != one.move[1] for one in found)
    rising = sum(one.move[1] == Status.APPROVED != one.move[0] for one in found)
    click.echo(f"{falling} approvals would fall, {rising} would rise.")


def _describe(one: Difference) -> dict[str, Any]:
    shown, derived = ({name: getattr(side, name) for name in one.changed} for side in (one.shown, one.derived))
    return one.key._asdict() | {"from": one.move[0], "to": one.move[1], "reversal": one.reversal, "shown": shown, "derived": derived}


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on standard error, gone once it is full; nothing where nobody watches."""
    from rich.console import Console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        yield progress
