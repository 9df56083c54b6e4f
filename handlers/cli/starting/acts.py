"""`standing start list`, `show`, and what somebody does about a started verification."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, Row

from handlers import config
from handlers.cli.starting import documents
from handlers.cli.starting.documents import document_option
from handlers.cli.terminal import attempts, output
from store import database
from store.access import audit, operators
from store.cli.terminal import consent
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import REASON, json_option, token_option
from store.starts import acting, asking, requests
from store.starts.requests import StartStatus
from store.starts.wanted import document_checks
from store.starts.wanted.checks import VENDORS
from store.text import safe_text
from store.text.names import EVENT_ID


@click.command("list")
@click.option("--vendor", type=click.Choice(VENDORS), help="Of one vendor.")
@click.option("--user", "external_user_id", help="Your own id of the person.")
@click.option("--failed", "status", flag_value=StartStatus.FAILED.value, help="Those that were given up.")
@list_options(since="Asked for")
@consent.reads
def list_starts(listing: Listing, environment: str, since: datetime | None, **wanted: Any) -> None:
    """List verifications that were started here, the newest first."""
    config.settings()

    def read(connection: Connection) -> list[dict[str, Any]]:
        rows = requests.listing(connection, environment=environment, since=since, **wanted, newest_first=True, limit=listing.fetched)
        return [requests.summary(row) | {"why": row.failure["says"] if row.failure else None} for row in rows]

    found = database.read(read)
    if found:
        audit.record_look_up(audit.list_subject("verifications", wanted))
    columns = ("requested_at", "id", "vendor", "external_user_id", "mode", "status", "reference", "requested_by", "why")
    listing.show(found, columns, what="verification", order="newest", environment=environment, call="/v1/verifications")


@click.command("show")
@click.argument("verification_id", metavar="ID")
@json_option
@consent.reads
def show(verification_id: str, as_json: bool) -> None:
    """Show a verification, how far it is, and where the person is to go."""
    config.settings()
    found = described(verification_id)
    audit.record_look_up(audit.user_subject(found["external_user_id"]))
    output.show(found, as_json=as_json)


def _act_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        consent.changes,
        json_option,
        token_option,
        click.option("--reason", type=REASON, help="Why. It is recorded."),
        click.argument("verification_id", metavar="ID"),
    ):
        command = option(command)
    return command


@click.command("retry")
@_act_options
def retry(**given: Any) -> None:
    """Try a verification again that failed, or at once one that waits. Where a vendor's answer was lost, it may cost money again."""
    _act(acting.retry, "Try it again?", "tries it again", **given)


@click.command("submit")
@_act_options
def submit(**given: Any) -> None:
    """Have IDnGO asked for a verdict with the documents that it has."""
    _act(acting.submit, "Submit it?", "has IDnGO asked for a verdict", **given)


@click.command("cancel")
@_act_options
def cancel(**given: Any) -> None:
    """Call a verification off, or set one aside that failed. The vendor keeps what it has, and its verdict still counts."""
    _act(acting.cancel, "Call it off?", "calls it off", **given)


@click.command("send")
@document_option
@_act_options
def send(
    verification_id: str, document: tuple[documents.Given, ...], token_file: Path | None, reason: str | None, as_json: bool, yes: bool
) -> None:
    """Send images that a vendor waits for, or asks for again. What is there already is not sent twice."""
    config.settings()
    by = operators.at_this_terminal(token_file)
    found = described(verification_id)
    documents.refuse(document_checks.problems([one.document for one in document], vendor=found["vendor"], mode=found["mode"]))
    consent.ask("Send them?", _about(found), f"{by.name} sends {len(document)} of them{f' ({reason})' if reason else ''}.", yes=yes)
    documents.pass_on(found["id"], document, by=by, reason=reason)
    output.show(described(verification_id), as_json=as_json)


def _act(
    act: Callable[..., None],
    question: str,
    does: str,
    *,
    verification_id: str,
    token_file: Path | None,
    reason: str | None,
    as_json: bool,
    yes: bool,
) -> None:
    config.settings()
    by = operators.at_this_terminal(token_file)
    found = described(verification_id)
    consent.ask(question, _about(found), f"{by.name} {does}{f' ({reason})' if reason else ''}.", yes=yes)
    try:
        database.write(lambda connection: act(connection, _row(connection, verification_id, lock=True), by=by, reason=reason))
    except (acting.WrongState, asking.AlreadyOpen) as refused:
        raise click.ClickException(f"{refused}.") from refused
    output.show(described(verification_id), as_json=as_json)


def _about(found: dict[str, Any]) -> str:
    user = safe_text.plain(found["external_user_id"])
    return f"Verification {found['id']} of user {user} at {found['vendor']} ({found['environment']}) is {found['status']}."


def described(request_id: str) -> dict[str, Any]:
    """Return a verification as it is shown. Raises ClickException where there is none, or it is hidden."""
    return database.read(lambda connection: requests.describe(connection, _row(connection, request_id)))


def _row(connection: Connection, request_id: str, *, lock: bool = False) -> Row[Any]:
    """Return a verification's row. Raises ClickException where there is none, or it is hidden."""
    row = requests.find(connection, request_id, lock=lock) if EVENT_ID.fullmatch(request_id) else None
    if row is None:
        raise click.ClickException("no verification has this id")
    with attempts.recorded(environment=row.environment):
        requests.refuse_restricted(connection, row, is_officer=attempts.is_officer())
    return row


commands = [list_starts, show, retry, submit, cancel, send]
