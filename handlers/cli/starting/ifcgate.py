"""`standing ifcgate`: IFCGATE's other actions. Their answers are shown, and not kept."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from handlers import config
from handlers.start import steps
from handlers.start.outcomes import Again, Refused
from store import database
from store.access import audit, operators
from store.cli.terminal import consent
from store.cli.terminal.options import REASON, token_option
from store.text import safe_text
from store.text.states import ApplicantKey

KEY = click.option("--key", help="The Idempotency-Key: the same command with it does nothing twice.  [default: a new one]")


@click.group("ifcgate")
def ifcgate_group() -> None:
    """IFCGATE's other actions: extract a document, route a case."""


@ifcgate_group.command("extract")
@click.argument("template")
@click.argument("url")
@KEY
@click.option("--reason", required=True, type=REASON, help="Why. It is recorded.")
@token_option
@consent.changes
def extract(template: str, url: str, key: str | None, reason: str, token_file: Path | None, yes: bool) -> None:
    """Have IFCGATE read the document at URL by TEMPLATE, and print its answer, which holds personal data."""
    config.settings()
    by = operators.at_this_terminal(token_file)
    consent.ask("Extract it?", "IFCGATE fetches and reads the document. It may cost money.", f"{by.name} asks for it ({reason}).", yes=yes)
    subject = f"template {safe_text.plain(template)}"
    _record(by, "extract a document at ifcgate", subject, reason)
    _print(lambda made: steps.ifcgate().extract(template=template, file_url=url, key=made), key)


@ifcgate_group.command("route")
@click.argument("case_id", metavar="CASE")
@click.option("--queue", required=True, help="Which queue it goes to.")
@click.option("--action", default="route_to_manual_review", show_default=True, help="What is done with it.")
@KEY
@click.option("--reason", required=True, type=REASON, help="Why. It is recorded.")
@token_option
@consent.changes
def route(case_id: str, queue: str, action: str, key: str | None, reason: str, token_file: Path | None, yes: bool) -> None:
    """Have IFCGATE route CASE to a queue, such as that of manual reviews, and print its answer."""
    config.settings()
    by = operators.at_this_terminal(token_file)
    says = f"IFCGATE does {safe_text.plain(action)} with case {safe_text.plain(case_id)}, queue {safe_text.plain(queue)}."
    consent.ask("Do it?", says, f"{by.name} asks for it ({reason}).", yes=yes)
    applicant = ApplicantKey("ifcgate", config.settings().api_environment, case_id)
    _record(by, "route a case at ifcgate", audit.applicant_subject(applicant), reason)
    _print(lambda made: steps.ifcgate().route(case_id=case_id, action=action, queue=queue, key=made), key)


def _record(by: operators.Actor, action: str, subject: str, reason: str) -> None:
    """Record the act before it is done: it may be done although its answer is lost."""
    database.write(
        lambda connection: audit.write(
            connection, actor=by.name, action=action, subject=subject[: audit.SUBJECT_CHARS_MAX], reason=reason, os_user=by.os_user
        )
    )


def _print(act: Callable[[str], bytes], key: str | None) -> None:
    """Print the answer of an act. Raises ClickException with the vendor's words, and the key with which it can be repeated."""
    made = key or uuid.uuid4().hex
    try:
        answer = act(made)
    except steps.NotConfigured as error:
        raise click.ClickException(f"{error}.") from error
    except Refused as refused:
        raise click.ClickException(f"IFCGATE refuses it: {refused.says}") from refused
    except Again as again:
        raise click.ClickException(f"{again.says}. Repeat the command with --key {made}: it is done once.") from again
    click.echo(safe_text.as_json(_parsed(answer)))


def _parsed(answer: bytes) -> Any:
    try:
        return msgspec.json.decode(answer)
    except msgspec.MsgspecError as error:
        raise click.ClickException("IFCGATE's answer is no JSON") from error


commands = [ifcgate_group]
