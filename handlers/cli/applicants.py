"""`standing applicants`: the current state of applicants, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
from sqlalchemy import Connection

from handlers import config
from handlers.cli.terminal import attempts, output
from store import database
from store.access import audit
from store.applicants import explanations, feed, history, users, visibility
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.cli.terminal import consent, tables
from store.cli.terminal.lists import Listing, limit_option, list_options, say_cut
from store.cli.terminal.options import MOMENT_AT, PERIOD, ROWS_MAX, environment_option, json_option
from store.inbox import events
from store.privacy import shown
from store.system import clock
from store.text.states import HITS, ApplicantKey, Status


@click.group("applicants")
def applicants_group() -> None:
    """Applicants: state, history, explanation."""


@applicants_group.command("list")
@click.option("--vendor", help="Of one vendor.")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Where they stand.")
@click.option("--hit", type=click.Choice(HITS), help="What their latest verdict or an open alert names.")
@click.option("--user", "external_user_id", help="Your own id of the person.")
@click.option("--expiring", type=PERIOD, help="Whose document runs out within this time, or ran out, such as 30d (KEEP_EXPIRY).")
@list_options(since="Changed")
@consent.reads
def list_applicants(listing: Listing, environment: str, expiring: timedelta | None, **wanted: Any) -> None:
    """List applicants, the last changed first."""
    wanted |= {"expiring_by": clock.day_in(expiring) if expiring else None, "environment": environment}
    config.settings()
    with database.reading() as connection:
        rows = applicants.listing(connection, **wanted, newest_first=True, limit=listing.fetched)
        found = shown.describe_all(connection, rows)
    if found:
        audit.record_look_up(audit.list_subject("applicants", wanted))
    columns = ("updated_at", "vendor", "reference", "external_user_id", "status", "hits", "flags", "reasons", "document_expires_on")
    listing.show(
        found, columns, environment=environment, as_lines=output.print_applicants, what="applicant", order="newest", call="/v1/applicants"
    )


def _about(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name an applicant or a user, and a time."""
    for option in (
        json_option,
        environment_option,
        click.option("--at", type=MOMENT_AT, help="As this service knew it at that moment (RFC 3339), or at the end of that day."),
        click.option("--user", "external_user_id", help="All applicants of a person, by your own id."),
        click.argument("reference", required=False),
        click.argument("vendor", required=False),
    ):
        command = option(command)
    return command


@applicants_group.command("show")
@_about
@consent.reads
def show_applicant(at: datetime | None, as_json: bool, **named: Any) -> None:
    """Show an applicant's state and history: VENDOR REFERENCE, or --user ID for all of a person's."""
    config.settings()
    with attempts.recorded(), database.reading() as connection:
        known = [(one.key, told) for one in _named(connection, **named) if (told := shown.as_known(connection, one, at)) is not None]
    _refuse_none(known, at, named["environment"])
    _record_look_up(**named)
    for key, told in known:
        _show(key, told, at, as_json)


@applicants_group.command("explain")
@_about
@limit_option()
@consent.reads
def explain_applicant(at: datetime | None, as_json: bool, limit: int, **named: Any) -> None:
    """Show why an applicant has its status: the newest events in the vendor's order, each with its outcome. VENDOR REFERENCE, or --user
    ID."""
    config.settings()
    with attempts.recorded(), database.reading() as connection:
        explained = [_explained(connection, one, at, limit + 1) for one in _named(connection, **named)]
    told = [one for one in explained if one is not None]
    found = [one | {"data": one["data"][-limit:]} for one in told]
    _refuse_none(found, at, named["environment"])
    _record_look_up(**named)
    if as_json:
        tables.print_json(found)
    else:
        _say_when(at)
        for one in found:
            output.print_explanation(one)
    if any(len(one["data"]) > limit for one in told):
        say_cut(limit, "newest", "/v1/applicants/VENDOR/REFERENCE/explanation")


def _explained(connection: Connection, one: Applicant, at: datetime | None, limit: int) -> dict[str, Any] | None:
    found = shown.explain(connection, one, at)
    if found is None:
        return None
    events_of_one = explanations.events(connection, one.key, at=at, newest=True, limit=limit)
    return found | {"data": [explanations.describe(row) for row in events_of_one]}


def _named(
    connection: Connection, *, vendor: str | None, reference: str | None, external_user_id: str | None, environment: str
) -> list[Applicant]:
    """Return the applicant that is named, if it is known, or all of a person. Raises Hidden."""
    if bool(vendor and reference) == bool(external_user_id) or (external_user_id and vendor):
        raise click.UsageError("give VENDOR REFERENCE, or --user ID")
    if external_user_id:
        return users.applicants_of(connection, external_user_id, environment=environment, limit=ROWS_MAX)
    key = ApplicantKey(str(vendor), environment, str(reference))
    found = visibility.find(connection, key, is_officer=attempts.is_officer())
    return [found] if found else []


def _record_look_up(*, vendor: str | None, reference: str | None, external_user_id: str | None, environment: str) -> None:
    if external_user_id:
        audit.record_look_up(audit.user_subject(external_user_id))
    else:
        audit.record_look_up(audit.applicant_subject(ApplicantKey(str(vendor), environment, str(reference))))


def _refuse_none(found: Sequence[object], at: datetime | None, environment: str) -> None:
    if not found:
        when = f" at {clock.rfc3339(at)}" if at else ""
        raise click.ClickException(f"no such applicant is known in the {environment} environment{when}")


def _say_when(at: datetime | None) -> None:
    if at:
        click.echo(f"As this service knew it at {clock.rfc3339(at)}:")


def _show(key: ApplicantKey, told: dict[str, Any], at: datetime | None, as_json: bool) -> None:
    with database.reading() as connection:
        rows = [row for row in history.of(connection, key, limit=ROWS_MAX) if at is None or row.at <= at]
        changes = [feed.describe_in_history(row) for row in rows]
        whys = {row.event_id: (events.find(connection, row.event_id) or {}).get("reason", "") for row in rows if row.event_id}
    if as_json:
        tables.print_json([told | {"history": changes}])
        return
    _say_when(at)
    output.print_applicant(told, changes, whys)


commands = [applicants_group]
