"""`standing log`: signed checkpoints, what shows that one extends another, all leaves, the keys, and the verifier."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from handlers.cli.proof.compare import compare
from handlers.cli.proof.prove import prove
from handlers.cli.terminal.output_file import opened, output_option
from handlers.cli.terminal.progress import progress_bar
from store import config, database
from store.access import audit, operators
from store.cli.terminal import consent
from store.cli.terminal.options import REASON
from store.proof import checkpoints, verify
from store.proof.checkpoints import CannotSign
from store.proof.shown import proofs
from store.proof.shown.proofs import LargerThanSigned, NotSigned
from store.proof.shown.rows import NUMBER_MAX

NOTHING_SIGNED = "no checkpoint is signed: standing status says more"


@click.group("log")
def log_group() -> None:
    """The log of all that happened: what proves offline that nothing in it was altered or removed."""


@log_group.command("checkpoint")
@click.option("--origin", help="Of one epoch, by its origin.  [default: the newest]")
@consent.reads
def checkpoint(origin: str | None) -> None:
    """Print the newest signed checkpoint. Whoever keeps it can tell later that nothing up to it was altered."""
    config.settings()
    found = database.read(lambda connection: checkpoints.newest(connection, origin))
    if found is None:
        raise click.ClickException("no checkpoint of this origin is signed" if origin else NOTHING_SIGNED)
    if why := database.read(checkpoints.stopped).because:
        click.echo(f"Nothing is signed now: {why}. This is the newest checkpoint that the database has.", err=True)
    click.echo(found.note, nl=False)


@log_group.command("consistency")
@click.argument("size", metavar="FROM", type=click.IntRange(0, NUMBER_MAX))
@output_option
@consent.reads
def consistency(size: int, output: Path | None) -> None:
    """Prove that the tree of an older checkpoint, of FROM leaves, is the beginning of the newest signed one."""
    config.settings()
    try:
        found = database.read(lambda connection: proofs.consistency(connection, size))
    except NotSigned as error:
        raise click.ClickException(NOTHING_SIGNED) from error
    except LargerThanSigned as error:
        raise click.ClickException(str(error)) from error
    with opened(output) as out:
        out.write(found.encode())


@log_group.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@consent.reads
def export(file: Path) -> None:
    """Write all leaves and the newest checkpoint into FILE, for who recomputes the whole tree. It names no person."""
    config.settings()
    try:
        newest = database.read(proofs.newest)
    except NotSigned as error:
        raise click.ClickException(NOTHING_SIGNED) from error
    with opened(file) as out, progress_bar() as bar:
        task = bar.add_task("writing leaves", total=newest.size)
        out.write(proofs.EXPORT_TITLE)
        for start in range(0, newest.size, proofs.PAGE):
            end = min(start + proofs.PAGE, newest.size)
            out.write(database.read(partial(proofs.lines, start=start, end=end)))
            bar.update(task, completed=end)
        out.write(f"\n{newest.note}".encode())


@log_group.command("keys")
@consent.reads
def keys() -> None:
    """Print the public keys of all epochs, the newest first. An auditor gets them once, in person, and not with the proofs."""
    config.settings()
    found = database.read(checkpoints.vkeys)
    if not found:
        raise click.ClickException(NOTHING_SIGNED)
    click.echo("\n".join(found))


@log_group.command("verifier")
@output_option
@consent.reads
def verifier(output: Path | None) -> None:
    """Write the program that verifies proofs, consistency files and exports offline. It needs Python and `cryptography` alone."""
    with opened(output) as out:
        out.write(Path(verify.__file__).read_bytes())


@log_group.command("new-epoch")
@click.option("--reason", required=True, type=REASON, help="Why. It is recorded.")
@consent.changes
def new_epoch(reason: str, yes: bool) -> None:
    """Begin a new epoch of the log: after the database lost rows that were logged, or with another LOG_SIGNING_KEY.

    The new log takes over the leaves that are there, and names the old origin, size and root."""
    config.settings()
    operators.at_this_terminal()  # A wrong token ends it before anything is asked.
    why = database.read(checkpoints.stopped).because
    consent.ask(
        "Begin a new epoch?",
        f"Nothing is signed now: {why}." if why else "The log is signed now, and nothing asks for a new epoch.",
        "The old log ends with what was signed last. Auditors must be given the new key, and told why.",
        "What the old log proves beyond the leaves that are there is proved by its checkpoints, in the hands of others, alone.",
        yes=yes,
    )
    try:
        with database.begin() as connection:
            origin = checkpoints.begin_epoch(connection)
            audit.record(connection, action="new epoch of the log", subject=f"log {origin}"[: audit.SUBJECT_CHARS_MAX], reason=reason)
    except CannotSign as error:
        raise click.ClickException(f"no epoch can be begun: {error}") from error
    click.echo(f"The log is {origin} now. It is signed within seconds: standing log checkpoint, standing log keys.", err=True)


log_group.add_command(compare)
log_group.add_command(prove)

commands = [log_group]
