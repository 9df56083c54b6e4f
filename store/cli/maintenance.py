"""The commands that need the store alone: `migrate`, `backup`, `restore`, `new-epoch`, `keys`, and `sessions`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from store import database
from store.access import audit
from store.applicants import feed
from store.cli.keys import keys
from store.cli.sessions import sessions
from store.cli.terminal import consent
from store.database.engine import engine
from store.database.sessions import Unfit

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@consent.runs
def migrate() -> None:
    """Bring the database's tables up to date. Processes do so automatically when they start."""
    from store.database.migrations import upgrade

    try:
        click.echo("The tables are up to date now." if upgrade(engine()) else "The tables were up to date.")
    except Unfit as unfit:
        raise click.ClickException(str(unfit)) from unfit


@click.command()
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@consent.reads
def backup(file: Path, force: bool) -> None:
    """Copy the embedded SQLite into FILE, while the service runs. The encryption keys are not in it."""
    from store.cli import backups

    backups.take(file, overwrite=force)


@click.command("verify-backup")
@click.argument("file", type=FILE)
@consent.reads
def verify_backup(file: Path) -> None:
    """Check that FILE is whole and can be restored, and which configured keys open its bodies. Changes nothing.

    Exit status 1 if a body cannot be opened, or the file is damaged."""
    from store.cli import backups

    sys.exit(0 if backups.verify(file) else 1)


@click.command()
@click.argument("file", type=FILE)
@click.option("--without-keys", is_flag=True, help="Restore although no configured key opens a body in it.")
@consent.changes
def restore(file: Path, without_keys: bool, yes: bool) -> None:
    """Put a backup in the place of the embedded SQLite, which is kept beside it. The service must not run."""
    from store.cli import backups

    backups.restore(file, unasked=yes, without_keys=without_keys)


@click.command()
@consent.changes
def new_epoch(yes: bool) -> None:
    """Begin a new epoch of the feed, so that each reader starts again: after PostgreSQL was restored by its own means."""
    consent.ask(
        "Begin a new epoch?",
        "Every cursor that the feed gave until now will be refused, so that each of its readers must start again.",
        "That is right after a restore (`standing restore` does it automatically), and a burden otherwise.",
        yes=yes,
    )
    with database.begin() as connection:
        epoch = feed.begin_epoch(connection)
        audit.record(connection, action="new-epoch", subject=f"the feed's epoch {epoch}")
    click.echo(f"The feed's epoch is {epoch} now.")


commands = [migrate, backup, verify_backup, restore, new_epoch, keys, sessions]
