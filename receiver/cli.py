"""The commands that need secrets: `up`, `web`, `simulate`, `doctor`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from receiver import config


@click.command()
def up() -> None:
    """Run everything on this machine: web, worker and, unless configured otherwise, an embedded Valkey and SQLite."""
    from receiver import up, valkey

    try:
        up.run()
    except valkey.NoValkey as error:
        click.echo(str(error), err=True)
        sys.exit(2)


@click.command()
def web() -> None:
    """Run the web process alone."""
    config.settings()
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    os.execv(gunicorn, [gunicorn, "--config", "python:receiver.serving"])  # noqa: S606


commands = [up, web]
