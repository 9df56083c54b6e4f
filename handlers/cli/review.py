"""The commands on call: what waits for a review, which approvals turned, and who did what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from handlers.cli.terminal import attempts, output
from store import config, database
from store.access import audit, operators
from store.applicants import feed, visibility
from store.cli.terminal import consent
from store.cli.terminal.lists import ALL, Listing, list_options
from store.cli.terminal.options import environment_option, json_option, older_than_option, token_option
from store.operations import fallen_approvals, review_claims, review_queue
from store.operations.fallen_approvals import Fallen
from store.operations.review_claims import NotClaimed
from store.operations.review_queue import Narrowed, Waiting
from store.system import clock
from store.text import safe_text
from store.text.states import ApplicantKey, Reversal

DAY = timedelta(days=1)

#: Reversals that are listed unless `--limit` is given.
LIMIT = 50

#: Rows that are read at a time.
PAGE = 500


@click.group(invoke_without_command=True)
@older_than_option
@list_options(since="Those that began to wait")
@click.pass_context
@consent.reads
def review(context: click.Context, listing: Listing, environment: str, since: datetime | None, older_than: timedelta | None) -> None:
    """List what waits for a person, the oldest first: applicants in doubt or with an open alert, failed and unreadable events.

    `claim` and `unclaim` say who looks after an entry, by its name."""
    config.settings()
    if context.invoked_subcommand:
        return
    wanted = Narrowed(since=since, until=clock.now() - older_than if older_than else None)
    with database.reading() as connection:
        waiting = review_queue.listing(connection, environment=environment, wanted=wanted, limit=listing.fetched)
    found = [review_queue.describe(one) for one in waiting]
    columns = ("since", "waiting_minutes", "claimed_by", "what", "name", "status", "why")
    listing.show(found, columns, what="entry that waits for a person", order="oldest", environment=environment, call="/v1/review")


@review.command("claim")
@click.argument("name")
@token_option
@environment_option
@json_option
@consent.changes
def claim(name: str, token_file: Path | None, environment: str, as_json: bool, yes: bool) -> None:
    """Claim an entry by its NAME, as the list shows it, so that no other person works on it."""
    _claim("looks after", review_claims.claim, name, token_file, environment, as_json=as_json, yes=yes)


@review.command("unclaim")
@click.argument("name")
@token_option
@environment_option
@json_option
@consent.changes
def unclaim(name: str, token_file: Path | None, environment: str, as_json: bool, yes: bool) -> None:
    """Give a claimed entry back, whoever claimed it."""
    _claim("gives back", review_claims.unclaim, name, token_file, environment, as_json=as_json, yes=yes)


def _claim(
    does: str, answer: Callable[..., Waiting], name: str, token_file: Path | None, environment: str, *, as_json: bool, yes: bool
) -> None:
    by = operators.at_this_terminal(token_file)
    consent.ask("Record it?", f"{by.name} {does} {safe_text.plain(name)} ({environment}).", yes=yes)
    try:
        found = database.write(lambda connection: answer(connection, review_claims.entry(environment, name), by=by))
    except NotClaimed as error:
        raise click.ClickException(str(error)) from error
    output.show(review_queue.describe(found), as_json=as_json)


@click.command()
@click.option(
    "--kind",
    type=click.Choice([*(kind.value for kind in Reversal), "all"]),
    default=Reversal.ADVERSE.value,
    show_default=True,
    help="What the change did to the approval.",
)
@click.option("--current", is_flag=True, help="All applicants, each once, with the status now, why, and who was notified.")
@list_options(since="Turned", limit=None)
@consent.reads
def reversals(listing: Listing, environment: str, current: bool, kind: str, since: datetime | None) -> None:
    """List the changes that turned an approval, the oldest first; or, with --current, the applicants whose approval fell.

    By default those of the last day, at most 50; with --current all, whenever they fell."""
    config.settings()
    kinds = list(Reversal) if kind == "all" else [kind]
    if current:
        _list_current(listing, kinds, since, environment)
    else:
        _list_reversals(listing, kinds, since or clock.now() - DAY, environment)


def _list_reversals(listing: Listing, kinds: Sequence[str], since: datetime, environment: str) -> None:
    """List the changes, by default the first 50."""
    listing = replace(listing, limit=LIMIT) if listing.limit == ALL else listing
    with database.reading() as connection:
        epoch, _ = feed.position(connection, None)
        rows = feed.reversals(connection, environment=environment, kinds=kinds, since=since, limit=listing.fetched)
    found = [feed.describe_entry(row, epoch) for row in rows]
    columns = ("at", "vendor", "reference", "from", "to", "reversal", "reasons", "event_id")
    what = f"change since {clock.rfc3339(since)} that turned an approval"
    listing.show(found, columns, what=what, order="oldest", environment=environment, call="/v1/reversals")


def _list_current(listing: Listing, kinds: Sequence[str], since: datetime | None, environment: str) -> None:
    """List the fallen approvals, by default all."""
    found = [fallen_approvals.describe(one) for one in islice(_all_current(kinds, since, environment), listing.fetched)]
    columns = ("external_user_id", "vendor", "reference", "reversal", "fell_at", "status", "since", "reinstated", "reason", "told")
    rows = found if listing.as_json else [row | {"told": _told(row)} for row in found]
    listing.show(rows, columns, what="fallen approval", order="oldest", environment=environment, call="/v1/reversals/current")


def _all_current(kinds: Sequence[str], since: datetime | None, environment: str) -> Iterator[Fallen]:
    page: list[Fallen] = []

    def read(connection: Connection) -> list[Fallen]:
        last = (page[-1].change.number,) if page else None
        return fallen_approvals.listing(connection, environment=environment, kinds=kinds, since=since, after=last, limit=PAGE)

    while page := database.read(read):
        yield from page


def _told(row: dict[str, Any]) -> str:
    """Return who was notified and when, in words."""
    return "; ".join(" ".join(filter(None, [one["subscriber"], one["status"], one["at"] and f"at {one['at']}"])) for one in row["told"])


# the record ---------------------------------------------------------------------------------------------------


@click.group("audit")
def audit_group() -> None:
    """What persons with a right did."""


@audit_group.command("list")
@click.option("--actor", help="A token's name, or a user's of this command line.")
@click.option("--action", help='What was done, such as "read a body".')
@click.option("--applicant", nargs=2, metavar="VENDOR REFERENCE", help="About an applicant, or an event that named it.")
@click.option("--user", "about_user", help="About a person, by your own id, and all their applicants.")
@click.option("--sandbox", "environment", flag_value="sandbox", default="live", help="With --applicant or --user: those of the sandbox.")
@list_options(since="Done", has_environment=False)
@consent.reads
def list_acts(listing: Listing, environment: str, applicant: tuple[str, str] | None, **wanted: Any) -> None:
    """List who did what, when, why, and to how many, the last first."""
    config.settings()
    wanted |= {"environment": environment, "about": ApplicantKey(applicant[0], environment, applicant[1]) if applicant else None}
    given: dict[str, Any] = {"is_officer": attempts.is_officer(), "newest_first": True, "limit": listing.fetched}
    with attempts.recorded(), database.reading() as connection:
        found = [audit.describe(row) for row in visibility.acts(connection, **wanted, **given)]
    columns = ("at", "actor", "os_user", "action", "subject", "reason", "touched", "id")
    about = environment if wanted["about"] or wanted["about_user"] else None
    listing.show(found, columns, what="recorded act", order="newest", environment=about, call="/v1/audit")


commands = [review, reversals, audit_group]
