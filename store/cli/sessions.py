"""The command `sessions`: who is signed in to the console, and ending a session."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from store import config, database
from store.access import console_sessions, operators
from store.cli.terminal import consent
from store.cli.terminal.lists import Listing, list_options
from store.text.names import EVENT_ID


class SessionId(click.ParamType[str]):
    """The id of a session."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not EVENT_ID.fullmatch(str(value)):
            self.fail("give an id as the list prints it", param, ctx)
        return str(value)


@click.group()
def sessions() -> None:
    """Who is signed in to the console."""


@sessions.command("list")
@list_options(since="Began", has_environment=False)
@consent.reads
def list_sessions(listing: Listing, since: datetime | None) -> None:
    """List the sessions of the console that are open, the last used first."""
    config.settings()
    rows = database.read(lambda connection: console_sessions.listing(connection, since=since, limit=listing.fetched))
    columns = ("id", "person", "right", "began_at", "seen_at", "ends_at")
    listing.show([console_sessions.describe(row) for row in rows], columns, what="session", order="last used")


@sessions.command()
@click.argument("session_id", metavar="ID", type=SessionId())
@consent.changes
def end(session_id: str, yes: bool) -> None:
    """End a session of the console. Its person must sign in again."""
    config.settings()
    by = operators.at_this_terminal()
    says = "Its person must give the token again. Who must not come back: take the token out of the settings as well."
    consent.ask("End the session?", f"{by.name} ends the session {session_id}.", says, yes=yes)
    if not database.write(lambda connection: console_sessions.end(connection, session_id, by=by.name, os_user=by.os_user)):
        raise click.ClickException("no open session has this id")
    click.echo(f"The session {session_id} is ended.", err=True)


commands = [sessions]
