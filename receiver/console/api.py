"""The API, asked within this process as the person who is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
from flask import Flask
from werkzeug.test import EnvironBuilder, run_wsgi_app

from receiver.web.auth import CALLER, Caller
from receiver.web.request_id import HEADER, follow_on, request_id
from store.text import traces


class Refused(Exception):
    """The API answered with a problem. `detail` is a sentence of ours; `retry_after` says in how many seconds it may be otherwise."""

    def __init__(self, status: int, problem: dict[str, Any], retry_after: str | None = None) -> None:
        self.status, self.problem, self.retry_after = status, problem, retry_after
        self.detail = str(problem.get("detail", ""))
        super().__init__(self.detail)


@dataclass(frozen=True)
class Api:
    """The API, and the person who asks it. The segments of a path are encoded here; what a query leaves None is left out."""

    app: Flask
    caller: Caller

    def get(self, *segments: str, **query: object) -> Any:
        """Return what the API answers. Raises Refused."""
        return msgspec.json.decode(self.raw("GET", segments, query=query))

    def text(self, *segments: str, **query: object) -> str:
        """Return an answer that is plain text. Raises Refused."""
        return self.raw("GET", segments, query=query).decode()

    def rows(self, *segments: str, **query: object) -> Iterator[dict[str, Any]]:
        """Yield the rows of a list, page after page. Raises Refused."""
        more = True
        while more:
            found = self.get(*segments, **query)
            yield from found["data"]
            more = bool(found.get("next_cursor"))
            query["cursor"] = found.get("next_cursor")

    def post(self, *segments: str, body: dict[str, Any] | None = None, **query: object) -> Any:
        """Have something done; return what the API answers. Raises Refused."""
        return msgspec.json.decode(self.raw("POST", segments, body=body, query=query))

    def put(self, *segments: str, body: dict[str, Any] | None = None, **query: object) -> Any:
        return msgspec.json.decode(self.raw("PUT", segments, body=body, query=query))

    def delete(self, *segments: str, **query: object) -> Any:
        return msgspec.json.decode(self.raw("DELETE", segments, query=query))

    def raw(
        self, method: str, segments: tuple[str, ...], *, body: dict[str, Any] | None = None, query: dict[str, object] | None = None
    ) -> bytes:
        """Return the answer byte for byte. Raises Refused."""
        path = "/v1/" + "/".join(quote(segment, safe="") for segment in segments)
        given = {name: str(value) for name, value in (query or {}).items() if value not in (None, "")}
        builder = EnvironBuilder(
            path="/v1",
            method=method,
            query_string=given,
            data=None if body is None else msgspec.json.encode(body),
            content_type=None if body is None else "application/json",
            headers=[(HEADER, request_id()), *traces.headers().items()],
        )
        content, status, headers = run_wsgi_app(self.app.wsgi_app, builder.get_environ() | {"RAW_URI": path, CALLER: self.caller})
        answer = b"".join(content)
        # The API forgets the request's id and trace at its end, and the page goes on.
        follow_on()
        number = int(status.split(" ", 1)[0])
        if number >= 400:
            raise Refused(number, msgspec.json.decode(answer), headers.get("Retry-After"))
        return answer
