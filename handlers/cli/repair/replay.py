"""`standing replay` and `standing replays`: dry run, run and resume the handling of events again."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any

import click
from sqlalchemy import Row

from handlers import config
from handlers.cli.terminal import differences, output
from handlers.cli.terminal.progress import progress_bar
from handlers.replay import execute, forecast
from store import database
from store.access import audit, operators
from store.cli.terminal import consent, tables
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import CHANGES_MAX, MOMENT, REASON, Rate, environment_option, json_option
from store.operations import replays
from store.operations.replays import ReplayFilter, Stage
from store.text.counts import counted
from store.text.names import EVENT_ID
from store.text.states import Outcome

rate_option = click.option("--rate", type=Rate(replays.PER_SECOND_MIN, replays.PER_SECOND_MAX), help="At most so many events a second.")

UNRESOLVED = "unreadable events or dead letters"

NOT_PENDING = [outcome.value for outcome in Outcome if outcome != Outcome.PENDING]


@click.command()
@click.argument("event_ids", nargs=-1, metavar="[ID…]")
@click.option("--failed", "outcome", flag_value=Outcome.FAILED.value, help="Dead letters: short for --outcome failed.")
@click.option("--outcome", type=click.Choice(NOT_PENDING), help="How they ended.")
@click.option("--vendor", help="Of one vendor.")
@click.option("--type", "event_type", help="Of one type, in the vendor's word.")
@click.option("--reference", help="Which applicant they named.")
@click.option("--user", "external_user_id", help="Whose applicants they named: your own id of the person.")
@click.option("--from", "received_from", type=MOMENT, help="Received at this moment or later (RFC 3339).")
@click.option("--to", "received_to", type=MOMENT, help="Received before this moment.")
@click.option("--error", help="A part of the reason with which they ended, such as `KeyError`.")
@environment_option
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@click.option("--reason", type=REASON, help="Why. It is recorded.")
@click.option("--max-changes", type=CHANGES_MAX, default=100, show_default=True, help="Stop before more applicants than that are changed.")
@rate_option
@json_option
@consent.changes
def replay(
    event_ids: tuple[str, ...],
    dry_run: bool,
    reason: str | None,
    yes: bool,
    max_changes: int,
    rate: float | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Handle events again (reprocess): by id, or all that match a filter. The applicants that they named, or name, are derived from
    scratch.

    Prints first what that would do, and asks. Live traffic goes first. Exit status 1 if it stopped, an event could not be handled, or
    nothing improved."""
    config.settings()
    wanted = _wanted(event_ids, filters)
    if not dry_run and not reason:
        raise click.UsageError("say with --reason why (or only look, with --dry-run)")
    count = _say_what_it_would_do(wanted, as_json)
    if dry_run or not count:
        return
    consent.ask(f"Handle {counted(count, 'event')} again?", yes=yes)
    replay_id = execute.begin(wanted, by=operators.at_this_terminal(), reason=str(reason), changes_max=max_changes)
    _run(replay_id, rate, as_json)


def _wanted(event_ids: tuple[str, ...], filters: dict[str, Any]) -> ReplayFilter:
    given = {name: value for name, value in filters.items() if value is not None and name != "environment"}
    if bool(event_ids) == bool(given):
        raise click.UsageError("name events by their ids, or by a filter such as --failed")
    if not event_ids:
        return ReplayFilter(**filters)
    with database.reading() as connection:
        for event_id in event_ids:
            found = replays.environment_of(connection, event_id) if EVENT_ID.fullmatch(event_id) else None
            if found is None:
                raise click.ClickException(f"no event has the id {event_id}")
            filters["environment"] = found
    return ReplayFilter(ids=list(event_ids), environment=filters["environment"])


def _say_what_it_would_do(wanted: ReplayFilter, as_json: bool) -> int:
    """Print every applicant that would change; return how many events match."""
    with database.reading() as connection:
        count = replays.count(connection, wanted)
    with progress_bar() as bar:
        task = bar.add_task("deriving what it would do", total=count)
        found = forecast.would_do(wanted, on_events=lambda done: bar.advance(task, done))
    differences.show(found.differences, as_json=as_json, none="No applicant would change.", many="would change")
    differences.tell_failing(found.failing)
    unresolved = counted(found.unresolved, "unreadable event or dead letter", UNRESOLVED)
    repaired = f" Among them: {unresolved}, of which {found.repaired} would become readable." if found.unresolved else ""
    click.echo(f"{counted(count, 'event')} would be handled again.{repaired}", err=True)
    return count


