"""`standing applicants`: the current state of applicants, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from handlers import config
from handlers.cli.terminal import output
from handlers.cli.terminal.options import MOMENT, ROWS_MAX, environment_option, json_option, limit_option
from store import database
from store.applicants import explanations, feed, history, users
from store.applicants import table as applicants
from store.inbox import events
from store.states import HITS, ApplicantKey, Status
from store.system import clock


@click.group("applicants")
def applicants_group() -> None:
    """Applicants: state, history, explanation."""


@applicants_group.command("list")
@click.option("--vendor", help="Of one vendor.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Where they stand.")
@click.option("--hit", type=click.Choice(HITS), help="What their latest verdict or an open alert names.")
@click.option("--user", "external_user_id", help="Your own id of the person.")
@limit_option
@environment_option
@json_option
def list_applicants(as_json: bool, limit: int, **wanted: Any) -> None:
    """List applicants, the last changed first."""
    config.settings()
    with database.reading() as connection:
        found = [applicants.describe(row) for row in applicants.listing(connection, **wanted, newest_first=True, limit=limit)]
    output.print_json(found) if as_json else output.print_applicants(found)
    output.say_if_cut(found, limit, "newest", "Nothing is found")


@applicants_group.command("show")
@click.argument("vendor", required=False)
@click.argument("reference", required=False)
@click.option("--user", "external_user_id", help="All applicants of a person, by your own id.")
@click.option("--at", type=MOMENT, help="As this service knew it at that moment (RFC 3339).")
@environment_option
@json_option
def show_applicant(
    vendor: str | None, reference: str | None, external_user_id: str | None, at: datetime | None, environment: str, as_json: bool
) -> None:
    """Show an applicant's state and history: VENDOR REFERENCE, or --user ID for all of a person's."""
    config.settings()
    if bool(vendor and reference) == bool(external_user_id):
        raise click.UsageError("give VENDOR REFERENCE, or --user ID")
    with database.reading() as connection:
        if external_user_id:
            rows = users.applicants_of(connection, external_user_id, environment=environment, limit=ROWS_MAX)
            keys = [applicant.key for applicant in rows]
        else:
            keys = [ApplicantKey(str(vendor), environment, str(reference))]
        known = [(key, told) for key in keys if (told := history.as_known(connection, key, at)) is not None]
    if not known:
        when = f" at {clock.rfc3339(at)}" if at else ""
        raise click.ClickException(f"no such applicant is known in the {environment} environment{when}")
    for key, told in known:
        _show(key, told, at, as_json)


def _show(key: ApplicantKey, told: dict[str, Any], at: datetime | None, as_json: bool) -> None:
    with database.reading() as connection:
        rows = [row for row in history.of(connection, key, limit=ROWS_MAX) if at is None or row.at <= at]
        changes = [feed.describe_change(row) for row in rows]
        whys = {row.event_id: (events.find(connection, row.event_id) or {}).get("reason", "") for row in rows if row.event_id}
    if as_json:
        output.print_json([told | {"history": changes}])
        return
    if at:
        click.echo(f"As this service knew it at {clock.rfc3339(at)}:")
    output.print_applicant(told, changes, whys)


@applicants_group.command("explain")
@click.argument("vendor")
@click.argument("reference")
@limit_option
@environment_option
@json_option
def explain_applicant(vendor: str, reference: str, environment: str, limit: int, as_json: bool) -> None:
    """Show why an applicant has its status: the newest events in the vendor's order, each with its outcome."""
    config.settings()
    key = ApplicantKey(vendor, environment, reference)
    with database.reading() as connection:
        found = explanations.explain(connection, key)
        rows = explanations.events(connection, key, newest=True, limit=limit)
    if found is None:
        raise click.ClickException(f"no such applicant is known in the {environment} environment")
    told = found | {"data": [explanations.describe(row) for row in rows]}
    output.print_json([told]) if as_json else output.print_explanation(told)
    output.say_if_cut(rows, limit, "newest", "No event named it")


commands = [applicants_group]
