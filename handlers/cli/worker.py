"""`standing worker` and `standing process-pending` handle what is kept; `standing relay` carries images to the vendors."""

from __future__ import annotations

import click

from handlers import config, process
from store.cli.terminal import consent, tables
from store.cli.terminal.options import json_option
from store.inbox import claims, times_to_visible
from store.inbox.spool import spool_import
from store.text.counts import counted


@click.command()
@consent.runs
def worker() -> None:
    """Run a worker: it handles what is kept, whether a wake-up comes or not."""
    from handlers.worker import rq_worker
    from store.database import start_check
    from store.privacy.restoring import index_key
    from store.system import processes

    processes.begin()
    start_check.tell_who_may_read()
    start_check.look()
    index_key.look()
    rq_worker.run()


@click.command()
@consent.runs
def relay() -> None:
    """Run the relay of this host: it takes images from the web processes, and carries them to the vendors."""
    import signal

    import store.config
    from handlers.start.documents import VendorCarrier
    from handlers.start.relay import Relay, Taken
    from store.database import start_check
    from store.system import environment, processes

    environment.withhold("LOG_SIGNING_KEY")
    processes.begin()
    start_check.tell_who_may_read()
    start_check.look()
    config.settings()
    path = store.config.settings().relay_socket
    carrier = VendorCarrier(str(path))
    made = Relay(path, carrier)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: made.end())
    try:
        made.run(carrier.begin)
    except Taken as taken:
        raise click.ClickException(str(taken)) from taken


@click.command()
@json_option
@consent.runs
def process_pending(as_json: bool) -> None:
    """Handle what is pending in this process, without Redis. What this host has spooled is brought in first."""
    config.settings()
    spool_import.take_in_spooled()
    _redo_erasures()
    holder, handled = claims.new_holder(), 0
    while count := process.handle_some(holder):
        handled += count
    times_to_visible.tell()
    tables.print_json([{"handled": handled}]) if as_json else click.echo(f"Handled {counted(handled, 'event')}.")


def _redo_erasures() -> None:
    """Do again what a restored database lacks. Raises ClickException where an operator must act first."""
    from handlers.privacy import redo
    from store.privacy.restoring import gate, ledger

    try:
        redo.redo_all()
        gate.forget()
        gate.require_open()
    except (gate.Closed, ledger.Unusable) as closed:
        raise click.ClickException(f"Nothing is handled: {closed}.") from closed


commands = [worker, relay, process_pending]
