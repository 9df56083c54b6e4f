"""Service URLs: what is wrong with the URL of a database, a queue or a service, without repeating any of it.

A URL may hold a password.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

from redis import ConnectionPool
from sqlalchemy import URL, make_url

SQLITE, POSTGRESQL = ("sqlite", "sqlite+pysqlite"), ("postgresql", "postgresql+psycopg")

#: A Unix socket's path must fit into sockaddr_un; Linux allows 107 bytes.
SOCKET_PATH_BYTES_MAX = 107

#: The options of a queue's URL that mean something here, and when a value of each is right.
REDIS_OPTIONS: dict[str, Callable[[str], bool]] = {
    "db": lambda text: re.fullmatch(r"[0-9]{1,9}", text) is not None,
    "username": lambda _: True,
    "password": lambda _: True,
    "client_name": lambda text: re.fullmatch(r"[!-~]+", text) is not None,
    "protocol": lambda text: text in ("2", "3"),
    "socket_timeout": lambda text: _is_duration(text),
    "socket_connect_timeout": lambda text: _is_duration(text),
    "socket_keepalive": lambda text: _is_boolean(text),
    "health_check_interval": lambda text: re.fullmatch(r"[0-9]{1,9}", text) is not None,
    "max_connections": lambda text: re.fullmatch(r"[1-9][0-9]{0,8}", text) is not None,
}
TLS_OPTIONS: dict[str, Callable[[str], bool]] = {
    "ssl_cert_reqs": lambda text: text in ("none", "optional", "required"),
    "ssl_check_hostname": lambda text: _is_boolean(text),
    "ssl_ca_certs": lambda text: _is_file(text),
    "ssl_ca_path": lambda text: _is_folder(text),
    "ssl_certfile": lambda text: _is_file(text),
    "ssl_keyfile": lambda text: _is_file(text),
    "ssl_password": lambda _: True,
}

#: Options of PostgreSQL that take one of a few words.
POSTGRESQL_WORDS = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "channel_binding": ("disable", "prefer", "require"),
    "gssencmode": ("disable", "prefer", "require"),
}


def of_sqlite(path: Path) -> str:
    """Return the URL of an SQLite file, whatever its path holds."""
    return URL.create("sqlite", database=str(path)).render_as_string()


def of_socket(path: Path) -> str:
    """Return the URL of a queue on a Unix socket, whatever its path holds."""
    return f"unix://{quote(str(path))}"


def redis_fault(text: str) -> str | None:
    """Return what is wrong with a queue's URL; None if it can be used."""
    if re.match(r"(redis|rediss|unix)://", text) is None:
        return "must be a URL of redis://, rediss:// or unix://"
    try:
        url = urlsplit(text)
        port, host = url.port, unquote(url.hostname or "")
    except ValueError:
        return "is no URL: its host or port cannot be read (a password's '@', ':', '/' and '#' are to be percent-encoded)"
    if port == 0:
        return "names the port 0"
    fault = _socket_fault(unquote(url.path), host) if url.scheme == "unix" else _server_fault(unquote(url.path), host)
    return fault or _options_fault(url.query, url.scheme) or _pool_fault(text)


def database_fault(text: str) -> str | None:
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


def _socket_fault(path: str, host: str) -> str | None:
    if host not in ("", "localhost"):
        return "must name a socket by its whole path, after three slashes"
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        return "must be a URL of redis://, rediss:// or unix://, the last with the path of a socket"
    if len(path.encode(errors="replace")) > SOCKET_PATH_BYTES_MAX:
        return f"names a socket whose path is longer than {SOCKET_PATH_BYTES_MAX} bytes"
    return None


def _server_fault(path: str, host: str) -> str | None:
    if host and not _is_host(host):
        return "names a host that cannot be one"
    if re.fullmatch(r"/?[0-9]{0,9}", path) is None:
        return "has a path that is no database's number"
    return None


def _options_fault(query: str, scheme: str) -> str | None:
    known = REDIS_OPTIONS | (TLS_OPTIONS if scheme == "rediss" else {})
    for name, values in parse_qs(query, keep_blank_values=True).items():
        if name not in known:
            return f"has an option that is not known here; known are {', '.join(known)}"
        if not all(known[name](value) for value in values):
            return f"has the option {name} with a value that it cannot have"
    return None


def _pool_fault(text: str) -> str | None:
    """Return what the client library itself refuses, although the URL looked right."""
    try:
        pool = ConnectionPool.from_url(text)
        pool.connection_class(**pool.connection_kwargs)
    except Exception:  # The client raises what it likes over its options; all of it is the URL's.
        return "has options that cannot be used"
    return None


def _sqlite_fault(url: URL) -> str | None:
    if url.database in (None, "", ":memory:") or "mode" in url.query:
        return "must name a file: several processes share the database"
    if url.host or url.query:
        return "must be sqlite:/// and a path alone, without a host and without options"
    if "\0" in str(url.database) or _is_folder(str(url.database)):
        return "must name a file"
    return None


def _postgresql_fault(url: URL) -> str | None:
    if url.port == 0:
        return "has a port that is none"
    if url.host and not _is_host(url.host):
        return "names a host that cannot be one"
    try:
        # Loaded here: it is an extra of the package, which SQLite does without.
        from psycopg import ProgrammingError
        from psycopg.conninfo import make_conninfo
    except ImportError:
        return "is a URL of PostgreSQL, and its client is not installed: pip install 'psycopg[binary]' (the extra postgres)"
    try:
        _, options = url.get_dialect()().create_connect_args(url)
        # The library that connects judges the names of options, and speaks of no values.
        make_conninfo(**options)
    except ProgrammingError:
        return "has an option that PostgreSQL's client does not know"
    except Exception:  # Whatever it is, the URL cannot be used.
        return "is not a database URL"
    return next((fault for name, value in options.items() if (fault := _option_fault(name, str(value)))), None)


def _option_fault(name: str, value: str) -> str | None:
    if "\0" in value:
        return "contains a NUL"
    if name == "port" and not all(re.fullmatch(r"[0-9]{0,5}", port) and int(port or 1) in range(1, 65536) for port in value.split(",")):
        return "has a port that is none"
    if name == "connect_timeout" and re.fullmatch(r"[0-9]{1,6}", value) is None:
        return "has the option connect_timeout with a value that it cannot have"
    if name in POSTGRESQL_WORDS and value not in POSTGRESQL_WORDS[name]:
        return f"has the option {name} with a value that it cannot have"
    return None


def _is_host(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
        return True
    except ValueError:
        pass
    try:
        ascii_host = host.encode("idna").decode()
    except UnicodeError:
        return False
    return re.fullmatch(r"[A-Za-z0-9_.-]+", ascii_host) is not None


def _is_duration(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and 0 < float(text) <= 3600
    except ValueError:
        return False


def _is_boolean(text: str) -> bool:
    return text.lower() in ("0", "1", "f", "false", "n", "no", "t", "true", "y", "yes")


def _is_file(text: str) -> bool:
    return os.path.isfile(text)  # noqa: PTH113 - `Path.is_file` raises for what is no path at all


def _is_folder(text: str) -> bool:
    return os.path.isdir(text)  # noqa: PTH112 - `Path.is_dir` raises for what is no path at all


def for_sqlalchemy(text: str) -> str:
    """Return a database's URL as SQLAlchemy spells it."""
    return re.sub(r"^postgres://", "postgresql://", text)
