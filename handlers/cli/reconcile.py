"""`standing reconcile` and `standing ask`: the vendor's current status, where ours drifts from it, and the repair."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import click

from handlers import clients, config
from handlers.cli.terminal import attempts, output, wait
from handlers.cli.terminal.progress import progress_bar
from handlers.clients.idenfy import Idenfy
from handlers.clients.idngo import Idngo
from handlers.clients.vendor import Client, Unanswered
from handlers.reconcile import compare, reconciliation
from handlers.reconcile.compare import Finding
from handlers.reconcile.progress import Busy, ReconciliationRun, Repair
from handlers.vendors import VENDORS
from store import config as store_config
from store import database
from store.access import audit, operators
from store.applicants import visibility
from store.cli.terminal import consent, tables
from store.cli.terminal.options import CHANGES_MAX, MOMENT, REASON, csv_option, json_option
from store.operations import reconciliations
from store.operations.reconciliations import ApplicantFilter
from store.system import clock
from store.text import masking
from store.text.states import ApplicantKey

COLUMNS = ("vendor", "reference", "ours", "ours_since", "theirs", "theirs_since", "repair", "says", "event_id")

#: How long it is waited for workers to handle what was repaired.
HANDLED_SECONDS_MAX = 20.0

vendor_argument = click.Choice(list(VENDORS))


@click.command()
@click.argument("vendor", type=vendor_argument, required=False)
@click.argument("references", nargs=-1, metavar="[REFERENCE…]")
@click.option("--user", help="The applicant that IDnGO knows by this id of yours.")
@click.option("--silent", is_flag=True, help="Applicants that are still open and had no news for REVIEW_HOURS_MAX.")
@click.option(
    "--since",
    type=MOMENT,
    help="After an outage: all possibly affected applicants (IDnGO: all; IFCGATE: those with another status in its list).",
)
@click.option("--all", "everybody", is_flag=True, help="All applicants.")
@click.option("--repair", is_flag=True, help="Keep an answer that drifts as an event of its own kind, to be handled by the same rules.")
@click.option("--reason", type=REASON, help="Why. With --repair it is recorded.")
@click.option("--max-changes", type=CHANGES_MAX, default=100, show_default=True, help="Stop before more are changed of a vendor.")
@json_option
@csv_option
@consent.changes
def reconcile(
    vendor: str | None, repair: bool, reason: str | None, max_changes: int, as_json: bool, as_csv: bool, yes: bool, **wanted: Any
) -> None:
    """Ask the vendors for the current status, and list where it drifts from ours. iDenfy forbids polling, and is asked slowly.

    Exit status 1 if anything drifts and was not repaired, or an answer was not clear."""
    if repair and not reason:
        raise click.UsageError("say with --reason why you repair")
    settings = config.settings()
    asked = _clients(clients.clients(settings), vendor)
    repairing = Repair(by=operators.at_this_terminal(), reason=str(reason), changes_max=max_changes) if repair else None
    chosen = _chosen(asked, vendor, **wanted)
    if repair:
        says = f"What drifts at {', '.join(asked)} is repaired as it is found, of at most {max_changes} applicants of each."
        consent.ask("Ask and repair?", says, yes=yes)
    found: list[Finding] = []
    done: list[ReconciliationRun] = []
    for client in asked.values():
        actor = repairing.by.name if repairing else None
        one = ReconciliationRun(client=client, environment=settings.api_environment, chosen=chosen, repair=repairing, actor=actor)
        found += _run(one)
        done.append(one)
    tables.print_list([compare.describe(one) for one in _shown(list(_settled(found)))], COLUMNS, as_json=as_json, as_csv=as_csv)
    for one in done:
        click.echo(_summary(one), err=True)
    sys.exit(1 if any(one.said for one in done) or any(finding.event_id is None for finding in found) else 0)


def _chosen(
    asked: dict[str, Client],
    vendor: str | None,
    *,
    references: tuple[str, ...],
    user: str | None,
    silent: bool,
    since: datetime | None,
    everybody: bool,
) -> ApplicantFilter:
    ways = [bool(references), user is not None, silent, since is not None, everybody]
    if sum(ways) != 1 or ((references or user is not None) and not vendor):
        raise click.UsageError("name a vendor and its applicants, or give one of --user, --silent, --since and --all")
    if user is not None:
        references = (_reference_of(asked.get("idngo"), user),)
    silent_since = clock.now() - store_config.settings().review_max if silent else None
    return ApplicantFilter(references=references, silent_since=silent_since, concerned_since=since)


@click.command()
@click.argument("vendor", type=vendor_argument)
@click.argument("reference")
@click.option("--data", "what", flag_value="data", help="iDenfy: what its documents say.")
@click.option("--files", "what", flag_value="files", help="iDenfy: where its files are, for a short time.")
@click.option("--reveal", is_flag=True, help="Show personal data, too. It is recorded who did, and why: give --reason.")
@click.option("--reason", type=REASON, help="Why you need to see it.")
@consent.reads
def ask(vendor: str, reference: str, what: str | None, reveal: bool, reason: str | None) -> None:
    """Show what a vendor answers about an applicant. Nothing of it is kept; personal data is masked unless you ask to see it."""
    client = _clients(clients.clients(config.settings()), vendor)[vendor]
    if reveal and not reason:
        raise click.UsageError("say with --reason why you need to see personal data")
    if what and not isinstance(client, Idenfy):
        raise click.UsageError("--data and --files are iDenfy's")
    action = f"asked a vendor{f' for {what}' if what else ''}, {'revealed' if reveal else 'masked'}"
    key = ApplicantKey(vendor, config.settings().api_environment, reference)
    with attempts.recorded(environment=key.environment):
        database.read(lambda connection: visibility.find(connection, key, is_officer=attempts.is_officer()))
    subject = audit.applicant_subject(key)
    database.write(lambda connection: audit.record(connection, action=action, subject=subject, reason=reason, officers=True))
    try:
        body = _answer(client, reference, what)
    except Unanswered as error:
        raise click.ClickException(str(error)) from error
    if body is None:
        raise click.ClickException("the vendor knows no such applicant")
    output.print_text(masking.readable(body, reveal=reveal))


def _answer(client: Client, reference: str, what: str | None) -> bytes | None:
    if isinstance(client, Idenfy) and what:
        return client.data(reference) if what == "data" else client.files(reference)
    answer = client.read(reference)
    return answer.body if answer else None


def _clients(configured: dict[str, Client], vendor: str | None) -> dict[str, Client]:
    """Return the vendor that is named, or all that are configured."""
    found = {name: client for name, client in configured.items() if vendor in (None, name)}
    if not found:
        raise click.UsageError(f"no API of {vendor or 'a vendor'} is configured: see …_API_URL in docs/settings.md")
    return found


def _reference_of(client: Client | None, user: str) -> str:
    if not isinstance(client, Idngo):
        raise click.UsageError("--user asks IDnGO, whose API must be configured")
    try:
        answer = client.read_by_user(user)
    except Unanswered as error:
        raise click.ClickException(str(error)) from error
    if answer is None:
        raise click.ClickException("IDnGO knows no applicant by this id of yours")
    return answer.reference


def _run(one: ReconciliationRun) -> list[Finding]:
    """Return what drifts at one vendor, with a progress bar."""
    found: list[Finding] = []
    total = len(one.chosen.references) or database.read(
        lambda connection: reconciliations.count(connection, one.vendor, one.environment, one.chosen)
    )
    with progress_bar() as bar:
        task = bar.add_task(f"asking {one.vendor}", total=total)
        try:
            reconciliation.run(one, on_finding=found.append, on_asked=lambda: bar.advance(task))
        except Busy as error:
            one.said = str(error)
    return found


def _settled(found: list[Finding]) -> Iterator[Finding]:
    """Yield the findings, once workers have handled the repairs; print the outcomes."""
    deadline = time.monotonic() + HANDLED_SECONDS_MAX
    for finding in found:
        if finding.event_id:
            event = wait.settled(finding.event_id, seconds=deadline - time.monotonic())
            finding = compare.with_event(finding, finding.event_id, says=event["reason"])
        yield finding


def _shown(found: list[Finding]) -> list[Finding]:
    """Return the findings without those about restricted applicants, but for privacy officers."""
    if attempts.is_officer():
        return found
    hidden = database.read(lambda connection: visibility.restricted_among(connection, [one.key for one in found]))
    return [one for one in found if one.key not in hidden]


def _summary(one: ReconciliationRun) -> str:
    said = f"{one.vendor}: asked about {one.asked}, {one.drifted} drift, {one.repaired} repaired."
    return f"{said} It stopped: {one.said}" if one.said else said


commands = [reconcile, ask]
