"""Ids in paths are percent-encoded, and may contain what a path uses itself.

WSGI decodes a path before routing, so that an encoded slash would split an id. Here it is kept encoded until the
route is found; the converter `name` then decodes the id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from flask import Flask
from werkzeug.routing import BaseConverter


class NameConverter(BaseConverter):
    """A name of the vendor's or of yours. Whether it can be one at all is asked after the caller's right."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        return unquote(value)

    def to_url(self, value: str) -> str:
        return quote(value, safe="")


def keep_encoded_slashes(app: Flask) -> None:
    """Let an application route before it decodes ids."""
    app.url_map.converters["name"] = NameConverter
    inner = app.wsgi_app

    def outer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raw = environ.get("RAW_URI")
        if raw:
            path = urlsplit(raw).path if "://" in raw.partition("?")[0] else raw.partition("?")[0]
            kept = path.replace("%25", "%2525").replace("%2F", "%252F").replace("%2f", "%252F")
            environ["PATH_INFO"] = unquote_to_bytes(kept.encode("latin-1", "replace")).decode("latin-1")
        return inner(environ, start_response)

    app.wsgi_app = outer  # type: ignore[method-assign]
