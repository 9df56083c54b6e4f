"""Consent: what each command does (it reads, changes, or runs a part of the service), and the question before a change."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import click

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
    """Declare that a command reads."""
    return _declared(command, Effect.READS)


def runs(command: Command) -> Command:
    """Declare that a command runs a part of the service."""
    return _declared(command, Effect.RUNS)


def changes(command: Command) -> Command:
    """Declare that a command changes something: it gets the option `--yes`, as its argument `yes`."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(_declared(command, Effect.CHANGES))


def effect_of(command: click.Command) -> Effect:
    """Return what a command does. Raises KeyError if it was not declared."""
    found: Effect = vars(command.callback)["effect"]
    return found


def ask(question: str, *lines: str, yes: bool) -> None:
    """Print what will happen, and ask. Without consent, or with nobody to ask, the command ends here with exit status 1."""
    for line in lines:
        click.echo(line, err=True)
    if not yes:
        click.confirm(question, abort=True, err=True)


def _declared(command: Command, effect: Effect) -> Command:
    vars(command)["effect"] = effect
    return command
