"""`standing erasures accept-ledger`: go on with the ledger that there is, when another is lost."""

from __future__ import annotations

import click
from sqlalchemy import Connection

from store import config, database
from store.access import audit, operators
from store.cli.terminal import consent
from store.privacy.acts import Action
from store.privacy.restoring import gate, index_key, ledger, ledger_redo
from store.text.counts import counted
from store.text.safe_text import is_reason


@click.command("accept-ledger")
@click.option("--reason", required=True, help="Why. It is recorded.")
@consent.changes
def accept_ledger(reason: str, yes: bool) -> None:
    """Go on with the ledger of erasures as it is, though it is missing, broken or shorter than the database knows.

    What this database knows is written into it. What only the lost ledger knew is not erased again after a restore."""
    if not is_reason(reason):
        raise click.UsageError("Give a reason that can be shown.")
    config.settings()
    operators.at_this_terminal(officers=True)  # A wrong token ends it before anything is asked.
    fault = database.read(gate.look).fault
    if fault is None:
        raise click.ClickException("There is nothing to accept: the ledger holds what the database knows.")
    database.read(index_key.prove)
    consent.ask(
        "Go on without it?",
        f"{fault}.",
        "If the right ledger can be found, put it back instead.",
        "Without it, applicants that only the lost ledger names would be shown again after a restore.",
        "A file that is broken is kept beside the one that begins.",
        yes=yes,
    )
    lines = _accept(reason)
    click.echo(f"The ledger {ledger.path()} has {counted(lines, 'line')} now.")


def _accept(reason: str) -> int:
    try:
        if _is_broken():
            ledger.set_aside()
        return database.write(lambda connection: _recorded(connection, reason))
    except ledger.Unusable as unusable:
        raise click.ClickException(str(unusable)) from unusable


def _recorded(connection: Connection, reason: str) -> int:
    lines = ledger_redo.accept(connection)
    audit.record(connection, action=Action.ACCEPT_LEDGER, subject=f"ledger of {lines} lines", reason=reason, officers=True)
    return lines


def _is_broken() -> bool:
    """Return whether the file cannot be used at all, or was written with another INDEX_KEY."""
    try:
        return any(line.key != ledger.key_shown() for line in ledger.lines())
    except ledger.Unusable:
        return True
