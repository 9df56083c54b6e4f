"""`standing decide` and `standing decisions`: a person decides what a vendor leaves open, and a second one confirms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from handlers import config
from handlers.cli.terminal import attempts, wait
from store import config as store_config
from store import database
from store.access import operators
from store.access.operators import Actor
from store.applicants import decision_list, decisions, visibility
from store.applicants.decisions import Made, NotDecided
from store.applicants.table import Applicant
from store.cli.terminal import consent, tables
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import REASON, environment_option, json_option, token_option
from store.inbox import wakeup
from store.inbox.internal_events import Ruling
from store.inbox.sealing.encryption import Unopenable
from store.system import clock
from store.text import safe_text
from store.text.names import EVENT_ID
from store.text.states import ApplicantKey, Outcome

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
@consent.changes
def decide(
    vendor: str, reference: str, ruling: str, reason: str, token_file: Path | None, environment: str, as_json: bool, yes: bool
) -> None:
    """Decide about an applicant. The decision is an event like any other: newer news overrides it.

    An approval against a hit or an open alert needs two operators, who act with tokens. Until the second confirms, the applicant
    stays as it was."""
    config.settings()
    key, by = ApplicantKey(vendor, environment, reference), operators.at_this_terminal(token_file)
    with _answering(by):
        consent.ask("Record the decision?", _where_it_is(key), f"{by.name} decides: {ruling} ({reason}).", yes=yes)
        now, two = clock.now(), store_config.settings().all_take_two
        made = database.write(
            lambda connection: decisions.decide(connection, key, Ruling(ruling), by=by, reason=reason, at=now, needs_two=two)
        )
    _tell(made.event_id, as_json=as_json)
    if made.waits:
        against = f"It is against {', '.join(made.against)}: a" if made.against else "A"
        click.echo(f"{against} second operator has to say standing decisions confirm {made.event_id}", err=True)
        if not by.by_token:
            click.echo("It was decided without a token, so that it cannot be confirmed: decide again with --token-file.", err=True)


@click.group("decisions")
def decisions_group() -> None:
    """Decisions of persons, and which of them wait for a second operator."""


def _where_it_is(key: ApplicantKey) -> str:
    """Return the applicant's status, in a sentence. Raises Hidden."""
    found = database.read(lambda connection: visibility.find(connection, key, is_officer=False))
    if found is None:
        raise click.ClickException("no applicant of this vendor has this reference here")
    hits = f", with {', '.join(found.hits)}" if found.hits else ""
    return f"{key.vendor} {safe_text.plain(key.reference)} ({key.environment}) is {found.status}{hits}."


@decisions_group.command("list")
@click.option("--all", "everything", is_flag=True, help="Every decision, confirmation and withdrawal, the last first.")
@list_options(since="Decided")
@consent.reads
def list_decisions(listing: Listing, environment: str, since: datetime | None, everything: bool) -> None:
    """List the decisions that wait for a second operator, the longest waiting first; or all."""
    config.settings()
    if everything:
        _list_all(listing, environment, since)
        return
    with database.reading() as connection:
        found = decisions.waiting(connection, environment=environment, since=since, limit=listing.fetched)
    rows = [_waits(one) for one in found]
    columns = ("at", "vendor", "reference", "hits", "status", "by", "reason", "event_id")
    listing.show(rows, columns, what="decision that waits for a second operator", order="longest waiting", environment=environment)


def _waits(one: Applicant) -> dict[str, Any]:
    """Return an applicant's decision that waits, as it is shown."""
    names = {"vendor": one.vendor, "environment": one.environment, "reference": one.reference, "hits": one.hits}
    return names | (one.decision or {})


def _list_all(listing: Listing, environment: str, since: datetime | None) -> None:
    wanted: dict[str, Any] = {"environment": environment, "since": since, "newest_first": True, "limit": listing.fetched}
    wanted["with_restricted"] = attempts.is_officer()
    try:
        with database.reading() as connection:
            listed = decision_list.listing(connection, **wanted)
    except Unopenable as unopenable:
        raise click.ClickException(str(unopenable)) from unopenable
    rows = [decision_list.describe(one) for one in listed]
    columns = (
        "at", "act", "vendor", "reference", "decision", "against", "by", "reason", "confirmed_by", "confirmation", "withdrawn_by",
        "withdrawal", "state", "event_id",
    )  # fmt: skip
    listing.show(rows, columns, what="decision", order="newest", environment=environment, call="/v1/decisions")


@contextmanager
def _answering(by: Actor) -> Iterator[None]:
    """Print why nothing is decided, and end with exit status 1."""
    with attempts.recorded(by):
        try:
            yield
        except NotDecided as error:
            raise click.ClickException(str(error)) from error


def _second_word(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what a confirmation and a withdrawal take."""
    for option in (
        consent.changes,
        json_option,
        token_option,
        click.option("--reason", required=True, type=REASON, help="Why: your own reason. It is recorded, and shown."),
        click.argument("event_id", metavar="ID"),
    ):
        command = option(command)
    return command


@decisions_group.command("confirm")
@_second_word
def confirm(event_id: str, reason: str, token_file: Path | None, as_json: bool, yes: bool) -> None:
    """Confirm another operator's decision, against the hits and alerts that are shown today. Needs a token."""
    _answer("confirms", decisions.confirm, event_id, reason, token_file, as_json=as_json, yes=yes)


@decisions_group.command("withdraw")
@_second_word
def withdraw(event_id: str, reason: str, token_file: Path | None, as_json: bool, yes: bool) -> None:
    """Withdraw a decision that waits for a second operator. What was in force before it is in force still."""
    _answer("withdraws", decisions.withdraw, event_id, reason, token_file, as_json=as_json, yes=yes)


def _answer(
    does: str, answer: Callable[..., Made], event_id: str, reason: str, token_file: Path | None, *, as_json: bool, yes: bool
) -> None:
    """Say what a second word does to a decision, ask, and record it."""
    config.settings()
    by = operators.at_this_terminal(token_file)
    if not EVENT_ID.fullmatch(event_id):
        raise click.ClickException(f"no decision has the id {event_id}")
    with _answering(by):
        decided = database.read(lambda connection: decisions.described(connection, event_id))
        consent.ask("Record it?", f"{safe_text.plain(decided)}.", f"{by.name} {does} this decision ({reason}).", yes=yes)
        made = database.write(lambda connection: answer(connection, event_id, by=by, reason=reason))
    _tell(made.event_id, as_json=as_json)


def _tell(event_id: str, *, as_json: bool) -> None:
    """Print the outcome, as soon as a worker has handled the decision."""
    wakeup.notify()
    found = wait.settled(event_id, seconds=HANDLED_SECONDS_MAX)
    if as_json:
        tables.print_json([found])
    else:
        click.echo(safe_text.plain(found["reason"]) or "It is kept, and waits for a worker to handle it.")
    if found["status"] == Outcome.PENDING:
        click.echo("No worker has handled it yet: standing process-pending does.", err=True)


commands = [decide, decisions_group]
