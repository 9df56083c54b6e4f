"""The commands on call: what waits for a review, which approvals turned, and who did what."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from handlers.cli.terminal import output
from handlers.cli.terminal.options import MOMENT, csv_option, environment_option, json_option, limit_option
from handlers.cli.terminal.output import say_if_cut
from store import audit, config, database
from store.applicants import feed
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
    type=click.Choice([*(kind.value for kind in Reversal), "all"]),
    default=Reversal.ADVERSE.value,
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


commands = [review, reversals, audit_group]
