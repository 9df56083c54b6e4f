"""The commands that read and repair."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click

from handlers import config, process
from handlers.cli import decisions, exports, imports, notify, reconcile, replay, review
from handlers.cli.terminal import output
from handlers.cli.terminal.options import CHANGES_MAX, MOMENT, ROWS_MAX, environment_option, json_option, limit_option
from store import database
from store.applicants import explanations, feed, history
from store.applicants import table as applicants
from store.applicants.table import Key
from store.inbox import events
from store.inbox import record as inbox
from store.states import HITS, Outcome, Status
from store.system import clock


@click.command()
def worker() -> None:
    """Run a worker: it handles what is kept, whether the bell rings or not."""
    from handlers.worker import rq_worker
    from store.database import starting
    from store.system import logs

    logs.configure()
    starting.look()
    rq_worker.run()


@click.command()
@json_option
def process_pending(as_json: bool) -> None:
    """Handle what is pending in this process, without Redis. What this host has spooled is brought in first."""
    config.settings()
    inbox.take_in_spooled()
    token, handled = process.new_token(), 0
    while count := process.handle_some(token):
        handled += count
    output.print_json([{"handled": handled}]) if as_json else click.echo(f"Handled {handled} events.")


def is_event_id(text: str) -> bool:
    return inbox.EVENT_ID.fullmatch(text) is not None


@click.command()
@click.option("--check", "apply", flag_value=False, default=False, help="Only compare (the default): exit status 1 if anything differs.")
@click.option("--apply", "apply", flag_value=True, help="Mend what differs, while the service runs; each change is told.")
@click.option("--max-changes", type=CHANGES_MAX, default=100, show_default=True, help="Mend nothing if more would change.")
@json_option
def rebuild(apply: bool, max_changes: int, as_json: bool) -> None:
    """Derive every applicant anew from the kept events, and compare: who would change, and from where to where."""
    from handlers.cli import rebuild as rebuilding

    config.settings()
    sys.exit(rebuilding.run(apply=apply, max_changes=max_changes, as_json=as_json))


# applicants ---------------------------------------------------------------------------------------------------


@click.group("applicants")
def applicants_group() -> None:
    """Where applicants stand."""


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
    review.say_if_cut(found, limit, "newest", "Nothing is found")


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
            keys = [applicant.key for applicant in applicants.of_user(connection, external_user_id, environment=environment)]
        else:
            keys = [Key(str(vendor), environment, str(reference))]
        known = [(key, told) for key in keys if (told := history.as_known(connection, key, at)) is not None]
    if not known:
        when = f" at {clock.rfc3339(at)}" if at else ""
        raise click.ClickException(f"no such applicant is known in the {environment} environment{when}")
    for key, told in known:
        _show(key, told, at, as_json)


def _show(key: Key, told: dict[str, Any], at: datetime | None, as_json: bool) -> None:
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
@environment_option
@json_option
def explain_applicant(vendor: str, reference: str, environment: str, as_json: bool) -> None:
    """Say why an applicant stands where it stands: all that was said of it, in the vendor's order, and what became of that."""
    config.settings()
    with database.reading() as connection:
        found = explanations.explain(connection, Key(vendor, environment, reference))
    if found is None:
        raise click.ClickException(f"no such applicant is known in the {environment} environment")
    output.print_json([found]) if as_json else output.print_explanation(found)


# events -------------------------------------------------------------------------------------------------------


@click.group("events")
def events_group() -> None:
    """What the vendors sent."""


@events_group.command("list")
@click.option("--vendor", help="Of one vendor.")
@click.option("--status", type=click.Choice([outcome.value for outcome in Outcome]), help="How they ended.")
@click.option("--reference", help="Which applicant they named.")
@limit_option
@environment_option
@json_option
def list_events(as_json: bool, limit: int, **wanted: Any) -> None:
    """List events, the last received first."""
    config.settings()
    with database.reading() as connection:
        found = [events.describe(row) for row in events.listing(connection, **wanted, newest_first=True, limit=limit)]
    output.print_json(found) if as_json else output.print_events(found)
    review.say_if_cut(found, limit, "newest", "Nothing is found")


@events_group.command("show")
@click.argument("event_id", metavar="ID")
@json_option
def show_event(event_id: str, as_json: bool) -> None:
    """Show an event, without its body."""
    config.settings()
    with database.reading() as connection:
        found = events.find(connection, event_id) if is_event_id(event_id) else None
    if found is None:
        raise click.ClickException(f"no event has the id {event_id}")
    output.print_json([found]) if as_json else output.print_fields(found)


commands = [
    rq_worker,
    process_pending,
    rebuild,
    applicants_group,
    events_group,
    *decisions.commands,
    *review.commands,
    *replay.commands,
    *notify.commands,
    *reconcile.commands,
    *imports.commands,
    *exports.commands,
]
