"""The command `standing`: gathers what each package registers, so that one that is broken takes only its own commands along."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import entry_points

import click

from store import database, logs
from store.config import Misconfigured


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(package_name="standing")
def standing() -> None:
    """Where every applicant stands, in step with everything the vendors ever said."""


@click.command()
def migrate() -> None:
    """Bring the database's tables up to date. Processes do so by themselves when they start."""
    from store.migrations import upgrade

    click.echo("The tables are up to date now." if upgrade(database.engine()) else "The tables were up to date.")


commands = [migrate]


def main() -> None:
    """Run the command line. Exit status 2 for what was asked wrongly, or configured wrongly."""
    # Standard output is for what was asked for; what happens on the way goes to the logs, and only if it matters.
    logs.configure(least=logging.WARNING)
    for entry in sorted(entry_points(group="standing.commands"), key=lambda entry: entry.name):
        try:
            registered = entry.load()
        except Exception as error:  # Whatever is broken in one package, the others' commands go on working.
            click.echo(f"The commands of {entry.name!r} are missing: it cannot be loaded ({logs.describe_error(error)}).", err=True)
            continue
        for command in registered:
            standing.add_command(command)
    try:
        standing()
    except Misconfigured as error:
        click.echo(str(error), err=True)
        sys.exit(2)
