"""`standing relationship`, `standing holds` and `standing retention`: how long personal data is kept, and what is erased then."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click
from msgspec import structs
from sqlalchemy import Connection

from handlers import config
from handlers.cli.terminal import carrying_out, output, privacy
from handlers.cli.terminal.privacy import answering, data_subject_options, reason_option
from store import database
from store.cli.terminal import consent, tables
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import MOMENT, REASON, environment_option, json_option, token_option
from store.privacy import holds
from store.privacy.acts import DataSubject
from store.privacy.keeping import relationships, retention
from store.system import clock
from store.text import safe_text
from store.text.counts import counted

#: How much one run may erase.
MAX = click.IntRange(1, 1_000_000)


# relationships ------------------------------------------------------------------------------------------------


@click.group()
def relationship() -> None:
    """The business relationship with a user: where the clock of retention begins."""


@relationship.command("end")
@click.argument("user")
@click.option("--at", "ended_at", type=MOMENT, help="When it ended (RFC 3339, or a date).  [default: now]")
@click.option("--basis", type=REASON, help="How it ended. It is recorded.")
@token_option
@environment_option
@json_option
@consent.changes
def end(user: str, ended_at: datetime | None, basis: str | None, token_file: Path | None, environment: str, **shown: bool) -> None:
    """Record that the relationship with USER ended: the periods of RETENTION begin."""
    _say(user, ended_at or clock.now(), basis, token_file, environment, **shown)


@relationship.command("reopen")
@click.argument("user")
@click.option("--basis", type=REASON, help="Why it goes on. It is recorded.")
@token_option
@environment_option
@json_option
@consent.changes
def reopen(user: str, basis: str | None, token_file: Path | None, environment: str, **shown: bool) -> None:
    """Record that the relationship with USER goes on: approved applicants are kept."""
    _say(user, None, basis, token_file, environment, **shown)


def _say(
    user: str, ended_at: datetime | None, basis: str | None, token_file: Path | None, environment: str, *, as_json: bool, yes: bool
) -> None:
    config.settings()
    by = privacy.officer(token_file)
    says = f"ended at {clock.rfc3339(ended_at)}" if ended_at else "goes on"
    subject = DataSubject(environment=environment, external_user_id=user)
    consent.ask("Record it?", privacy.about(subject), f"{by.name} says that the relationship {says}{_why(basis)}.", yes=yes)
    told = database.write(lambda connection: relationships.end(connection, environment, user, ended_at=ended_at, basis=basis, by=by))
    output.show(told, as_json=as_json)


def _why(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


# holds --------------------------------------------------------------------------------------------------------


@click.group("holds")
def holds_group() -> None:
    """Holds: while one is on, nothing about its applicants is erased, whoever asks."""


@holds_group.command("place")
@data_subject_options
@reason_option
@click.option("--review-at", required=True, type=MOMENT, help="When somebody is to look at it again (RFC 3339, or a date).")
@token_option
@json_option
@consent.changes
def place(subject: DataSubject, reason: str, review_at: datetime, token_file: Path | None, as_json: bool, yes: bool) -> None:
    """Place a hold: VENDOR REFERENCE, or --user ID for all applicants of a user. Another person lifts it."""
    config.settings()
    by = privacy.actor(token_file)
    consent.ask("Place the hold?", privacy.about(subject), f"{by.name} places a hold ({reason}): nothing of them is erased.", yes=yes)
    with answering():
        told = database.write(lambda connection: holds.place(connection, subject, by=by, reason=reason, review_at=review_at))
    output.show(told, as_json=as_json)


@holds_group.command("lift")
@click.argument("hold_id", metavar="ID", type=privacy.Id())
@reason_option
@token_option
@json_option
@consent.changes
def lift(hold_id: str, reason: str, token_file: Path | None, as_json: bool, yes: bool) -> None:
    """Lift another person's hold. What was to be erased meanwhile is erased then."""
    config.settings()
    by = privacy.officer(token_file)
    with answering():
        placed = holds.describe(database.read(lambda connection: holds.find(connection, hold_id)))
    says = f"{placed['placed_by']} placed it at {placed['placed_at']}: {safe_text.plain(placed['reason'])}."
    consent.ask("Lift the hold?", says, f"{by.name} lifts it ({reason}).", yes=yes)
    with answering():
        told = database.write(lambda connection: holds.lift(connection, hold_id, by=by, reason=reason))
    output.show(told, as_json=as_json)


@holds_group.command("list")
@click.option("--all", "lifted", is_flag=True, help="Those that were lifted, too.")
@list_options(since="Placed")
@consent.reads
def list_holds(listing: Listing, environment: str, since: datetime | None, lifted: bool) -> None:
    """List the holds that are in force, the oldest first."""
    config.settings()

    def read(connection: Connection) -> list[dict[str, Any]]:
        rows = holds.listing(connection, environment=environment, lifted=lifted, since=since, limit=listing.fetched)
        return [holds.describe(row) for row in rows]

    columns = ("id", "external_user_id", "vendor", "reference", "reason", "review_at", "placed_by", "placed_at", "lifted_by", "lifted_at")
    listing.show(database.read(read), columns, what="hold", order="oldest", environment=environment, call="/v1/holds")


# retention ----------------------------------------------------------------------------------------------------


@click.group("retention")
def retention_group() -> None:
    """Retention: what is due by the rules of RETENTION."""


@retention_group.command("preview")
@json_option
@consent.reads
def preview(as_json: bool) -> None:
    """Show each rule, how much is due by it, and since when the oldest is."""
    config.settings()
    found = database.read(retention.preview)
    tables.print_list(found, ("rule", "period", "due", "oldest"), as_json=as_json, as_csv=False)
    if not found:
        click.echo("RETENTION names no rule: nothing is erased automatically.", err=True)


@retention_group.command("run")
@click.option("--max", "most", type=MAX, help="Erase no more than so many applicants, events and acts.  [default: all that is due]")
@click.option("--reason", type=REASON, help="Why. It is recorded.")
@token_option
@json_option
@consent.changes
def run(most: int | None, reason: str | None, token_file: Path | None, as_json: bool, yes: bool) -> None:
    """Erase what is due, with a progress bar. Run again, it goes on where it was. What is erased cannot be brought back."""
    config.settings()
    by = privacy.officer(token_file)
    count = sum(rule["due"] for rule in database.read(retention.preview))
    count = min(count, most or count)
    if not count:
        click.echo("Nothing is due.", err=True)
        return
    how_much = counted(count, "applicant, event or act", "applicants, events and acts")
    says = f"{how_much if most else f'All that is due, {how_much},'} will be erased, and cannot be brought back."
    consent.ask("Erase?", says, f"{by.name} runs it{_why(reason)}.", yes=yes)
    with answering():
        ran = retention.total(retention.run(by=by, reason=reason, max=count))
    output.show(structs.asdict(ran) | {"erasures": carrying_out.carry_out(ran.erasures)}, as_json=as_json)


commands = [relationship, holds_group, retention_group]
