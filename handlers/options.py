"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from store import clock

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


class Reason(click.ParamType[str]):
    """Why somebody does something, for others to read."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not 0 < len(text) <= REASON_CHARS_MAX or not text.isprintable():
            self.fail(f"give it in 1 to {REASON_CHARS_MAX} printable characters", param, ctx)
        return text


REASON = Reason()


def environment_option(command: Command) -> Command:
    return click.option(
        "--sandbox", "environment", flag_value="sandbox", default="live", help="Of the sandbox; without it, of the live world."
    )(command)


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")(command)


def csv_option(command: Command) -> Command:
    return click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a header.")(command)


def limit_option(command: Command) -> Command:
    return click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=50, show_default=True, help="At most so many.")(command)
