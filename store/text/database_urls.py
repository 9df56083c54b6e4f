"""Database URLs: what is wrong with one, without repeating any of it, and which hosts it names. It may hold a password."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url

from store.text import service_hosts
from store.text.service_hosts import Host, is_file, is_folder, is_host, is_port

SQLITE, POSTGRESQL = ("sqlite", "sqlite+pysqlite"), ("postgresql", "postgresql+psycopg")

#: Options of PostgreSQL that take one of a few words.
WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
}

#: Options of PostgreSQL that name a file, and the words that stand for none.
FILES = {"sslrootcert": ("system",), "sslcert": (), "sslkey": (), "sslcrl": (), "passfile": ()}

#: The parts of a URL with a list of hosts, which SQLAlchemy takes for one host, or with a socket's folder as its host.
_LISTED = re.compile(
    r"(?P<scheme>postgresql(?:\+psycopg)?)://(?P<user>[^:/@]*(?::[^@]*)?@)?(?P<hosts>[^/?@]*(?:,|%2F)[^/?@]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?",
    re.IGNORECASE,
)


def of_sqlite(path: Path) -> str:
    """Return the URL of an SQLite file, whatever its path holds."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def for_sqlalchemy(text: str) -> str:
    """Return a database's URL as SQLAlchemy spells it: libpq's list of hosts becomes the options `host` and `port`."""
    text = re.sub(r"^postgres://", "postgresql://", text)
    match = _LISTED.fullmatch(text)
    if match is None or re.search(r"(^|&)(host|port)=", match["query"] or ""):
        return text
    try:
        hosts = service_hosts.read(match["hosts"])
    except ValueError:
        return text
    listed = URL.create(
        "postgresql", query={"host": ",".join(host.name for host in hosts), "port": ",".join(host.port or "5432" for host in hosts)}
    )
    options = "&".join(part for part in (listed.render_as_string().partition("?")[2], match["query"]) if part)
    return f"{match['scheme']}://{match['user'] or ''}{match['path'] or '/'}?{options}"


def hosts(url: URL) -> list[Host]:
    """Return the hosts that a URL of PostgreSQL names, in its order."""
    options = _options(url)
    names = str(options.get("host") or options.get("hostaddr") or "").split(",")
    ports = str(options.get("port") or "").split(",")
    return [Host(name=name, port=port) for name, port in zip(names, ports if len(ports) > 1 else ports * len(names), strict=True)]


def shown(text: str) -> str:
    """Return a database's URL without its user, its password and its options."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        return text
    return f"{url.drivername}://{','.join(str(host) for host in hosts(url) if host.name)}/{url.database or ''}"


def fault(text: str) -> str | None:
    """Return what is wrong with a database's URL; None if it can be used."""
    try:
        url = make_url(text)
    except Exception:  # SQLAlchemy lets through what int() and others raise; whatever it is, the URL cannot be read.
        return "is not a database URL"
    if url.drivername not in (*SQLITE, *POSTGRESQL):
        return "must begin with sqlite:/// or postgresql://"
    if "plugin" in url.query:
        return "has the option plugin, which is not known here"
    return _sqlite_fault(url) if url.drivername in SQLITE else _postgresql_fault(url)


def _sqlite_fault(url: URL) -> str | None:
    if url.database in (None, "", ":memory:") or "mode" in url.query:
        return "must name a file: several processes share the database"
    if url.host or url.query:
        return "must be sqlite:/// and a path alone, without a host and without options"
    if "\0" in str(url.database) or is_folder(str(url.database)):
        return "must name a file"
    return None


def _postgresql_fault(url: URL) -> str | None:
    if url.port == 0:
        return "has a port that is none"
    try:
        # Loaded here: it is an extra of the package, which SQLite does without.
        from psycopg import ProgrammingError
        from psycopg.conninfo import make_conninfo
    except ImportError:
        return "is a URL of PostgreSQL, and its client is not installed: pip install 'psycopg[binary]' (the extra postgres)"
    try:
        options = _options(url)
        named = hosts(url)
        # The library that connects judges the names of options, and speaks of no values.
        make_conninfo(**options)
    except ProgrammingError:
        return "has an option that PostgreSQL's client does not know"
    except Exception:  # Whatever it is, the URL cannot be used.
        return "is not a database URL"
    if not all(host.name.startswith(("/", "@")) or is_host(host.name) for host in named if host.name or len(named) > 1):
        return "names a host that cannot be one"
    return next((found for name, value in options.items() if (found := _option_fault(name, str(value)))), None)


def _options(url: URL) -> dict[str, Any]:
    """Return the options with which PostgreSQL's client connects."""
    _, options = url.get_dialect()().create_connect_args(url)
    return dict(options)


def _option_fault(name: str, value: str) -> str | None:
    if "\0" in value:
        return "contains a NUL"
    if name == "port" and not all(is_port(port) for port in value.split(",")):
        return "has a port that is none"
    if name in FILES and value not in FILES[name] and not is_file(value):
        return f"names no file in its option {name}"
    if name == "connect_timeout" and re.fullmatch(r"[0-9]{1,6}", value) is None:
        return "has the option connect_timeout with a value that it cannot have"
    if name in WORDS and value not in WORDS[name]:
        return f"has the option {name} with a value that it cannot have"
    return None
