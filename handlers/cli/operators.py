"""The operator at this terminal: a person, by a token, or else an account of the operating system."""

from __future__ import annotations

from pathlib import Path

import click

from store import audit, tokens
from store.applicants.decisions import Actor
from store.system.environment import Environment


def at_this_terminal(token_file: Path | None) -> Actor:
    """Return who acts: the person whose operator's token the file or STANDING_TOKEN holds, else the account. Raises ClickException,
    and Misconfigured over tokens that would not let a web process start."""
    environment = Environment()
    operators = tokens.read(environment).operator
    presented = _read(token_file) if token_file else environment.text("STANDING_TOKEN")
    environment.check()
    if not presented:
        return Actor(name=audit.user(), by_token=False, os_user=audit.user())
    token = tokens.matching(operators, presented.encode())
    if token is None:
        raise click.ClickException("the token given is none of OPERATOR_TOKENS")
    return Actor(name=token.name, by_token=True, os_user=audit.user())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, ValueError) as error:
        raise click.ClickException(f"the token's file cannot be read ({type(error).__name__})") from error
