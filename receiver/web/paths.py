"""Ids in paths are percent-encoded, and may contain the characters of a path.

WSGI decodes a path before routing, so an encoded slash would split an id. Here it stays encoded until the route is found; the
converter `name` then decodes the id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

from flask import Flask
from werkzeug.routing import BaseConverter

#: What stands before the path when a request names its whole URL.
_ABSOLUTE = re.compile(r"^https?://[^/?]*", re.IGNORECASE)

#: A target that is its own path.
_PLAIN = re.compile(r"/[A-Za-z0-9_.-][A-Za-z0-9/_.-]*")


class NameConverter(BaseConverter):
    """A name of the vendor's or of yours. Whether it can be a name is checked after the caller's right."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        # What is no UTF-8 becomes a text that cannot be stored, and is found nowhere.
        return unquote(value, errors="surrogateescape")

    def to_url(self, value: str) -> str:
        return quote(value, safe="")


def keep_encoded_slashes(app: Flask) -> None:
    """Make an application route before it decodes ids."""
    app.url_map.converters["name"] = NameConverter
    inner = app.wsgi_app

    def outer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raw = environ.get("RAW_URI")
        if raw:
            environ["PATH_INFO"] = raw if _PLAIN.fullmatch(raw) else _routed(raw)
        return inner(environ, start_response)

    app.wsgi_app = outer  # type: ignore[method-assign]


def _routed(raw: str) -> str:
    """Return the path of a request's target, with its slashes still encoded."""
    path = _ABSOLUTE.sub("", raw).partition("?")[0]
    # The router would take any number of slashes at the beginning for one.
    path = re.sub(r"^/(?=/)", "/%2F", path)
    # Encoded once more: what a path uses itself, and bytes that are no ASCII, which WSGI would replace if they are no UTF-8.
    kept = re.sub(r"%(?=25|2[Ff]|[89A-Fa-f][0-9A-Fa-f])", "%25", path)
    return unquote_to_bytes(kept.encode("latin-1", "replace")).decode("latin-1")
