"""Queue URLs: what is wrong with the URL of a Redis or Valkey, without repeating any of it, and what Sentinels it names.

A URL may hold a password.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from redis import ConnectionPool
from redis.connection import parse_url

from store.text import service_hosts
from store.text.service_hosts import Host, is_file, is_folder, is_host, is_port

SCHEMES = "must be a URL of redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://"

#: A Unix socket's path must fit into sockaddr_un; Linux allows 107 bytes.
SOCKET_PATH_BYTES_MAX = 107

SENTINEL_PORT = "26379"

#: The options of a queue's URL that mean something here, and when a value of each is right.
OPTIONS: dict[str, Callable[[str], bool]] = {
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
    "ssl_ca_certs": is_file,
    "ssl_ca_path": is_folder,
    "ssl_certfile": is_file,
    "ssl_keyfile": is_file,
    "ssl_password": lambda _: True,
}
SENTINEL_OPTIONS: dict[str, Callable[[str], bool]] = {"sentinel_username": lambda _: True, "sentinel_password": lambda _: True}

_SENTINEL_URL = re.compile(
    r"(?P<scheme>rediss?)\+sentinel://(?P<user>[^@/]*@)?(?P<hosts>[^/?#@]+)/(?P<service>[^/?#]+)(?P<db>/[^?#]*)?(?P<query>\?[^#]*)?"
)


@dataclass(frozen=True, kw_only=True)
class Sentinels:
    """What a URL says of Sentinels: where they are, and what they watch. `options` are redis-py's."""

    hosts: list[Host]
    service: str
    #: How to connect to the servers that they name.
    options: dict[str, Any]
    #: How to connect to themselves.
    own_options: dict[str, Any]


def of_socket(path: Path) -> str:
    """Return the URL of a queue on a Unix socket, whatever its path holds."""
    return f"unix://{quote(str(path))}"


def sentinels(text: str) -> Sentinels | None:
    """Return what the URL of a queue says of Sentinels; None if it names a server. Raises ValueError if it cannot be read."""
    if "+sentinel://" not in text:
        return None
    match = _SENTINEL_URL.fullmatch(text)
    if match is None:
        raise ValueError("not a URL of Sentinels")
    options = parse_url(_server_url(match))  # type: ignore[no-untyped-call]
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    own = {name.removeprefix("sentinel_"): options.pop(name) for name in SENTINEL_OPTIONS if name in options}
    secured: dict[str, Any] = {"ssl": True} if match["scheme"] == "rediss" else {}
    return Sentinels(
        hosts=service_hosts.read(match["hosts"]),
        service=unquote(match["service"]),
        options=options | secured,
        own_options=own | tls | secured,
    )


def fault(text: str) -> str | None:
    """Return what is wrong with a queue's URL; None if it can be used."""
    if re.match(r"rediss?\+sentinel://", text):
        return _sentinel_fault(text)
    if re.match(r"(redis|rediss|unix)://", text) is None:
        return SCHEMES
    try:
        url = urlsplit(text)
        port, host = url.port, unquote(url.hostname or "")
    except ValueError:
        return "is no URL: its host or port cannot be read (a password's '@', ':', '/' and '#' are to be percent-encoded)"
    if port == 0:
        return "names the port 0"
    found = _socket_fault(unquote(url.path), host) if url.scheme == "unix" else _server_fault(unquote(url.path), host)
    return found or _options_fault(url.query, OPTIONS | (TLS_OPTIONS if url.scheme == "rediss" else {})) or _pool_fault(text)


def _sentinel_fault(text: str) -> str | None:
    match = _SENTINEL_URL.fullmatch(text)
    if match is None:
        return "must be redis+sentinel://user:password@host:port,host:port/service/number, the last a database's and optional"
    try:
        hosts = service_hosts.read(match["hosts"])
    except ValueError:
        return "names a host that cannot be one"
    if not all(is_host(host.name) for host in hosts):
        return "names a host that cannot be one"
    if not all(is_port(host.port) for host in hosts):
        return "has a port that is none"
    known = OPTIONS | SENTINEL_OPTIONS | (TLS_OPTIONS if match["scheme"] == "rediss" else {})
    found = _server_fault(match["db"] or "", "") or _options_fault((match["query"] or "").removeprefix("?"), known)
    return found or _pool_fault(_server_url(match).partition("?")[0])


def _server_url(match: re.Match[str]) -> str:
    """Return the URL of a server that has the credentials and the options of a URL of Sentinels."""
    return f"{match['scheme']}://{match['user'] or ''}server{match['db'] or ''}{match['query'] or ''}"


def _socket_fault(path: str, host: str) -> str | None:
    if host not in ("", "localhost"):
        return "must name a socket by its whole path, after three slashes"
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        return f"{SCHEMES}; unix:// needs the path of a socket"
    if len(path.encode(errors="replace")) > SOCKET_PATH_BYTES_MAX:
        return f"names a socket whose path is longer than {SOCKET_PATH_BYTES_MAX} bytes"
    return None


def _server_fault(path: str, host: str) -> str | None:
    if host and not is_host(host):
        return "names a host that cannot be one"
    if re.fullmatch(r"/?[0-9]{0,9}", path) is None:
        return "has a path that is no database's number"
    return None


def _options_fault(query: str, known: dict[str, Callable[[str], bool]]) -> str | None:
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


def _is_duration(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and 0 < float(text) <= 3600
    except ValueError:
        return False


def _is_boolean(text: str) -> bool:
    return text.lower() in ("0", "1", "f", "false", "n", "no", "t", "true", "y", "yes")
