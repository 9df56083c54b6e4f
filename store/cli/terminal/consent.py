"""Consent: what each command does (it reads, changes, or runs a part of the service), and the question before a change."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, TypeVar

import click

from store.cli.terminal import broken_pipe

Command = TypeVar("Command", bound=Callable[..., Any])


class Effect(StrEnum):
    """What a command does."""

    #: It changes nothing but the audit log.
    READS = "reads"
    #: It says what it will do, asks unless `--yes` is given, and is recorded in the audit log.
    CHANGES = "changes"
    #: It runs a part of the service, which would do the same without it. It asks nothing.
    RUNS = "runs"


def reads(command: Command) -> Command:
    """Declare that a command reads. Who reads its output may stop at any line."""
    return _declared(command, Effect.READS)


def runs(command: Command) -> Command:
    """Declare that a command runs a part of the service."""
    return _declared(_to_its_end(command), Effect.RUNS)


def changes(command: Command) -> Command:
    """Declare that a command changes something: it gets the option `--yes`, as its argument `yes`."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(_declared(_to_its_end(command), Effect.CHANGES))


def effect_of(command: click.Command) -> Effect:
    """Return what a command does. Raises KeyError if it was not declared."""
    found: Effect = vars(command.callback)["effect"]
    return found


def ask(question: str, *lines: str, yes: bool) -> None:
    """Print what will happen, and ask. Without consent, or without a terminal, the command ends here with exit status 1."""
    for line in lines:
        click.echo(line, err=True)
    if not yes:
        click.confirm(question, abort=True, err=True)


def _to_its_end(command: Command) -> Command:
    """Return a command that is not taken for done once its reader has closed its output."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        with broken_pipe.refused():
            return command(*arguments, **options)

    return run  # type: ignore[return-value]


def _declared(command: Command, effect: Effect) -> Command:
    vars(command)["effect"] = effect
    return command