def _run(replay_id: str, rate: float | None, as_json: bool) -> None:
    """Run a replay to its end, or until it is stopped, and end with its exit status."""
    with database.reading() as connection:
        row = replays.find(connection, replay_id)
    assert row is not None
    try:
        with progress_bar() as bar:
            task = bar.add_task("handling again", total=row.events, completed=row.done)
            stage = execute.run(
                replay_id,
                per_second=rate,
                on_events=lambda done: bar.update(task, advance=done, description="handling again"),
                on_wait=lambda: bar.update(task, description="live traffic goes first"),
            )
    except KeyboardInterrupt:
        click.echo(f"Interrupted. Go on with: standing replays resume {replay_id}", err=True)
        sys.exit(1)
    with database.reading() as connection:
        row = replays.find(connection, replay_id)
        assert row is not None
        found = replays.describe(connection, row)
    if as_json:
        tables.print_json([found])
    click.echo(_said(stage, row), err=True)
    improved = row.repaired or row.changed or not row.unresolved
    sys.exit(0 if stage == Stage.DONE and not row.failed and improved else 1)


def _said(stage: Stage, row: Row[Any]) -> str:
    failed = f"; {counted(row.failed, 'event')} failed again" if row.failed else ""
    before = counted(row.unresolved, "unreadable event or dead letter", UNRESOLVED)
    repaired = f"; repaired {row.repaired} of {before}" if row.unresolved else ""
    did = f"Handled {counted(row.done, 'event')} again; {counted(row.changed, 'applicant')} changed{repaired}{failed}."
    if stage == Stage.STOPPED:
        return f"{did} Stopped: more than {row.changes_max} would change (standing replays resume {row.id} --max-changes N)."
    return did if stage == Stage.DONE else f"{did} It was {stage}."


# those that were begun ----------------------------------------------------------------------------------------


@click.group("replays")
def replays_group() -> None:
    """Replays and their progress."""


@replays_group.command("list")
@list_options(since="Begun")
@consent.reads
def list_replays(listing: Listing, environment: str, since: datetime | None) -> None:
    """List replays, the last begun first."""
    config.settings()
    with database.reading() as connection:
        rows = replays.listing(connection, environment=environment, since=since, limit=listing.fetched)
        found = [replays.describe(connection, row) for row in rows]
    columns = ("at", "id", "actor", "status", "done", "events", "changed", "reason")
    listing.show(found, columns, what="replay", order="newest", environment=environment)


@replays_group.command("show")
@click.argument("replay_id", metavar="ID")
@json_option
@consent.reads
def show_replay(as_json: bool, replay_id: str) -> None:
    """Show a replay: which events, why, and its progress."""
    config.settings()
    row = _find(replay_id)
    found = database.read(lambda connection: replays.describe(connection, row))
    output.show(found, as_json=as_json)


@replays_group.command("resume")
@click.argument("replay_id", metavar="ID")
@click.option("--max-changes", type=CHANGES_MAX, help="Allow so many applicants to change, in all.  [default: as before]")
@rate_option
@json_option
@consent.changes
def resume(as_json: bool, rate: float | None, max_changes: int | None, replay_id: str, yes: bool) -> None:
    """Resume a replay that was interrupted or stopped."""
    config.settings()
    row = _find(replay_id)
    if row.status not in replays.RESUMABLE:
        raise click.ClickException(f"it is {row.status}")
    most = row.changes_max if max_changes is None else max_changes
    consent.ask("Resume it?", f"{row.events - row.done} events are still to be handled again; at most {most} applicants change.", yes=yes)
    with database.begin() as connection:
        more = {"changes_max": max_changes} if max_changes is not None else {}
        replays.set_stage(connection, replay_id, Stage.INTERRUPTED, runner=None, **more)
        audit.record(connection, action="resume", subject=f"replay {replay_id}")
    _run(replay_id, rate, as_json)


@replays_group.command("cancel")
@click.argument("replay_id", metavar="ID")
@consent.changes
def cancel(replay_id: str, yes: bool) -> None:
    """End a replay for good, wherever it runs. What it did is not undone."""
    config.settings()
    row = _find(replay_id)
    if row.status not in replays.OPEN:
        raise click.ClickException(f"it is {row.status}")
    consent.ask("Cancel it?", f"It ends for good, with {row.events - row.done} events not handled again.", yes=yes)
    with database.begin() as connection:
        replays.set_stage(connection, replay_id, Stage.CANCELLED)
        audit.record(connection, action="cancel", subject=f"replay {replay_id}")
    click.echo(f"Cancelled; {row.done} of {counted(row.events, 'event')} had been handled again.", err=True)


def _find(replay_id: str) -> Any:
    with database.reading() as connection:
        row = replays.find(connection, replay_id) if EVENT_ID.fullmatch(replay_id) else None
    if row is None:
        raise click.ClickException(f"no replay has the id {replay_id}")
    return row


commands = [replay, replays_group]
