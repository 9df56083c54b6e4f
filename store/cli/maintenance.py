"""The commands that need the store alone: `migrate`, `backup`, `restore`, `new-epoch`, `keys`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from store import config, database
from store.access import audit, operators
from store.applicants import feed
from store.database.engine import engine
from store.database.sessions import Unfit
from store.terminal import consent
from store.terminal.lists import Listing, list_options
from store.terminal.options import ROWS_MAX
from store.text.counts import counted

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
    from store.operations import backup_commands

    backup_commands.take(file, overwrite=force)


@click.command("verify-backup")
@click.argument("file", type=FILE)
@consent.reads
def verify_backup(file: Path) -> None:
    """Check that FILE is whole and can be restored, and which configured keys open its bodies. Changes nothing.

    Exit status 1 if a body cannot be opened, or the file is damaged."""
    from store.operations import backup_commands

    sys.exit(0 if backup_commands.verify(file) else 1)


@click.command()
@click.argument("file", type=FILE)
@click.option("--without-keys", is_flag=True, help="Restore although no configured key opens a body in it.")
@consent.changes
def restore(file: Path, without_keys: bool, yes: bool) -> None:
    """Put a backup in the place of the embedded SQLite, which is kept beside it. The service must not run."""
    from store.operations import backup_commands

    backup_commands.restore(file, unasked=yes, without_keys=without_keys)


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


@click.group()
def keys() -> None:
    """The keys for data at rest."""


@keys.command("list")
@list_options(since=None, has_environment=False, limit=ROWS_MAX)
@consent.reads
def list_keys(listing: Listing) -> None:
    """List the keys by their public ids, and how many bodies each encrypts: a key with none can be removed."""
    from store.operations import key_rotation

    newest = key_rotation.newest_key()
    found = [{"key": used, "bodies": count, "seals": used == newest} for used, count in key_rotation.in_use().items()]
    listing.show(found, ("key", "bodies", "seals"), what="key")


@keys.command()
@consent.changes
def rotate(yes: bool) -> None:
    """Encrypt with the first of ENCRYPTION_KEYS what another key encrypted, while the service runs. Run it again if it was interrupted."""
    from rich.console import Console
    from rich.progress import Progress

    from store.inbox.encryption import Unopenable
    from store.operations import key_rotation

    config.settings()
    total = sum(count for used, count in key_rotation.in_use().items() if used != key_rotation.newest_key())
    operators.at_this_terminal()  # A wrong token ends it before anything is done.
    if total:
        says = f"{counted(total, 'body', 'bodies')} will be encrypted again, with the key {key_rotation.newest_key()}."
        consent.ask("Encrypt again?", f"{says} The service may run meanwhile.", yes=yes)
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("encrypting again", total=total)
            sealed = key_rotation.rotate(on_sealed=lambda count: progress.advance(task, count))
    except Unopenable as unopenable:
        raise click.ClickException(f"{unopenable}: give it in ENCRYPTION_KEYS, after the newest") from unopenable
    did = f"Encrypted {counted(sealed, 'body', 'bodies')} with the newest key."
    click.echo(f"{did} A key that encrypts no body any more (standing keys list) may be removed.", err=True)


commands = [migrate, backup, verify_backup, restore, new_epoch, keys]
