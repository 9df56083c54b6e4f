"""The call decorator: which right a call needs, which query and body it takes, and what it answers. `/openapi.json` is built from it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any

from flask import Response, request
from msgspec import Struct
from sqlalchemy import Connection

from receiver.web import attempts, auth, cursors, queries, uploads
from receiver.web.auth import Caller, Right
from receiver.web.problems import Problem
from receiver.web.queries import Nothing, Number
from store.access import audit
from store.config import settings
from store.inbox import wakeup

#: What a view may take besides the names in its path.
PARTS = ("caller", "query", "body", "after")


@dataclass(frozen=True)
class ListOf:
    """All entries at once: `{"data": […]}`. The view returns them."""

    entry: type[Struct]


@dataclass(frozen=True)
class PageOf(ListOf):
    """A page of a list. The view returns rows, one more than the limit if there are more, or makes the page itself."""

    #: The position of a row, for the cursor, and the row as the caller sees it.
    place: Callable[[Any], list[Any]] = list
    describe: Callable[[Any], dict[str, Any]] = dict
    #: The type of a position, and the one that a page without a cursor follows; None: it begins the list.
    after: Any = tuple[Number]
    start: Any = None
    #: Fields of the answer besides those of a page. The view then returns the rows, and these fields.
    extra_fields: type[Struct] | None = None


@dataclass(frozen=True)
class Text:
    """Anything but JSON. The view returns the whole response."""

    media_type: str
    schema: dict[str, Any]
    #: The type of what the text holds, if the schema refers to one.
    entry: type[Struct] | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call of the API: what it needs, takes and answers. It decorates the view that does the work."""

    #: None: every caller may call.
    right: Right | None
    answers: type[Struct] | ListOf | Text
    #: None: whatever the query holds is ignored.
    query: type[Struct] | None = Nothing
    body: type[Struct] | None = None
    #: The body may be multipart: its first part is the JSON, and the others are files. Then the view gets no `body`, and reads it itself.
    takes_uploads: bool = False
    #: The view reads the body itself, byte for byte.
    takes_bytes: bool = False
    #: The view changes something; a worker is woken after the commit.
    writes: bool = False
    wakes: bool = False
    #: How the audit log names what a plain look-up is about, by the path and the query, if AUDIT_READS asks for it.
    audit_subject: Callable[[Mapping[str, str], Any], str] | None = None
    #: The same, by the answer: what the path names is neither an applicant nor a person.
    audit_subject_of: Callable[[Any], str] | None = None
    #: What the query names, by its parameter: a failed attempt is recorded about that.
    named_in_query: Mapping[str, str] = field(default_factory=dict)
    #: What the 404 says.
    unknown: str = "There is nothing here."
    #: A token shows more, and is not needed.
    optional_token: bool = False
    #: 202: the work is done later.
    status: int = 200
    #: Statuses besides success and the problems that follow from the rest.
    other_statuses: tuple[int, ...] = ()
    #: Statuses whose content is that of success, and what they mean.
    statuses_with_content: Mapping[int, str] = field(default_factory=dict)
    #: Headers that the call reads, and that its answer has.
    request_headers: tuple[str, ...] = ()
    response_headers: tuple[str, ...] = ()

    def __call__(self, view: Callable[..., Any]) -> Callable[..., Response]:
        """Make a view a call of the API. Of `PARTS` the view gets those that it names.

        A view whose first argument is `connection` runs in one transaction, within the time that `queries` allows, and may be run twice.
        Where it returns None the answer is 404."""
        arguments = inspect.signature(view).parameters
        named = [part for part in PARTS if part in arguments]

        def answered(caller: Caller | None, path: dict[str, str]) -> Response:
            parts = self.parts(caller)
            work: Callable[..., Any] = partial(view, **path, **{name: parts[name] for name in named})
            if caller and settings().audit_reads and self.audit_subject_of:
                work = _recorded(work, caller, self.audit_subject_of)
            elif caller and settings().audit_reads and self.audit_subject:
                subject = self.audit_subject(path, parts["query"])
                work = _recorded(work, caller, lambda _: subject)
            return self.answer(self.transaction(work) if "connection" in arguments else work(), parts["query"])

        takes_its_path_alone = not named and "connection" not in arguments and self.query is None and self.body is None

        @wraps(view)
        def run(**path: str) -> Response:
            if self.right is None:
                return self.answer(view(**path), None) if takes_its_path_alone else answered(None, path)
            caller = auth.caller_of(self.right)
            asked = {kind: request.args[name] for name, kind in self.named_in_query.items() if name in request.args}
            with attempts.recorded(caller, path | asked):
                return answered(caller, path)

        run.__dict__["call"] = self
        return run

    def parts(self, caller: Caller | None) -> dict[str, Any]:
        """Return what a view may take. Raises a problem: first for the right, then for the query, then for the body."""
        if self.right and caller:
            auth.check(caller, self.right)
        query = queries.query(self.query) if self.query else None
        pages = self.answers if isinstance(self.answers, PageOf) else None
        after = _place(query, pages) if pages and query else None
        body = queries.body(self.body) if self.body and not (self.takes_uploads and uploads.is_one()) else None
        return {"caller": caller, "query": query, "after": after, "body": body}

    def transaction(self, work: Callable[[Connection], Any]) -> Any:
        """Return what the work returns, committed if it writes."""
        writes = self.writes or (bool(self.audit_subject or self.audit_subject_of) and settings().audit_reads)
        result = (queries.write if writes else queries.read)(work)
        if self.wakes and result is not None:
            wakeup.notify()
        return result

    def answer(self, result: Any, query: Any) -> Response:
        """Return the response for a view's result. Raises a problem where there is none."""
        if isinstance(result, Response):
            return result
        if result is None:
            raise Problem(404, self.unknown)
        if isinstance(self.answers, PageOf):
            rows, extra_fields = result if self.answers.extra_fields else (result, {})
            return queries.page(rows, query.limit, place=self.answers.place, describe=self.answers.describe, extra_fields=extra_fields)
        answer = queries.answer({"data": result} if isinstance(self.answers, ListOf) else result, self.status)
        return _conditional(answer) if "ETag" in self.response_headers else answer


def _place(query: Struct, pages: PageOf) -> Any:
    """Return the place that a query's cursor names, or where the list begins. Raises a problem."""
    cursor = getattr(query, "cursor", None)
    try:
        return pages.start if cursor is None else cursors.decode(cursor, pages.after)
    except ValueError as error:
        raise queries.wrong("cursor") from error


def _recorded(work: Callable[..., Any], caller: Caller, subject_of: Callable[[Any], str]) -> Callable[..., Any]:
    """Return work that also records who looked, if there is anything to see: the filters of an empty list may name the erased."""

    def recorded(connection: Connection) -> Any:
        result = work(connection)
        if result:
            audit.write(connection, actor=caller.name, action=audit.LOOKED_UP, subject=subject_of(result)[: audit.SUBJECT_CHARS_MAX])
        return result

    return recorded


def _conditional(answer: Response) -> Response:
    answer.add_etag()
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.make_conditional(request)
    return answer


#: `@call(right=…, query=…, body=…, answers=…)` stands over a view.
call = Call


def call_of(view: object) -> Call:
    """Return the call that decorates a view."""
    made: Call = vars(view)["call"]
    return made
