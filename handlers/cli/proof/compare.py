"""`standing log verify`: compare every row with the log, every applicant with its last change, and its registers with its events."""

from __future__ import annotations

import sys
from functools import partial

import click
from msgspec import structs
from rich.progress import Progress
from sqlalchemy import Connection, func, select

from handlers import config
from handlers.cli.terminal import differences
from handlers.cli.terminal.progress import progress_bar
from handlers.replay import rebuild, refold
from store import database
from store.cli.terminal import consent, tables
from store.cli.terminal.options import json_option
from store.database.tables import ApplicantRow, EventRow
from store.proof import tree
from store.proof.verification import run
from store.proof.verification.faults import Fault
from store.proof.verification.run import Verified
from store.text import safe_text
from store.text.counts import counted


@click.command("verify")
@json_option
@consent.runs
def compare(as_json: bool) -> None:
    """Recompute the tree from the tables, and compare: name each row that was altered, removed, added unseen or back-dated.

    Exit status 1 if there is any. The result is recorded: `standing status` shows it."""
    config.settings()
    with progress_bar() as bar:
        found = _verify_log(bar)
        wrong, failing = _verify_registers(bar)
    database.write(partial(run.record, found=found, more=len(wrong)))
    _show([*found.faults, *wrong], found, as_json=as_json)
    differences.tell_failing(failing)
    if found.count or wrong:
        click.echo("Copy the database before you repair anything, and ask who had access: docs/runbook.md, `log`: faults.", err=True)
    sys.exit(1 if found.count or wrong else 0)


def _verify_log(bar: Progress) -> Verified:
    leaves = bar.add_task("comparing leaves", total=database.read(tree.size))
    applicants = bar.add_task("comparing applicants", total=database.read(partial(_count, table=ApplicantRow)))
    return run.verify_all(on_leaves=lambda count: bar.advance(leaves, count), on_applicants=lambda count: bar.advance(applicants, count))


def _verify_registers(bar: Progress) -> tuple[list[Fault], set[str]]:
    """Return the applicants whose registers are wrong, and the events that cannot be read again, by their ids."""
    events = bar.add_task("reading events", total=database.read(partial(_count, table=EventRow)))
    registers = bar.add_task("comparing registers", total=database.read(partial(_count, table=ApplicantRow)))
    renamed = rebuild.find_renamed(lambda count: bar.advance(events, count))
    wrong = list(refold.faults(renamed, on_applicants=lambda count: bar.advance(registers, count)))
    return wrong, renamed.failing


def _count(connection: Connection, table: type[ApplicantRow] | type[EventRow]) -> int:
    count: int = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return count


def _show(faults: list[Fault], found: Verified, *, as_json: bool) -> None:
    if as_json:
        tables.print_json(map(structs.asdict, faults))
    else:
        for fault in faults:
            click.echo(safe_text.plain(str(fault)))
    unnamed = found.count - len(found.faults)
    more = f" ({unnamed:,} of them without a line here)" if unnamed else ""
    compared = f"{counted(found.size, 'leaf', 'leaves')}, {counted(found.rows, 'row')}, {counted(found.checkpoints, 'checkpoint')}"
    click.echo(
        f"Compared {compared} and {counted(found.applicants, 'applicant')}: {counted(len(faults) + unnamed, 'fault')}{more}.", err=True
    )
