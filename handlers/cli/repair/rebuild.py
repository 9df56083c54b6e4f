"""`standing rebuild`: compare every applicant with the kept events, and repair what differs."""

from __future__ import annotations

import sys

import click
from sqlalchemy import func, select

from handlers import config
from handlers.cli.terminal import differences
from handlers.cli.terminal.progress import progress_bar
from handlers.replay import rebuild as repairing
from handlers.replay.derive import Difference, Renamed
from store import database
from store.access import audit, operators
from store.cli.terminal import consent
from store.cli.terminal.options import CHANGES_MAX, json_option
from store.database.tables import ApplicantRow, EventRow
from store.text.counts import counted


@click.command()
@click.option("--check", "apply", flag_value=False, default=False, help="Only compare (the default): exit status 1 if anything differs.")
@click.option("--apply", "apply", flag_value=True, help="Repair what differs, while the service runs; each change is reported.")
@click.option("--max-changes", type=CHANGES_MAX, default=100, show_default=True, help="Repair nothing if more would change.")
@json_option
@consent.changes
def rebuild(apply: bool, max_changes: int, as_json: bool, yes: bool) -> None:
    """Derive every applicant from the kept events, and compare: who would change, and from where to where."""
    config.settings()
    sys.exit(_run(apply=apply, max_changes=max_changes, as_json=as_json, yes=yes))


def _run(*, apply: bool, max_changes: int, as_json: bool, yes: bool) -> int:
    """Compare, and repair if asked to; return the exit status."""
    renamed, found = _compare()
    differences.show(
        found, as_json=as_json, none="Every applicant stands where the kept events say.", many="are not as the kept events say"
    )
    differences.tell_failing(renamed.failing)
    if not apply or not found:
        return 1 if found or renamed.failing else 0
    if len(found) > max_changes:
        click.echo(f"Nothing was repaired: {counted(len(found), 'applicant')} to repair, more than --max-changes {max_changes}.", err=True)
        return 1
    operators.at_this_terminal()  # A wrong token ends it before anything is done.
    consent.ask(f"Repair {len(found)} applicants?", "Each is written as its events say, and each change is reported.", yes=yes)
    with progress_bar() as bar:
        task = bar.add_task("repairing", total=len(found))
        repaired = repairing.repair((one.key for one in found), on_applicants=lambda count: bar.advance(task, count))
    database.write(lambda connection: audit.record(connection, action="rebuild", subject="applicants that differed", touched=repaired))
    click.echo(f"Repaired {counted(repaired, 'applicant')}.", err=True)
    return 0


def _compare() -> tuple[Renamed, list[Difference]]:
    with database.reading() as connection:
        events, known = (connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (EventRow, ApplicantRow))
    with progress_bar() as bar:
        reading = bar.add_task("reading events", total=events)
        comparing = bar.add_task("comparing applicants", total=known)
        renamed = repairing.find_renamed(lambda count: bar.advance(reading, count))
        return renamed, list(repairing.differences(renamed, on_applicants=lambda count: bar.advance(comparing, count)))


commands = [rebuild]
