"""Operators and privacy officers: who acts at this terminal. A token proves a person; an account of the operating system does not."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import NamedTuple

import click

from store.access import tokens
from store.system.environment import Environment


class Actor(NamedTuple):
    """The person who acts: the name of a token, or an account of the operating system, which proves no person."""

    name: str
    by_token: bool
    os_user: str | None = None
    #: The token is one of PRIVACY_TOKENS.
    is_officer: bool = False


class UnknownToken(click.ClickException):
    """The given token belongs to no person who may act here, or cannot be read. The message says which."""


def at_this_terminal(token_file: Path | None = None, *, officers: bool = False) -> Actor:
    """Return who acts: the person whose operator's token the file or STANDING_TOKEN holds, else the account.

    `officers`: a privacy officer's token will do, too. Raises UnknownToken, and Misconfigured over tokens that would not let a web process
    start."""
    environment = Environment()
    presented = _read(token_file) if token_file else environment.text("STANDING_TOKEN")
    if not presented:
        environment.check()
        return Actor(name=account(), by_token=False, os_user=account())
    known = tokens.read(environment)
    environment.check()
    for right, is_officer in ((known.operator, False), (known.privacy if officers else (), True)):
        token = tokens.matching(right, presented.encode())
        if token is not None:
            return Actor(name=token.name, by_token=True, os_user=account(), is_officer=is_officer)
    lists = "OPERATOR_TOKENS or PRIVACY_TOKENS" if officers else "OPERATOR_TOKENS"
    raise UnknownToken(f"the token given is none of {lists}")


def account() -> str:
    """Return the account at this terminal, as the system knows it; environment variables can hold anything."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # In a container there may be a number without a name.
        return f"uid {os.getuid()}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig").strip()
    except (OSError, ValueError) as error:
        raise UnknownToken(f"the token's file cannot be read ({type(error).__name__})") from error
