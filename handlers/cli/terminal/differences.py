"""Applicants that would change, as a person sees them: each, and how many approvals would fall or rise; and a bar while they are sought."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from handlers.cli.terminal import output
from handlers.replay.derive import Difference
from store.states import Status


def show(found: Sequence[Difference], *, as_json: bool, none: str, many: str) -> None:
    """Each difference, then the counts of each move and of approvals; what to say if there is none, and above the counts."""
    if as_json:
        output.print_json(map(describe, found))
        return
    for one in found:
        before, after = one.move
        moved = (
            f"{before or '(unknown)'} → {after}" if before != after else f"{after}: {', '.join(one.changed) or 'what is shown beside it'}"
        )
        click.echo(f"{one.key.vendor} {output.plain(one.key.reference)} ({one.key.environment})  {moved}  {one.reversal or ''}".rstrip())
    if not found:
        click.echo(none)
        return
    click.echo(f"\n{len(found)} applicants {many}:")
    for (before, after), count in Counter(one.move for one in found).most_common():
        click.echo(f"{count:8}  {before or '(unknown)'} → {after}")
    falling, rising = turned(found)
    click.echo(f"{falling} approvals would fall, {rising} would rise.")


def turned(found: Sequence[Difference]) -> tuple[int, int]:
    """How many approvals would fall, and how many rise."""
    falling = sum(one.move[0] == Status.APPROVED != one.move[1] for one in found)
    rising = sum(one.move[1] == Status.APPROVED != one.move[0] for one in found)
    return falling, rising


def tell_failing(event_ids: Collection[str]) -> None:
    """Say how many events could not even be read, and name some."""
    if event_ids:
        some = ", ".join(sorted(event_ids)[:3])
        click.echo(f"{len(event_ids)} events cannot be handled: reading them fails ({some}). Whom they name stays as it is.", err=True)


def describe(one: Difference) -> dict[str, Any]:
    shown, derived = ({name: getattr(side, name) for name in one.changed} for side in (one.shown, one.derived))
    return one.key._asdict() | {"from": one.move[0], "to": one.move[1], "reversal": one.reversal, "shown": shown, "derived": derived}


class Rate(ProgressColumn):
    """How many there are a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.0f}/s" if task.speed else "")


@contextmanager
def progress(*, hidden: bool = False) -> Iterator[Progress]:
    """A bar on standard error, gone once it is full; nothing where nobody watches, or where it would stand among what is printed."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden or not sys.stderr.isatty()) as bar:
        yield bar
