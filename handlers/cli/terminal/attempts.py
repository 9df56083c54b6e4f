"""What a command may not show, or may not do with the token given, is refused, and the audit log records the attempt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

from store import database
from store.access import operators
from store.access.operators import Actor, UnknownToken
from store.applicants.visibility import Hidden, Restricted
from store.privacy import attempts
from store.privacy.attempts import Attempt
from store.text.states import VendorEnvironment


def is_officer() -> bool:
    """Return whether a privacy officer's token is given. Neither an account nor another token proves a privacy officer."""
    try:
        return operators.at_this_terminal(officers=True).is_officer
    except UnknownToken:
        return False


@contextmanager
def recorded(by: Actor | None = None, *, environment: str | None = None, names: Mapping[str, str] | None = None) -> Iterator[None]:
    """Record what the command is refused to show, print why, and end with exit status 1.

    `by`: who acts, unless that is who is at this terminal. `environment`: of what is asked for, unless an option names it. `names`: what
    is asked for, unless the command's arguments are named after it."""
    try:
        yield
    except Hidden as hidden:
        record(by or operators.at_this_terminal(officers=True), hidden.kind, environment=environment, names=names)
        raise click.ClickException(f"{hidden}{', by STANDING_TOKEN' if isinstance(hidden, Restricted) else ''}") from hidden


def record(by: Actor, cause: str, *, environment: str | None = None, names: Mapping[str, str] | None = None) -> None:
    """Record that the current command was refused."""
    context = click.get_current_context()
    attempt = Attempt(
        actor=by.name,
        os_user=by.os_user,
        call=context.command_path,
        names=context.params if names is None else names,
        environment=environment or context.params.get("environment") or VendorEnvironment.LIVE,
        cause=cause,
    )
    attempts.record(attempt, read=database.read, write=database.write)
