"""`standing reactions` and `standing notify`: what must happen after changes, what gave up, and who is notified."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import Connection, Row

from handlers import config
from handlers.cli.terminal import output
from handlers.notify.dispatcher import configured
from handlers.notify.endpoints import Endpoint, endpoints, key_of
from handlers.notify.subscribers import Gone, NotNow, Refused
from store import database
from store.access import audit, operators
from store.cli.terminal import consent, tables
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import REASON, ROWS_MAX, json_option
from store.outbox import reactions
from store.outbox.dispatch import ReactionStatus
from store.outbox.reactions import Ambiguous
from store.system import clock
from store.text import safe_text
from store.text.counts import counted

#: What `standing notify test` sends: it says itself that it is about no real person.
EXAMPLE = {
    "cursor": "example.0",
    "type": "applicant.rejected",
    "vendor": "idngo",
    "environment": "sandbox",
    "reference": "example",
    "from": "approved",
    "to": "rejected",
    "reversal": "adverse",
    "changed": ["status"],
    "reasons": ["EXAMPLE"],
    "event_id": None,
    "as_of": None,
    "code_version": "example",
}


@click.group("reactions")
def reactions_group() -> None:
    """What must happen after changes: for each subscriber, in order for each applicant, at least once."""


@reactions_group.command("list")
@click.option("--failed", "status", flag_value=ReactionStatus.FAILED.value, help="Those that gave up.")
@click.option("--pending", "status", flag_value=ReactionStatus.PENDING.value, help="Those that are still to be done.")
@click.option("--subscriber", help="Of one subscriber.")
@list_options(since="Of changes that were made")
@consent.reads
def list_reactions(listing: Listing, environment: str, **wanted: Any) -> None:
    """List reactions, the last first."""
    config.settings()
    with database.reading() as connection:
        rows = reactions.listing(connection, environment=environment, **wanted, newest_first=True, limit=listing.fetched)
    found = [reactions.describe(row) for row in rows]
    columns = ("id", "at", "subscriber", "vendor", "reference", "from", "to", "reversal", "status", "attempts", "due_at", "said")
    listing.show(found, columns, what="reaction", order="newest", environment=environment, call="/v1/reactions")


@reactions_group.command("show")
@click.argument("reaction_id", metavar="ID", type=click.IntRange(min=1, max=2**63 - 1))
@json_option
@consent.reads
def show_reaction(as_json: bool, reaction_id: int) -> None:
    """Show a reaction, and the answer to each attempt."""
    config.settings()
    with database.reading() as connection:
        found = reactions.find(connection, reaction_id)
    if found is None:
        raise click.ClickException(f"no reaction has the id {reaction_id}")
    if as_json:
        tables.print_json([found])
        return
    output.print_fields({name: value for name, value in found.items() if name not in ("answers", "said")})
    for answer in found["answers"]:
        click.echo(f"{answer['at']}  {safe_text.plain(answer['said'])}")


@reactions_group.command("run")
@click.argument("reaction_ids", nargs=-1, metavar="[ID…]", type=click.IntRange(min=1, max=2**63 - 1))
@click.option("--failed", "all_failed", is_flag=True, help="All that gave up.")
@click.option("--subscriber", help="With --failed: of one subscriber.")
@click.option("--reason", type=REASON, help="Why. It is recorded.")
@consent.changes
def run_reactions(reason: str | None, subscriber: str | None, all_failed: bool, reaction_ids: tuple[int, ...], yes: bool) -> None:
    """Run reactions again that gave up: some by their ids, or all."""
    config.settings()
    if bool(reaction_ids) == all_failed:
        raise click.UsageError("name reactions by their ids, or all with --failed")
    which = ", ".join(map(str, reaction_ids)) if reaction_ids else f"all that gave up{f' of {subscriber}' if subscriber else ''}"
    consent.ask("Run them again?", f"These reactions are done again by a worker, if they gave up: {which}.", yes=yes)
    with database.begin() as connection:
        count = reactions.run_again(connection, reaction_ids or None, subscriber=subscriber)
        audit.record(connection, action="run reactions", subject=which[:500], reason=reason, touched=count)
    click.echo(f"{counted(count, 'reaction is', 'reactions are')} done again by a worker.", err=True)


# subscribers --------------------------------------------------------------------------------------------------


@click.group("notify")
def notify_group() -> None:
    """Who is notified of changes: the log, the endpoints of NOTIFY_URLS, and functions of your own."""


@notify_group.command("list")
@list_options(since=None, has_environment=False, limit=ROWS_MAX)
@consent.reads
def list_subscribers(listing: Listing) -> None:
    """List the subscribers, what waits for each, and which are paused or answered 410."""
    config.settings()
    with database.reading() as connection:
        rows, counts = reactions.subscribers(connection), {one.name: one for one in reactions.counts(connection)}
    told = configured()
    found = [
        {
            "subscriber": row.shown,
            "key": row.name,
            "configured": "yes" if row.name in told else "no",
            "pending": counts[row.name].pending,
            "failed": counts[row.name].failed,
            "rests_until": clock.rfc3339(row.paused_until),
            "stopped_at": clock.rfc3339(row.stopped_at),
        }
        for row in rows
    ]
    listing.show(found, ("subscriber", "configured", "pending", "failed", "rests_until", "stopped_at"), what="subscriber")


@notify_group.command("resume")
@click.argument("name_or_url")
@consent.changes
def resume(name_or_url: str, yes: bool) -> None:
    """Notify a subscriber again that refuses, is paused, or had answered 410: what waits for it is tried again at once."""
    config.settings()
    with database.reading() as connection:
        found = _subscriber(connection, name_or_url)
    consent.ask("Notify it again?", f"{safe_text.plain(found.shown)} is notified of every change that waits for it.", yes=yes)
    with database.begin() as connection:
        reactions.resume(connection, found.name)
        audit.record(connection, action="resume", subject=f"subscriber {found.shown} ({found.name})")
    click.echo(f"{safe_text.plain(found.shown)} is notified again.", err=True)


@notify_group.command("forget")
@click.argument("name_or_url")
@click.option("--reason", type=REASON, help="Why. It is recorded.")
@consent.changes
def forget(name_or_url: str, reason: str | None, yes: bool) -> None:
    """End what is pending for an endpoint that NOTIFY_URLS names no more. It is not notified of these changes, and no other is."""
    config.settings()
    with database.reading() as connection:
        found = _forgettable(connection, name_or_url)
        [count] = [one for one in reactions.counts(connection) if one.name == found.name]
    title = safe_text.plain(found.shown)
    says = f"{title} will never be notified of {counted(count.pending + count.failed, 'change')}. This cannot be undone."
    consent.ask("Forget it?", says, yes=yes)
    with database.begin() as connection:
        found = _forgettable(connection, name_or_url)
        ended = reactions.forget(connection, found.name)
        subject = f"subscriber {found.shown} ({found.name})"
        audit.record(connection, action="forget subscriber", subject=subject, reason=reason, touched=ended)
    click.echo(f"Ended {counted(ended, 'reaction')} of {title}.", err=True)


def _forgettable(connection: Connection, name_or_url: str) -> Row[Any]:
    """Return a subscriber that no process serves. Raises ClickException."""
    found = _subscriber(connection, name_or_url)
    if found.name in configured():
        raise click.ClickException(f"{safe_text.plain(found.shown)} is configured: take it out of NOTIFY_URLS, and restart the workers")
    if found.retired_at is None:
        raise click.ClickException(f"the workers still serve {safe_text.plain(found.shown)}: restart them, with NOTIFY_URLS as it is here")
    return found


def _subscriber(connection: Connection, name_or_url: str) -> Row[Any]:
    """Return the subscriber that is shown, or kept, under a name, or has an address. Raises ClickException."""
    names = {name_or_url} | ({key_of(name_or_url)} if "://" in name_or_url else set())
    try:
        found = reactions.find_subscriber(connection, names)
    except Ambiguous as error:
        raise click.ClickException(str(error)) from error
    if found is None:
        raise click.ClickException(f"no subscriber is called {safe_text.plain(name_or_url)} (standing notify list)")
    return found


@notify_group.command("test")
@consent.changes
def send_example(yes: bool) -> None:
    """Send each endpoint of NOTIFY_URLS an example, signed as changes are, and print its answer. Exit status 1 unless all accept it."""
    config.settings()
    known = endpoints()
    if not known:
        raise click.ClickException("NOTIFY_URLS names no endpoint")
    names = ", ".join(endpoint.title for endpoint in known)
    operators.at_this_terminal()  # A wrong token ends it before anything is sent.
    consent.ask("Send it?", f"An example is sent to {names}. It is about no real person, and says so.", yes=yes)
    taken = [_send_example(endpoint) for endpoint in known]
    subject = f"endpoints {names}"[: audit.SUBJECT_CHARS_MAX]
    database.write(lambda connection: audit.record(connection, action="send an example", subject=subject, touched=len(known)))
    raise SystemExit(0 if all(taken) else 1)


def _send_example(endpoint: Endpoint) -> bool:
    entry = EXAMPLE | {"at": clock.rfc3339(clock.now()), "applicant": {"vendor": "idngo", "reference": "example", "status": "rejected"}}
    try:
        said, taken = endpoint.tell(entry), True
    except (NotNow, Refused, Gone) as refused:
        said, taken = str(refused), False
    click.echo(f"{endpoint.title}  {'took it' if taken else 'did not take it'}: {safe_text.plain(said)}")
    return taken


commands = [reactions_group, notify_group]
