"""`standing log prove`: one file that proves one row, with what the row was when it was logged."""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy import Connection

from handlers.cli.terminal import attempts
from handlers.cli.terminal.output_file import opened, output_option
from store import config, database
from store.access import audit, operators
from store.applicants.feed import OutOfPlace
from store.cli.terminal import consent
from store.cli.terminal.options import REASON
from store.inbox.sealing.encryption import Unopenable
from store.privacy.attempts import TOO_SMALL_RIGHT
from store.proof.shown import proofs, rows
from store.proof.shown.proofs import Altered, Proof
from store.proof.shown.rows import About, NotLogged


@click.command("prove")
@click.argument("about", type=click.Choice([about.value for about in About]))
@click.argument("name", metavar="ID")
@output_option
@click.option("--body/--no-body", default=None, help="Whether to show the body of an event.  [default: with a privacy officer's token]")
@click.option("--reason", type=REASON, help="Why a body is read. It is recorded.")
@consent.reads
def prove(about: str, name: str, output: Path | None, body: bool | None, reason: str | None) -> None:
    """Prove that a row is in the log, as it is: an event, an act, an erasure or a hold by its id, a change by its cursor, a leaf by its
    number.

    The file holds what was logged. Of an event it shows the facts, and only with a privacy officer's token the body."""
    config.settings()
    is_officer, names = attempts.is_officer(), {f"{about}_id": name}
    if body and not is_officer:
        attempts.record(operators.at_this_terminal(officers=True), TOO_SMALL_RIGHT, names=names)
        raise click.ClickException("only privacy officers may prove a body, by STANDING_TOKEN")
    with_body = is_officer and body is not False

    def work(connection: Connection) -> tuple[Proof, str | None]:
        sought = rows.find(connection, About(about), name)
        if sought is None:
            raise click.ClickException(f"no {about} has this name")
        rows.check_visible(connection, sought, is_officer=is_officer, with_body=bool(body))
        found = proofs.prove(connection, sought, with_body=with_body)
        subject = rows.subject(connection, sought)
        if found.has_body and subject:
            audit.record(connection, action="read a body", subject=subject, reason=reason, touched=1, officers=True)
        return found, subject

    try:
        with attempts.recorded(names=names):
            found, subject = (database.write if with_body else database.read)(work)
    except NotLogged as error:
        raise click.ClickException("this is not logged and signed yet: try again in a few seconds") from error
    except (OutOfPlace, Altered, Unopenable) as error:
        raise click.ClickException(str(error)) from error
    if subject and not found.has_body:
        audit.record_look_up(subject)
    with opened(output) as out:
        out.write(found.text.encode())
