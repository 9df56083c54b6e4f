"""`standing start`: start verifications at the vendors, and see how far each is."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec
from sqlalchemy import Connection

from handlers import config
from handlers.cli.starting import acts, documents
from handlers.cli.starting.documents import document_option
from handlers.cli.terminal import output
from store import database
from store.access import operators
from store.access.operators import Actor
from store.cli.terminal import consent
from store.cli.terminal.options import REASON, environment_option, json_option, token_option
from store.starts import asking, requests
from store.starts.requests import StartMode, StartStatus
from store.starts.wanted import checks
from store.starts.wanted.checks import VENDORS, Wanted
from store.starts.wanted.person import Person
from store.system import clock
from store.text import safe_text

#: How long a command waits for a worker to do the first step, and how often it looks.
WAIT_SECONDS, LOOK_SECONDS = 20.0, 0.2

#: A file that is read.
FILE = click.Path(path_type=Path, dir_okay=False)

#: States in which nothing more happens before somebody else acts.
SETTLED = (StartStatus.LINKED, StartStatus.WAITING_FOR_DOCUMENTS, StartStatus.SUBMITTED, StartStatus.FAILED, StartStatus.CANCELLED)


@click.group("start")
def start_group() -> None:
    """Start verifications at the vendors. Their verdicts come by webhook."""


def _wanted_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what every verification is asked for with."""
    for option in (
        consent.changes,
        json_option,
        environment_option,
        token_option,
        click.option("--force", is_flag=True, help="Although another of this person is open. Needs --reason."),
        click.option("--reason", type=REASON, help="Why. It is recorded."),
        click.option("--key", help="The Idempotency-Key: the same command with it starts nothing twice.  [default: a new one]"),
        click.option("--person", "person_file", type=FILE, help="A file with what the vendor compares: a JSON object."),
        click.option("--workflow", help="IFCGATE's workflow."),
        click.option("--level", help="IDnGO's level."),
        click.argument("user"),
        click.argument("vendor", type=click.Choice(VENDORS)),
    ):
        command = option(command)
    return command


@start_group.command("hosted")
@_wanted_options
def hosted(vendor: str, user: str, **given: Any) -> None:
    """Start a verification of USER on the pages of VENDOR. It prints where the person is to go."""
    _start(vendor, user, StartMode.HOSTED, [], **given)


@start_group.command("documents")
@document_option
@_wanted_options
def start_documents(vendor: str, user: str, document: tuple[documents.Given, ...], **given: Any) -> None:
    """Start a verification of USER with documents: images that are passed on, or for IFCGATE the addresses from which it fetches them."""
    _start(vendor, user, StartMode.DOCUMENTS, document, **given)


def _start(
    vendor: str,
    user: str,
    mode: StartMode,
    images: documents.AllGiven,
    *,
    level: str | None,
    workflow: str | None,
    person_file: Path | None,
    key: str | None,
    reason: str | None,
    force: bool,
    token_file: Path | None,
    environment: str,
    as_json: bool,
    yes: bool,
) -> None:
    config.settings()
    if force and reason is None:
        raise click.UsageError("--force needs --reason")
    by = operators.at_this_terminal(token_file)
    wanted = Wanted(
        vendor=vendor, mode=mode, external_user_id=user, level=level, workflow=workflow, person=_person(person_file),
        documents=[one.document for one in images], environment=environment, force=force, reason=reason,
    )  # fmt: skip
    documents.refuse(checks.problems(wanted, today=clock.now().date()))
    key = key or uuid.uuid4().hex
    says = f"A verification of user {safe_text.plain(user)} is started at {vendor} ({environment}). It may cost money."
    consent.ask("Start it?", says, f"{by.name} starts it{f' ({reason})' if reason else ''}.", yes=yes)
    files_follow = any(one.file for one in images)
    asked = _ask(wanted, by, key, images_follow=files_follow)
    if asked.answer is None:
        if files_follow and not asked.is_submitted:
            _pass_on(asked.id, images, by)
        database.write(lambda connection: _answered(connection, asked.id))
    output.show(_settled(asked.id), as_json=as_json)
    click.echo(f"The Idempotency-Key was {key}.", err=True)


def _ask(wanted: Wanted, by: Actor, key: str, *, images_follow: bool) -> asking.Asked:
    """Return the verification that is asked for. Raises ClickException."""
    try:
        return database.write(lambda connection: asking.ask(connection, wanted, by=by, key=key, images_follow=images_follow))
    except (asking.AlreadyOpen, asking.KeyReused, asking.UnderWay) as refused:
        raise click.ClickException(f"{refused}.") from refused


def _pass_on(request_id: str, images: documents.AllGiven, by: Actor) -> None:
    """Pass images on. Where that fails, the same command goes on with them. Raises ClickException."""
    try:
        documents.pass_on(request_id, images, by=by)
    except click.ClickException:
        database.write(lambda connection: asking.unanswered(connection, request_id))
        raise


def _answered(connection: Connection, request_id: str) -> None:
    row = requests.find(connection, request_id, lock=True)
    assert row
    asking.answered(connection, row)


def _person(file: Path | None) -> Person | None:
    if file is None:
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=Person)
    except OSError as error:
        raise click.ClickException(f"--person cannot be read ({type(error).__name__})") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise click.ClickException("--person is no JSON object of the fields that docs/starting.md lists") from error


def _settled(request_id: str) -> dict[str, Any]:
    """Return a verification as soon as nothing more happens here, or as it is after a while."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (found := acts.described(request_id))["status"] not in SETTLED:
        if time.monotonic() > deadline:
            click.echo("No worker has done the next step yet: `standing start show` says how far it is.", err=True)
            break
        time.sleep(LOOK_SECONDS)
    return found


for command in acts.commands:
    start_group.add_command(command)

commands = [start_group]
