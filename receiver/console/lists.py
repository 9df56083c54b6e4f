"""Lists: filters in the address, columns, pages, and the same rows as CSV. The rows are those of one call of the API."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from flask import Response, g, request

from receiver.console import rendering
from receiver.console.api import Refused
from store.text.safe_text import for_a_sheet

Row = dict[str, Any]

#: Rows of a page, of a page that the CSV reads, and of a CSV.
ROWS, CSV_PAGE, CSV_ROWS_MAX = 50, 500, 10_000

#: What a browser's field for a time gives: without a zone, which is UTC here; and a day.
_LOCAL_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d)(:\d\d(?:\.\d{1,6})?)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A condition that a person may set: a parameter of the API's call."""

    name: str
    label: str
    #: The values that there are; none: any text.
    choices: tuple[str, ...] = ()
    is_time: bool = False
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A field of each row."""

    name: str
    label: str
    #: How it is shown: text, time, status, code (with a button that copies it), number, proof (a link that downloads it; no CSV has it).
    kind: str = "text"
    #: The page about it; None: no page.
    link: Callable[[Row], str | None] = lambda row: None


@dataclass(frozen=True, kw_only=True)
class ListPage:
    """A list: which call has its rows, and how it is shown."""

    title: str
    #: The segments of the API's path.
    call: tuple[str, ...]
    columns: tuple[Column, ...]
    #: What the page is about, in a sentence; and what would be here, where there is no row.
    about: str
    empty: str
    #: The command that shows the same.
    command: str
    filters: tuple[Filter, ...] = ()
    #: Parameters that each call has.
    always: dict[str, str] = field(default_factory=dict)
    #: Whether the call takes a cursor and a limit; and an environment.
    has_pages: bool = True
    has_environment: bool = True
    template: str = "list.html"
    #: What a row is before it is shown, or written as CSV.
    prepare: Callable[[Row], Row] = lambda row: row


def show(wanted: ListPage, **content: Any) -> Response:
    """Return a list as a page, or as CSV where the address says `format=csv`. What is wrong with a filter is said on the page."""
    if request.args.get("format") == "csv":
        return _as_csv(wanted)
    try:
        found = g.api.get(*wanted.call, **_query(wanted, limit=ROWS, cursor=request.args.get("cursor")))
    except Refused as refused:
        if refused.status != 400:
            raise
        return rendering.page(wanted.template, 400, list=wanted, rows=[], wrong=refused.detail, given=_given(wanted), more=None, **content)
    cursor, rows = found.get("next_cursor"), [wanted.prepare(row) for row in found["data"]]
    more = rendering.here(cursor=cursor) if cursor else None
    return rendering.page(wanted.template, list=wanted, rows=rows, given=_given(wanted), more=more, wrong="", **content)


def _query(wanted: ListPage, **page: object) -> dict[str, object]:
    """Return the parameters of the list's call, with those of a page if it takes them."""
    query: dict[str, object] = dict(wanted.always)
    query |= {one.name: _value(one, request.args.get(one.name, "")) for one in wanted.filters}
    if wanted.has_environment:
        query["environment"] = rendering.environment()
    return query | (page if wanted.has_pages else {})


def moment(text: str) -> str:
    """Return what a field for a time holds, which is UTC, as the API takes it; any other text as it is."""
    if _DAY.fullmatch(text):
        return f"{text}T00:00:00Z"
    local = _LOCAL_TIME.fullmatch(text)
    return f"{local[1]}{local[2] or ':00'}Z" if local else text


def _given(wanted: ListPage) -> dict[str, str]:
    return {one.name: request.args[one.name] for one in wanted.filters if request.args.get(one.name)}


def _value(one: Filter, text: str) -> str:
    return moment(text.strip()) if one.is_time else text.strip()


def _as_csv(wanted: ListPage) -> Response:
    file = io.StringIO()
    writer = csv.writer(file)
    columns = [column for column in wanted.columns if column.kind != "proof"]
    writer.writerow([column.name for column in columns])
    for row in map(wanted.prepare, islice(g.api.rows(*wanted.call, **_query(wanted, limit=CSV_PAGE)), CSV_ROWS_MAX)):
        writer.writerow([for_a_sheet(rendering.words(row.get(column.name))) for column in columns])
    return rendering.file(file.getvalue(), f"{'-'.join(wanted.call)}.csv", "text/csv; charset=utf-8")
