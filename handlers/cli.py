"""The commands that read and repair."""

from __future__ import annotations

import click


@click.command()
def worker() -> None:
    """Run a worker: it handles what is kept, whether the bell rings or not."""
    from handlers import worker
    from store import logs

    logs.configure()
    worker.run()


commands = [worker]
