"""`standing import`: earlier statuses of applicants, or the users of cases, from a file that is checked whole first."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from handlers import config
from handlers.cli.terminal.progress import progress_bar
from handlers.cli.transfer import import_check, import_lines, importing
from handlers.cli.transfer.import_check import Checked, FileChanged
from handlers.cli.transfer.import_fields import Wrong
from handlers.cli.transfer.importing import Brought
from store import database
from store.cli.terminal import consent
from store.cli.terminal.options import environment_option
from store.inbox import imports
from store.inbox.imports import Span
from store.text.counts import counted
from store.text.names import is_name
from store.text.states import Outcome

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("import")
@click.argument("file", type=FILE, metavar="FILE.csv|.jsonl")
@click.option("--source", help="Where it was known from, for lines that do not say so.")
@environment_option
@click.option("--no-wait", is_flag=True, help="Do not wait until workers have handled it.")
@consent.changes
def import_known(file: Path, source: str | None, environment: str, no_wait: bool, yes: bool) -> None:
    """Import where applicants stood before: what this service never heard of, so that a later refusal is known for a reversal.

    Columns (JSON lines: keys): vendor, reference, status, at (RFC 3339) and source; if you like external_user_id, reasons and hits, of
    which a CSV holds several with spaces or semicolons between them, and JSON a list. Or whose cases are: case_id, external_user_id.

    The file is checked whole before anything is written: exit status 2 if a line is wrong. It may be imported again, which goes on where
    it was interrupted, and otherwise changes nothing. Exit status 1 if it was interrupted, or could not be handled."""
    config.settings()
    if file.suffix.lower() not in import_lines.SUFFIXES:
        raise click.UsageError(f"the file's name must end in {' or '.join(import_lines.SUFFIXES)}")
    if source is not None and not is_name(source):
        raise click.UsageError("the source must be a text of 1 to 200 characters")
    with _interruptible():
        checked = _check(file, source)
        says = f"{checked.rows:,} rows of {file.name} are right. Those that are not known yet are kept in the {environment} environment."
        consent.ask("Import them?", says, yes=yes)
        brought = _bring(checked, environment)
        if brought.span and not no_wait:
            sys.exit(_wait(brought, brought.span))


def _check(file: Path, source: str | None) -> Checked:
    """Check the file; name every invalid line, and end if there is one."""
    wrong = 0

    def name_it(found: Wrong) -> None:
        nonlocal wrong
        wrong += 1
        click.echo(f"line {found.line}: {'; '.join(found.problems)}", err=True)

    with progress_bar() as bar:
        task = bar.add_task("checking", total=import_lines.count_lines(file))
        checked = import_check.check(file, source=source, on_rows=lambda count: bar.advance(task, count), on_wrong=name_it)
    if checked is None:
        click.echo(f"{counted(wrong, 'line is', 'lines are')} wrong: nothing was written.", err=True)
        sys.exit(2)
    return checked


def _bring(checked: Checked, environment: str) -> Brought:
    try:
        with progress_bar() as bar:
            task = bar.add_task("keeping", total=checked.rows)
            brought = importing.bring(checked, environment=environment, on_rows=lambda count: bar.advance(task, count))
    except FileChanged as changed:
        raise click.ClickException("the file was changed after it was checked: import it again, as it is now") from changed
    known = brought.rows - brought.new - brought.erased
    erased = f", {counted(brought.erased, 'is', 'are')} of erased applicants and left out" if brought.erased else ""
    click.echo(f"{counted(brought.rows, 'row')}: {brought.new:,} new, {counted(known, 'was known', 'were known')}{erased}.", err=True)
    return brought


def _wait(brought: Brought, span: Span) -> int:
    """Wait for the workers, and print the outcomes; return the exit status."""
    with progress_bar() as bar:
        task = bar.add_task("being handled", total=brought.new)
        handled = importing.wait(brought, span, on_handled=lambda count: bar.advance(task, count))
    if not handled:
        click.echo("It is kept, and there is no worker to handle it: start one, or run `standing process-pending`.", err=True)
        return 1
    ended = {one.outcome: one for one in database.read(lambda connection: imports.ended(connection, span))}
    applied = ended.pop(Outcome.APPLIED, None)
    others = [f"{counted(one.events, 'row is', 'rows are')} {outcome}" for outcome, one in sorted(ended.items())]
    click.echo("; ".join([f"{counted(applied.applicants if applied else 0, 'applicant')} changed", *others]) + ".", err=True)
    return 1 if {Outcome.UNREADABLE, Outcome.FAILED, Outcome.PENDING} & set(ended) else 0


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Interrupted. What was kept is kept; import the file again, and it goes on from there.", err=True)
        sys.exit(1)
    except database.Failure as failure:
        raise click.ClickException("the database failed. What was kept is kept; import the file again, and it goes on") from failure


commands = [import_known]
