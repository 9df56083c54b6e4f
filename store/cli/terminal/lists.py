"""Lists: the options that each list takes, and what it says when rows are cut or none matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import click

from store.cli.terminal.options import MOMENT, ROWS_MAX, Command, csv_option, environment_option, json_option

#: More rows than a database can hold.
ALL = 2**63 - 2

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """How a list is to be printed."""

    as_json: bool
    as_csv: bool
    #: How many rows are printed at most.
    limit: int

    @property
    def fetched(self) -> int:
        """How many rows to read: one more than are printed, so that a cut is noticed."""
        return self.limit + 1

    def show(
        self,
        rows: Rows,
        columns: Sequence[str],
        *,
        what: str,
        order: str = "first",
        environment: str | None = None,
        call: str | None = None,
        as_lines: Callable[[Rows], None] | None = None,
    ) -> None:
        """Print the rows within the limit; on standard error, that some were cut or that none matches.

        `what` names a row. `order` says which rows come first. `environment` is that of the rows; None if the list has no `--sandbox`.
        `call` is the API's that pages through all. `as_lines` prints the rows for a person, in place of a table."""
        from store.cli.terminal import tables

        printed = rows[: self.limit]
        if as_lines and not self.as_json and not self.as_csv:
            as_lines(printed)
        else:
            tables.print_list(printed, columns, as_json=self.as_json, as_csv=self.as_csv)
        if len(rows) > self.limit:
            say_cut(self.limit, order, call)
        elif not rows:
            hint = " (--sandbox looks into the sandbox)" if environment == "live" else ""
            click.echo(f"No {what} matches the filter{hint}.", err=True)


def say_cut(limit: int, order: str, call: str | None) -> None:
    """Print on standard error which rows were printed, and how to see more."""
    hints = [f"--limit, up to {ROWS_MAX}"] if limit < ROWS_MAX else []
    hints += [f"GET {call} pages through all"] if call else []
    how = f" ({'; '.join(hints)})" if hints else ""
    click.echo(f"These are the {order} {limit}; there are more{how}.", err=True)


def list_options(*, since: str | None, has_environment: bool = True, limit: int | None = 50) -> Callable[[Command], Command]:
    """Give a list its options: it takes `listing`, and where its rows have them `environment` and `since` (None if not given).

    `since` is the beginning of the option's help, and says which time of a row is meant. A `limit` of None lists all rows unless the option
    is given."""

    def add(command: Command) -> Command:
        @wraps(command)
        def listed(*arguments: Any, as_json: bool, as_csv: bool, limit: int | None, **given: Any) -> Any:
            return command(*arguments, listing=Listing(as_json=as_json, as_csv=as_csv, limit=limit or ALL), **given)

        shown: Command = listed
        for option in _options(since, has_environment, limit):
            shown = option(shown)
        return shown

    return add


def limit_option(limit: int | None = 50) -> Callable[[Command], Command]:
    return click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=limit, show_default=True, help="At most so many.")


def _options(since: str | None, has_environment: bool, limit: int | None) -> list[Callable[[Command], Command]]:
    """Return the options, the last first."""
    moment: Callable[[Command], Command] = click.option(
        "--since", type=MOMENT, help=f"{since} at this moment or later (RFC 3339, or a date)."
    )
    of_rows = [*([environment_option] if has_environment else []), *([moment] if since else [])]
    return [csv_option, json_option, *of_rows, limit_option(limit)]
