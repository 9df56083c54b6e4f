"""Web addresses that Standing calls: what is allowed in one, and under which title it is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

#: A longer part of a path may be a secret; it is shown by its beginning.
PART_CHARS_MAX, PART_CHARS_SHOWN = 20, 4
#: The title must fit into the database's column.
TITLE_CHARS_MAX = 180

NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,39})=(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class NamedAddress:
    """An address, and the name that the owner gave it, if any."""

    url: str
    name: str | None = None

    @property
    def title(self) -> str:
        """Return the name; without one, the host and the path. The query is left out, and long parts of the path are cut."""
        return self.name or title_of(self.url)


def named(text: str, *, plain_http: bool) -> NamedAddress:
    """Return the address of `https://…` or `name=https://…`. Raises ValueError, which says what is wrong."""
    given = NAMED.fullmatch(text)
    name, url = given.groups() if given else (None, text)
    return NamedAddress(url=web_address(url, plain_http=plain_http), name=name)


def repeated(addresses: Sequence[NamedAddress]) -> str | None:
    """Return what two of the addresses have in common that must differ; None if nothing."""
    if len({same(one.url) for one in addresses}) < len(addresses):
        return "names an address twice"
    names = [one.name.lower() for one in addresses if one.name]
    return "gives two addresses one name" if len(set(names)) < len(names) else None


def title_of(url: str) -> str:
    """Return the host and the path of an address."""
    parts = urlsplit(url)
    path = "/".join(part if len(part) < PART_CHARS_MAX else f"{part[:PART_CHARS_SHOWN]}…" for part in parts.path.split("/"))
    return f"{parts.netloc}{path.rstrip('/')}"[:TITLE_CHARS_MAX]


def web_address(text: str, *, plain_http: bool) -> str:
    """Return a URL that can be called: https, or http where that is allowed. Raises ValueError, which says what is wrong."""
    url = urlsplit(text)
    if url.scheme not in (("https", "http") if plain_http else ("https",)):
        raise ValueError("does not begin with https:// (NOTIFY_PLAIN_HTTP=yes allows http://)")
    if not url.hostname or "@" in url.netloc or url.fragment:
        raise ValueError("must name a host, and neither credentials nor a fragment")
    _ = url.port  # Raises ValueError itself.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("has letters that a URL cannot have")
    return text


def same(url: str) -> tuple[object, ...]:
    """Return what two spellings of one address have in common."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    return parts.scheme, parts.hostname, port, parts.path or "/", parts.query
