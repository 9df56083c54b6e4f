"""`standing rebuild`, as a person sees it."""

from __future__ import annotations

import click
from sqlalchemy import func, select

from handlers.cli.terminal import differences
from handlers.replay import derive
from handlers.replay.derive import Difference, Renamed
from store import database
from store.database.tables import ApplicantRow, Event


def run(*, apply: bool, max_changes: int, as_json: bool) -> int:
    """Compare, and mend if asked to; return the exit status."""
    renamed, found = _compare()
    differences.show(
        found, as_json=as_json, none="Every applicant stands where the kept events say.", many="are not as the kept events say"
    )
    differences.tell_failing(renamed.failing)
    if not apply or not found:
        return 1 if found or renamed.failing else 0
    if len(found) > max_changes:
        click.echo(f"Nothing was mended: {len(found)} applicants differ, more than --max-changes {max_changes}.", err=True)
        return 1
    with differences.progress() as progress:
        task = progress.add_task("mending", total=len(found))
        mended = derive.mend((one.key for one in found), on_applicants=lambda count: progress.advance(task, count))
    click.echo(f"Mended {mended} applicants.", err=True)
    return 0


def _compare() -> tuple[Renamed, list[Difference]]:
    with database.reading() as connection:
        events, known = (connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (Event, ApplicantRow))
    with differences.progress() as progress:
        reading = progress.add_task("reading events", total=events)
        comparing = progress.add_task("comparing applicants", total=known)
        renamed = derive.find_renamed(lambda count: progress.advance(reading, count))
        return renamed, list(derive.differences(renamed, on_applicants=lambda count: progress.advance(comparing, count)))
