"""GET /v1/changes: the change feed, each change once, in commit order; as pages, with long polling, or as a stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response, request
from msgspec import Meta
from sqlalchemy import Connection, Row
from sqlalchemy.exc import SQLAlchemyError

from receiver import config
from receiver.api.feed.change_watcher import ChangeWatcher
from receiver.openapi import feed_schemas
from receiver.web import queries
from receiver.web.auth import Right
from receiver.web.call import PageOf, Text, call
from receiver.web.problems import Problem
from receiver.web.queries import One
from store.applicants import feed
from store.operations import lost_commits
from store.system.deadlines import DeadlineExceeded

blueprint = Blueprint("changes", __name__, url_prefix="/v1")

#: A stream with nothing to tell says so, so that whoever is gone is noticed.
SIGN_OF_LIFE_SECONDS = 15.0
STREAMED_AT_ONCE = 100


class StreamQuery(One, forbid_unknown_fields=True):
    after: Annotated[queries.Text | None, Meta(description="A cursor of the feed, or `latest`: its end. Default: the beginning.")] = None


class ChangesQuery(StreamQuery, forbid_unknown_fields=True):
    limit: queries.Limit = 50
    wait: Annotated[float, Meta(ge=0, le=30, description="Seconds to wait for the next change, if there is none.")] = 0


#: Each event of the stream; `data` holds a change as JSON.
STREAM = Text("text/event-stream", {"type": "array", "items": {"$ref": "#/components/schemas/StreamEvent"}}, feed_schemas.StreamEvent)


@blueprint.get("/changes")
@call(right=Right.READ, query=ChangesQuery, answers=PageOf(feed_schemas.Change))
def list_changes(query: ChangesQuery) -> Response:
    """The change feed: each change once, in commit order. With `wait` it waits for the next change.

    `next_cursor` is always given: on an empty page it is the position reached."""
    epoch, number = _position("query parameter 'after'", query.after)
    rows = _changes_after(number, query)
    more = len(rows) > query.limit
    shown = rows[: query.limit]
    reached = shown[-1].number if shown else number
    lost_commits.seen.showed(epoch, reached, shown[-1].at if shown else None)
    data = [feed.describe_entry(row, epoch) for row in shown]
    return queries.answer({"data": data, "next_cursor": feed.cursor_of(epoch, reached), "has_more": more})


@blueprint.get("/changes/stream")
@call(right=Right.READ, query=StreamQuery, answers=STREAM, request_headers=("Last-Event-ID",))
def stream_changes(query: StreamQuery) -> Response:
    """The change feed as server-sent events, without end: `id` is the cursor, and `Last-Event-ID` (or `after`) resumes from there.

    The first `id` is the position where the stream begins, so that nothing is lost if it is cut before its first change."""
    epoch, number = _position("position to resume from", request.headers.get("Last-Event-ID") or query.after)
    with ExitStack() as stack:
        if not stack.enter_context(_watcher().slot()):
            raise Problem(503, "Too many open streams. Use /v1/changes, or retry later.")
        answer = Response(_streamed(epoch, number, query.environment), content_type=STREAM.media_type)
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back.
        answer.call_on_close(stack.pop_all().close)
    return answer


def _position(what: str, cursor: str | None) -> tuple[str, int]:
    """Return the feed's epoch, and the number to resume from. Raises a problem."""
    try:
        return queries.read(lambda connection: feed.position(connection, cursor))
    except feed.OutOfPlace as error:
        raise Problem(400, f"Invalid {what}: {error}.") from error


def _changes_after(number: int, query: ChangesQuery) -> list[Row[Any]]:
    """Return the next changes. No database connection is held while waiting."""
    with _watcher().slot() as free:
        deadline = time.monotonic() + (query.wait if free else 0)
        seen = number
        while True:
            rows = _after(number, query.environment, query.limit + 1)
            if rows or _watcher().is_over(deadline):
                return rows
            seen = _watcher().wait_beyond(seen, deadline=deadline)


def _streamed(epoch: str, number: int, environment: str) -> Iterator[bytes]:
    """Yield events until the process or the epoch ends, or the database is unavailable: the client reconnects with its last cursor."""
    yield b"id: %s\n\n" % feed.cursor_of(epoch, number).encode()
    seen = number
    while not ChangeWatcher.closing:
        try:
            rows = queries.read(lambda connection: _of_epoch(connection, epoch, number, environment))  # noqa: B023
            for row in rows:
                number = seen = row.number
                lost_commits.seen.showed(epoch, number, row.at)
                entry = msgspec.json.encode(feed.describe_entry(row, epoch))
                yield b"id: %s\nevent: change\ndata: %s\n\n" % (feed.cursor_of(epoch, number).encode(), entry)
            grown = seen if rows else _watcher().wait_beyond(seen, deadline=time.monotonic() + SIGN_OF_LIFE_SECONDS)
        except (SQLAlchemyError, DeadlineExceeded, feed.OutOfPlace):
            return
        if not rows and grown == seen:
            yield b": nothing to tell\n"
        seen = grown


def _of_epoch(connection: Connection, epoch: str, number: int, environment: str) -> list[Row[Any]]:
    """Return the next changes of a stream. Raises OutOfPlace if its epoch has ended."""
    feed.position(connection, feed.cursor_of(epoch, number))
    return feed.after(connection, number, environment=environment, limit=STREAMED_AT_ONCE)


def _after(number: int, environment: str, limit: int) -> list[Row[Any]]:
    return queries.read(lambda connection: feed.after(connection, number, environment=environment, limit=limit))


@cache
def _watcher() -> ChangeWatcher:
    """Return the watcher. At most a quarter of the connections wait: the others are for deliveries and other reads."""
    return ChangeWatcher(lambda: queries.read(feed.last), most=max(1, config.settings().connections // 4))
