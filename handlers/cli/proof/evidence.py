"""`standing evidence`: what is kept about an applicant, for an auditor or a court, with proofs that are verified offline."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, Row

from handlers.cli.proof.log import NOTHING_SIGNED
from handlers.cli.terminal import attempts, privacy
from handlers.cli.terminal.output_file import opened
from handlers.cli.terminal.privacy import data_subject_options
from handlers.cli.terminal.progress import progress_bar
from store import config, database
from store.access import audit, operators
from store.access.operators import Actor
from store.cli.terminal import consent
from store.cli.terminal.options import REASON
from store.privacy.acts import DataSubject
from store.privacy.attempts import TOO_SMALL_RIGHT
from store.privacy.evidence import concerned, pack
from store.privacy.evidence.concerned import Folder, Part
from store.privacy.evidence.pack import Order
from store.proof import checkpoints
from store.text.counts import counted

#: Rows are logged and signed within 2 s, where nothing is wrong.
WAIT_SECONDS, LOOK_SECONDS = 10.0, 0.25


@click.command("evidence")
@data_subject_options
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The zip to write.")
@click.option("--body/--no-body", default=None, help="Whether to open the events' bodies.  [default: with a privacy officer's token]")
@click.option("--reason", type=REASON, help="Why. It is recorded. Needed where bodies are opened.")
@consent.reads
def evidence(subject: DataSubject, output: Path, body: bool | None, reason: str | None) -> None:
    """Write what is kept about an applicant into a zip that is verified offline: VENDOR REFERENCE, or --user ID for all of a user.

    Explanation, history, events, acts, holds and erasures, each with its proof, and the program that verifies them. The audit log records
    who made it. With a privacy officer's token the bodies are opened, and each is recorded."""
    config.settings()
    by = operators.at_this_terminal(officers=True)
    if body and not by.is_officer:
        attempts.record(by, TOO_SMALL_RIGHT)
        raise click.ClickException("only privacy officers may open bodies, by STANDING_TOKEN")
    with_body = by.is_officer and body is not False
    if with_body and not reason:
        raise click.UsageError("say with --reason why you need to see the bodies, or leave them out with --no-body")
    with privacy.answering(), attempts.recorded():
        folders = database.write(lambda connection: _begin(connection, subject, by, reason))
        if not folders:
            raise click.ClickException(f"no such applicant is known in the {subject.environment} environment")
        parts = [part for folder in folders for part in folder.parts]
        order = Order(folders=folders, checkpoint=_wait(parts), by=by, with_body=with_body, reason=reason)
        with opened(output) as out, progress_bar() as bar:
            task = bar.add_task("proving", total=len(parts))
            left_out = pack.write(out, order, beside=output.parent, on_parts=lambda count: bar.advance(task, count))
    for folder in folders:
        click.echo(f"{folder.name}: {folder.about}", err=True)
    for one in left_out:
        click.echo(f"left out: {one.name} of {one.folder}: {one.why}", err=True)
    if left_out:
        raise click.ClickException(
            f"{counted(len(left_out), 'row')} left out, which README.txt names. "
            "The reasons are above; a row that is not logged yet is logged within a few seconds."
        )


def _begin(connection: Connection, subject: DataSubject, by: Actor, reason: str | None) -> list[Folder]:
    """Return what concerns the data subject, and record who asked. What is recorded now is not part of it."""
    folders = concerned.find(connection, subject, is_officer=by.is_officer)
    if folders:
        is_gone = subject.external_user_id is None and folders[0].applicant is None
        # The reference of an applicant that was erased is not written down again.
        named = f"erased applicant of {subject.vendor}" if is_gone else subject.audit_subject
        touched = sum(len(folder.parts) for folder in folders)
        subject_of_act, action = named[: audit.SUBJECT_CHARS_MAX], "evidence pack"
        audit.write(connection, actor=by.name, action=action, subject=subject_of_act, reason=reason, touched=touched, os_user=by.os_user)
    return folders


def _wait(parts: list[Part]) -> Row[Any]:
    """Return the newest checkpoint as soon as it has a leaf of every row, or as it is when the time is over."""
    deadline, lacking = time.monotonic() + WAIT_SECONDS, parts
    while True:
        checkpoint = database.read(checkpoints.newest)
        if checkpoint is not None:
            lacking = database.read(partial(concerned.without_leaf, parts=lacking, size=checkpoint.size))
        if (checkpoint is not None and not lacking) or time.monotonic() > deadline:
            break
        time.sleep(LOOK_SECONDS)
    if checkpoint is None:
        raise click.ClickException(NOTHING_SIGNED)
    return checkpoint


commands = [evidence]
