"""Options that commands share."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from store.system import clock
from store.text import safe_text

#: Entries of a history or a list that a terminal is asked to bear.
ROWS_MAX = 500

Command = Callable[..., Any]


class Moment(click.ParamType[datetime]):
    """A time with its zone, or a date alone: that day's beginning in UTC, or its end."""

    name = "time"

    def __init__(self, *, end_of_day: bool = False) -> None:
        self._end_of_day = end_of_day

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        with suppress(ValueError):
            return clock.parse_date(value, end=self._end_of_day)
        try:
            return clock.parse_rfc3339(value)
        except ValueError:
            self.fail("give it as RFC 3339, such as 2026-03-30T12:00:00Z, or as a date, such as 2026-03-30", param, ctx)


MOMENT = Moment()

#: A moment up to which something is looked at: a date alone means all of that day.
MOMENT_AT = Moment(end_of_day=True)


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
        if not safe_text.is_reason(text):
            self.fail(f"give it in 1 to {safe_text.REASON_CHARS_MAX} printable characters, not only spaces", param, ctx)
        return text


REASON = Reason()


class Period(click.ParamType[timedelta]):
    """A number of minutes, hours or days."""

    name = "period"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        try:
            return value if isinstance(value, timedelta) else clock.period(value)
        except ValueError:
            self.fail("give it as a number of minutes, hours or days, such as 90m, 12h or 3d", param, ctx)


PERIOD = Period()


def older_than_option(command: Command) -> Command:
    return click.option("--older-than", type=PERIOD, help="Those that have waited for longer, such as 3d.")(command)


def token_option(command: Command) -> Command:
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="A file that holds your operator's token. STANDING_TOKEN may hold the token itself.",
    )(command)


def environment_option(command: Command) -> Command:
    return click.option(
        "--sandbox", "environment", flag_value="sandbox", default="live", help="Of the sandbox environment; without it, of the live one."
    )(command)


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(command)


def csv_option(command: Command) -> Command:
    return click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a header.")(command)
