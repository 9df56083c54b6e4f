"""Options that commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from store.system import clock

#: Entries of a history or a list that a terminal is asked to bear.
ROWS_MAX = 500

Command = Callable[..., Any]


class Moment(click.ParamType[datetime]):
    """A time with its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return value if isinstance(value, datetime) else clock.parse_rfc3339(value)
        except ValueError:
            self.fail("give it as RFC 3339, such as 2026-03-30T12:00:00Z", param, ctx)


MOMENT = Moment()


#: How long a reason may be that somebody gives for an act.
REASON_CHARS_MAX = 1000


class Rate(click.ParamType[float]):
    """A number a second, within bounds; no NaN, no infinity."""

    name = "number"

    def __init__(self, least: float, most: float) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not self._least <= number <= self._most:
            self.fail(f"give a number from {self._least:g} to {self._most:g}", param, ctx)
        return number


#: How many changes a command may be allowed: what the database's columns can hold.
CHANGES_MAX = click.IntRange(0, 2**31 - 1)


class Reason(click.ParamType[str]):
    """Why somebody does something, for others to read."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not 0 < len(text) <= REASON_CHARS_MAX or not text.isprintable():
            self.fail(f"give it in 1 to {REASON_CHARS_MAX} printable characters", param, ctx)
        return text


REASON = Reason()


def token_option(command: Command) -> Command:
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file that holds your operator's token. STANDING_TOKEN may hold the token itself.",
    )(command)


def environment_option(command: Command) -> Command:
    return click.option(
        "--sandbox", "environment", flag_value="sandbox", default="live", help="Of the sandbox; without it, of the live world."
    )(command)


def yes_option(command: Command) -> Command:
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(command)


def csv_option(command: Command) -> Command:
    return click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a header.")(command)


def limit_option(command: Command) -> Command:
    return click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=50, show_default=True, help="At most so many.")(command)
