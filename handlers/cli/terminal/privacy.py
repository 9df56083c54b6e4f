"""What the commands about personal data share: who acts, which data subject is meant, and how a refusal is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from handlers.cli.terminal import attempts
from store import database
from store.access import operators
from store.access.digests import NoIndexKey, WrongIndexKey
from store.access.operators import Actor
from store.cli.terminal.options import REASON, environment_option
from store.privacy.acts import DataSubject
from store.privacy.attempts import TOO_SMALL_RIGHT
from store.privacy.erasing import erasures
from store.privacy.errors import Refused
from store.privacy.restoring import ledger
from store.text import safe_text
from store.text.counts import counted
from store.text.names import EVENT_ID

Command = Callable[..., Any]


class Id(click.ParamType[str]):
    """The id of an erasure or a hold."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not EVENT_ID.fullmatch(str(value)):
            self.fail("give an id as the list prints it", param, ctx)
        return str(value)


def id_argument(command: Command) -> Command:
    return click.argument("erasure_id", metavar="ID", type=Id())(command)


def reason_option(command: Command) -> Command:
    return click.option("--reason", required=True, type=REASON, help="Why. It is recorded.")(command)


def data_subject_options(command: Command) -> Command:
    """Give a command the options that name its data subject, as its argument `subject`."""

    @wraps(command)
    def about(*, vendor: str | None, reference: str | None, external_user_id: str | None, environment: str, **given: Any) -> Any:
        is_user, is_applicant = external_user_id is not None, vendor is not None and reference is not None
        if is_user == is_applicant or (is_user and vendor):
            raise click.UsageError("name one applicant (VENDOR REFERENCE), or all of a user (--user ID)")
        return command(
            subject=DataSubject(environment=environment, external_user_id=external_user_id, vendor=vendor, reference=reference), **given
        )

    shown: Command = about
    for option in (
        environment_option,
        click.option("--user", "external_user_id", help="All applicants of a user, by your own id."),
        click.argument("reference", required=False),
        click.argument("vendor", required=False),
    ):
        shown = option(shown)
    return shown


def actor(token_file: Path | None) -> Actor:
    """Return who acts: an operator, a privacy officer, or the account."""
    return operators.at_this_terminal(token_file, officers=True)


def officer(token_file: Path | None) -> Actor:
    """Return who acts: a privacy officer, or the account. Where a token is given, an operator's does not do."""
    by = actor(token_file)
    if by.by_token and not by.is_officer:
        attempts.record(by, TOO_SMALL_RIGHT)
        raise click.ClickException("this takes a privacy officer's token, one of PRIVACY_TOKENS")
    return by


def about(subject: DataSubject) -> str:
    """Return the data subject, in a sentence."""
    count = len(database.read(lambda connection: erasures.applicants_of(connection, subject)))
    if subject.external_user_id is None:
        return f"It is about {subject.vendor} {safe_text.plain(subject.reference)} ({subject.environment})."
    return f"It is about user {safe_text.plain(subject.external_user_id)} ({subject.environment}): {counted(count, 'applicant')} known."


@contextmanager
def answering() -> Iterator[None]:
    """Print why an act is refused, and end with exit status 1."""
    try:
        yield
    except (Refused, NoIndexKey, WrongIndexKey, ledger.Unusable) as refused:
        raise click.ClickException(str(refused)) from refused
