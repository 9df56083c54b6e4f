"""Tables, CSV and JSON lines on a terminal. Vendors' texts are shown, and never interpreted by the terminal."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from store.text.safe_text import as_json as as_json_text
from store.text.safe_text import for_a_sheet, plain

#: Colours of statuses and outcomes: what is good, what waits, what is bad.
COLOURS = {
    "approved": "green", "applied": "green",
    "rejected": "red", "failed": "red", "deleted": "red", "deactivated": "red", "adverse": "bold red",
    "needs_review": "yellow", "resubmission_requested": "yellow", "document_expired": "yellow", "unreadable": "yellow",
}  # fmt: skip

#: Columns of numbers.
RIGHT = ("count", "touched", "bodies")


def print_json(items: Iterable[object]) -> None:
    """Print one JSON object a line."""
    for item in items:
        click.echo(as_json_text(item))


def print_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print some columns as CSV with a header."""
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    writer.writerows([for_a_sheet(_in_words(row[name])) for name in columns] for row in rows)


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print some columns as a table; nothing if there are no rows."""
    if not rows:
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name.replace("_", " "), overflow="fold", justify="right" if name in RIGHT else "left")
    for row in rows:
        table.add_row(*(coloured(_in_words(row[name])) for name in columns))
    console().print(table)


def print_list(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, as_csv: bool) -> None:
    """Print a list: JSON lines with every field, or some columns as CSV or as a table."""
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows, columns)
    else:
        print_table(rows, columns)


def coloured(value: object) -> Text:
    """Return a value as text, in the colour of its status."""
    text = plain(value)
    return Text(text, style=COLOURS.get(text, ""))


def console() -> Console:
    """Return a console as wide as the terminal; in a pipe, as wide as needed."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 220)


def _in_words(value: object) -> object:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
