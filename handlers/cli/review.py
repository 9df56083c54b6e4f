"""The commands for who is on call: what waits for a person, which approvals turned, what failed and why, and who did what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click
from sqlalchemy import Connection

from handlers.cli.terminal import masking, output
from handlers.cli.terminal.options import MOMENT, REASON, ROWS_MAX, csv_option, environment_option, json_option, limit_option
from store import audit, config, database
from store.applicants import feed
from store.inbox import events
from store.inbox import record as inbox
from store.inbox.encryption import Unopenable
from store.operations import review_queue
from store.states import Reversal
from store.system import clock

DAY = timedelta(days=1)


@click.command()
@limit_option
@environment_option
@json_option
@csv_option
def review(as_csv: bool, as_json: bool, environment: str, limit: int) -> None:
    """List what waits for a person, the oldest first: applicants in doubt or with an open alert, failed and unreadable events."""
    config.settings()
    with database.reading() as connection:
        found = [review_queue.describe(one) for one in review_queue.listing(connection, environment=environment, limit=limit)]
    columns = ("since", "what", "vendor", "reference", "status", "why", "event_id")
    output.print_list(found, columns, as_json=as_json, as_csv=as_csv)
    say_if_cut(found, limit, "oldest", "Nothing waits for a person")


@click.command()
@click.option("--since", type=MOMENT, help="Told at this moment or later (RFC 3339).  [default: a day ago]")
@click.option(
    "--kind",
    type=click.Choice([*Reversal, "all"]),
    default=Reversal.ADVERSE,
    show_default=True,
    help="What the change did to the approval.",
)
@limit_option
@environment_option
@json_option
@csv_option
def reversals(as_csv: bool, as_json: bool, environment: str, limit: int, kind: str, since: datetime | None) -> None:
    """List the changes that turned an approval, the oldest first."""
    config.settings()
    kinds = list(Reversal) if kind == "all" else [kind]
    since = since or clock.now() - DAY
    with database.reading() as connection:
        epoch, _ = feed.position(connection, None)
        rows = feed.reversals(connection, environment=environment, kinds=kinds, since=since, limit=limit)
    found = [feed.describe_entry(row, epoch) for row in rows]
    columns = ("at", "vendor", "reference", "from", "to", "reversal", "reasons", "event_id")
    output.print_list(found, columns, as_json=as_json, as_csv=as_csv)
    say_if_cut(found, limit, "oldest", f"No approval turned since {clock.rfc3339(since)}")


# dead letters -------------------------------------------------------------------------------------------------


@click.group("failed")
def failed_group() -> None:
    """What could not be handled: the dead letters."""


@failed_group.command("list")
@environment_option
@json_option
def list_failed(as_json: bool, environment: str) -> None:
    """List dead letters by vendor, type and error, the largest group first."""
    config.settings()
    with database.reading() as connection:
        found = events.failed_groups(connection, environment=environment)
    columns = ("count", "vendor", "event_type", "first_seen", "last_seen", "reason", "example")
    output.print_list(found, columns, as_json=as_json)
    if not found:
        click.echo("Nothing has failed (--sandbox looks into the sandbox).", err=True)


@failed_group.command("show")
@click.argument("event_id", metavar="ID")
@click.option("--reveal", is_flag=True, help="Show personal data, too. It is recorded who did, and why: give --reason.")
@click.option("--reason", type=REASON, help="Why you need to see it.")
@json_option
def show_failed(as_json: bool, reason: str | None, reveal: bool, event_id: str) -> None:
    """Show an event with its body. Personal data is masked unless you ask to see it. That you read it is recorded."""
    config.settings()
    if reveal and not reason:
        raise click.UsageError("say with --reason why you need to see personal data")
    with database.begin() as connection:
        found = events.find(connection, event_id) if inbox.EVENT_ID.fullmatch(event_id) else None
        if found is None:
            raise click.ClickException(f"no event has the id {event_id}")
        action = "revealed a body" if reveal else "read a body, masked"
        audit.write(connection, actor=audit.user(), action=action, subject=f"event {found['id']}", reason=reason, touched=1)
        body = _body(connection, found["id"], reveal)
    if as_json:
        output.print_json([found | {"body": body}])
    else:
        output.print_fields(found)
        output.print_text(body)


def _body(connection: Connection, event_id: str, reveal: bool) -> str:
    try:
        return masking.readable(events.body(connection, event_id) or b"", reveal=reveal)
    except Unopenable as unopenable:
        raise click.ClickException(str(unopenable)) from unopenable


# the record ---------------------------------------------------------------------------------------------------


@click.group("audit")
def audit_group() -> None:
    """What persons with a right did."""


@audit_group.command("list")
@click.option("--actor", help="A token's name, or a user's of this command line.")
@click.option("--action", help='What was done, such as "read a body".')
@click.option("--since", type=MOMENT, help="Done at this moment or later (RFC 3339).")
@limit_option
@json_option
@csv_option
def list_acts(as_csv: bool, as_json: bool, limit: int, **wanted: Any) -> None:
    """List who did what, when, why, and to how many, the last first."""
    config.settings()
    with database.reading() as connection:
        found = [audit.describe(row) for row in audit.listing(connection, **wanted, newest_first=True, limit=limit)]
    output.print_list(found, ("at", "actor", "action", "subject", "reason", "touched"), as_json=as_json, as_csv=as_csv)
    say_if_cut(found, limit, "newest", "Nobody did anything that is recorded")


def say_if_cut(found: list[dict[str, Any]], limit: int, which: str, none: str) -> None:
    """Say on standard error that there may be more, or that there is nothing."""
    if len(found) == limit:
        click.echo(f"These are the {which} {limit}; there may be more (--limit, up to {ROWS_MAX}; the API pages through all).", err=True)
    elif not found:
        click.echo(f"{none} (--sandbox looks into the sandbox).", err=True)


commands = [review, reversals, failed_group, audit_group]
