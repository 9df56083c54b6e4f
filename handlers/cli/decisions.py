"""`standing decide` and `standing decisions`: a person decides what a vendor leaves open, and a second one confirms."""

from __future__ import annotations

from pathlib import Path

import click

from handlers import config
from handlers.cli.terminal import output, wait
from handlers.cli.terminal.options import REASON, environment_option, json_option, limit_option, token_option
from handlers.cli.terminal.output import say_if_cut
from store import config as store_config
from store import database, operators
from store.applicants import decisions
from store.applicants.decisions import NotDecided
from store.inbox import wakeup
from store.inbox.internal_events import Ruling
from store.states import ApplicantKey, Outcome
from store.system import clock, safe_text
from store.system.names import EVENT_ID

#: How long a command waits for a worker to handle what was decided.
HANDLED_SECONDS_MAX = 10.0


@click.command()
@click.argument("vendor")
@click.argument("reference")
@click.argument("ruling", metavar="approve|reject|resubmit", type=click.Choice([ruling.value for ruling in Ruling]))
@click.option("--reason", required=True, type=REASON, help="Why. It is recorded, and shown in the history.")
@token_option
@environment_option
@json_option
def decide(vendor: str, reference: str, ruling: str, reason: str, token_file: Path | None, environment: str, as_json: bool) -> None:
    """Decide about an applicant. The decision is an event like any other: newer news overrides it.

    An approval against a hit or an open alert needs two operators, who act with tokens. Until the second confirms, the applicant
    stays as it was."""
    config.settings()
    key, now, by = ApplicantKey(vendor, environment, reference), clock.now(), operators.at_this_terminal(token_file)
    two = store_config.settings().all_take_two
    try:
        made = database.write(
            lambda connection: decisions.decide(connection, key, Ruling(ruling), by=by, reason=reason, at=now, needs_two=two)
        )
    except NotDecided as error:
        raise click.ClickException(str(error)) from error
    _tell(made.event_id, as_json=as_json)
    if made.waits:
        against = f"It is against {', '.join(made.against)}: a" if made.against else "A"
        click.echo(f"{against} second operator has to say standing decisions confirm {made.event_id}", err=True)
        if not by.by_token:
            click.echo("It was decided without a token, so that it cannot be confirmed: decide again with --token-file.", err=True)


@click.group("decisions")
def decisions_group() -> None:
    """Decisions of persons, and which of them wait for a second operator."""


@decisions_group.command("list")
@limit_option
@environment_option
@json_option
def list_decisions(as_json: bool, environment: str, limit: int) -> None:
    """List the approvals that wait for a second operator, the longest waiting first."""
    config.settings()
    with database.reading() as connection:
        found = decisions.waiting(connection, environment=environment, limit=limit)
    rows = [{"vendor": one.vendor, "reference": one.reference, "hits": one.hits} | (one.decision or {}) for one in found]
    output.print_list(rows, ("at", "vendor", "reference", "hits", "status", "by", "reason", "event_id"), as_json=as_json)
    say_if_cut(rows, limit, "longest waiting", "No decision waits for a second operator")


@decisions_group.command("confirm")
@click.argument("event_id", metavar="ID")
@token_option
@json_option
def confirm(event_id: str, token_file: Path | None, as_json: bool) -> None:
    """Confirm another operator's decision, against the hits and alerts that are shown today. Needs a token."""
    config.settings()
    by = operators.at_this_terminal(token_file)
    if not EVENT_ID.fullmatch(event_id):
        raise click.ClickException(f"no decision has the id {event_id}")
    try:
        made = database.write(lambda connection: decisions.confirm(connection, event_id, by=by))
    except NotDecided as error:
        raise click.ClickException(str(error)) from error
    _tell(made.event_id, as_json=as_json)


def _tell(event_id: str, *, as_json: bool) -> None:
    """Print the outcome, as soon as a worker has handled the decision."""
    wakeup.notify()
    found = wait.settled(event_id, seconds=HANDLED_SECONDS_MAX)
    if as_json:
        output.print_json([found])
    else:
        click.echo(safe_text.plain(found["reason"]) or "It is kept, and waits for a worker to handle it.")
    if found["status"] == Outcome.PENDING:
        click.echo("No worker has handled it yet: standing process-pending does.", err=True)


commands = [decide, decisions_group]
