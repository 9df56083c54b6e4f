"""`standing events` and `standing failed`: what the vendors sent, and the dead letters."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import Connection

from handlers.cli.terminal import attempts, output
from handlers.vendors import VENDORS
from store import config, database
from store.access import audit
from store.applicants import visibility
from store.cli.terminal import consent, tables
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import REASON, json_option
from store.inbox import events
from store.inbox.sealing.encryption import Unopenable
from store.text import masking
from store.text.counts import counted
from store.text.names import EVENT_ID
from store.text.states import Outcome


def is_event_id(text: str) -> bool:
    return EVENT_ID.fullmatch(text) is not None


@click.group("events")
def events_group() -> None:
    """What the vendors sent."""


@events_group.command("list")
@click.option("--vendor", help="Of one vendor.")
@click.option("--status", type=click.Choice([outcome.value for outcome in Outcome]), help="How they ended.")
@click.option("--reference", help="Which applicant they named.")
@list_options(since="Received")
@consent.reads
def list_events(listing: Listing, environment: str, **wanted: Any) -> None:
    """List events, the last received first."""
    config.settings()
    wanted["environment"] = environment
    given: dict[str, Any] = {"newest_first": True, "with_restricted": attempts.is_officer(), "limit": listing.fetched}
    with database.reading() as connection:
        found = [events.describe(row) for row in events.listing(connection, vendors=tuple(VENDORS), **wanted, **given)]
    if found:
        audit.record_look_up(audit.list_subject("events", wanted))
    columns = ("received_at", "vendor", "event_type", "reference", "status", "reason", "occurred_at", "deliveries", "id")
    listing.show(found, columns, environment=environment, as_lines=output.print_events, what="event", order="newest", call="/v1/events")


_reveal_option = click.option("--reveal", is_flag=True, help="Show personal data, too. It is recorded who did, and why: give --reason.")
_reason_option = click.option("--reason", type=REASON, help="Why you need to see it.")


@events_group.command("show")
@click.argument("event_id", metavar="ID")
@click.option("--body", "with_body", is_flag=True, help="With its body, in the vendor's own words. It is recorded that you read it.")
@_reveal_option
@_reason_option
@json_option
@consent.reads
def show_event(event_id: str, with_body: bool, reveal: bool, reason: str | None, as_json: bool) -> None:
    """Show an event; with --body what the vendor sent. Personal data and comments are masked unless you ask to see them."""
    config.settings()
    if with_body:
        _show_with_body(event_id, reveal=reveal, reason=reason, as_json=as_json)
        return
    if reveal or reason:
        raise click.UsageError("--reveal and --reason go with --body")
    with attempts.recorded():
        found = database.read(lambda connection: _find(connection, event_id))
    audit.record_look_up(audit.event_subject(found["id"]))
    output.show(found, as_json=as_json)


def _find(connection: Connection, event_id: str, *, with_body: bool = False) -> dict[str, Any]:
    """Return an event. Raises Hidden."""
    is_officer = attempts.is_officer()
    found = visibility.find_event(connection, event_id, is_officer=is_officer, with_body=with_body) if is_event_id(event_id) else None
    if found is None:
        raise click.ClickException(f"no event has the id {event_id}")
    return found


@events_group.command("dismiss")
@click.argument("event_ids", nargs=-1, required=True, metavar="ID…")
@click.option("--reason", type=REASON, required=True, help="Why nothing is to be done. It is recorded.")
@consent.changes
def dismiss(event_ids: tuple[str, ...], reason: str, yes: bool) -> None:
    """Have unreadable events, or dead letters, listed no longer as ones to look at. Their outcome stays; a replay undoes it."""
    config.settings()
    says = f"{counted(len(event_ids), 'event')} will be listed no longer. They stay kept, and move nothing; a replay undoes it."
    consent.ask("Dismiss them?", says, yes=yes)
    with database.begin() as connection:
        for event_id in event_ids:
            if not is_event_id(event_id) or not events.dismiss(connection, event_id):
                raise click.ClickException(f"no unreadable event and no dead letter has the id {event_id}; nothing was dismissed")
            audit.record(connection, action="dismiss", subject=f"event {event_id}", reason=reason, touched=1)
    click.echo(f"Dismissed {counted(len(event_ids), 'event')}.", err=True)


@click.group("failed")
def failed_group() -> None:
    """Dead letters: events that could not be handled."""


@failed_group.command("list")
@click.option("--unreadable", "outcome", flag_value=Outcome.UNREADABLE, default=Outcome.FAILED, help="Unreadable events instead.")
@click.option("--dismissed", is_flag=True, help="Those that were dismissed.")
@list_options(since="Only events that were received")
@consent.reads
def list_failed(listing: Listing, environment: str, outcome: Outcome, **wanted: Any) -> None:
    """List dead letters, or unreadable events, by vendor, type and reason, the largest group first."""
    config.settings()
    with database.reading() as connection:
        found = events.unresolved_groups(connection, environment=environment, outcome=outcome, **wanted)
    columns = ("count", "vendor", "event_type", "first_seen", "last_seen", "reason", "example")
    what = "dead letter" if outcome == Outcome.FAILED else "unreadable event"
    listing.show(found, columns, what=what, order="largest", environment=environment)


@failed_group.command("show")
@click.argument("event_id", metavar="ID")
@_reveal_option
@_reason_option
@json_option
@consent.reads
def show_failed(as_json: bool, reason: str | None, reveal: bool, event_id: str) -> None:
    """Show an event with its body. Personal data is masked unless you ask to see it. The audit log records that you read it."""
    config.settings()
    _show_with_body(event_id, reveal=reveal, reason=reason, as_json=as_json)


def _show_with_body(event_id: str, *, reveal: bool, reason: str | None, as_json: bool) -> None:
    if reveal and not reason:
        raise click.UsageError("say with --reason why you need to see personal data")
    try:
        with attempts.recorded(), database.begin() as connection:
            found = _find(connection, event_id, with_body=True)
            action = "revealed a body" if reveal else "read a body, masked"
            audit.record(connection, action=action, subject=f"event {found['id']}", reason=reason, touched=1)
            body = masking.readable(events.body(connection, found["id"]) or b"", reveal=reveal)
    except Unopenable as unopenable:
        raise click.ClickException(str(unopenable)) from unopenable
    if as_json:
        tables.print_json([found | {"body": body}])
    else:
        output.print_fields(found)
        output.print_text(body)


commands = [events_group, failed_group]
