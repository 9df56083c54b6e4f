"""Hosts in the URL of a service: a list such as `h1:5432,[::1]:5433`, and what is no host."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import unquote

_HOST = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<name>[^:\[\]]*))(?::(?P<port>[0-9]*))?")


@dataclass(frozen=True, kw_only=True)
class Host:
    """A host and its port. Without a port it is the service's own."""

    #: A name, an address, or the folder of a socket; empty: the client's default.
    name: str
    port: str = ""

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name or "the default host"
        return f"{name}:{self.port}" if self.port and not self.name.startswith("/") else name


def read(text: str) -> list[Host]:
    """Return the hosts of a list. Raises ValueError if it is none."""
    found = []
    for part in text.split(","):
        if (match := _HOST.fullmatch(part)) is None:
            raise ValueError("no host")
        found.append(Host(name=unquote(match["ipv6"] or match["name"]), port=match["port"] or ""))
    return found


def is_host(name: str) -> bool:
    """Return whether a name or an address may be that of a host."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
        return True
    except ValueError:
        pass
    try:
        ascii_name = name.encode("idna").decode()
    except UnicodeError:
        return False
    return re.fullmatch(r"[A-Za-z0-9_.-]+", ascii_name) is not None


def is_port(text: str) -> bool:
    """Return whether a port is given that may be one; the empty text is the service's own."""
    return re.fullmatch(r"[0-9]{0,5}", text) is not None and int(text or 1) in range(1, 65536)


def is_file(text: str) -> bool:
    return os.path.isfile(text)  # noqa: PTH113 - `Path.is_file` raises for what is no path at all


def is_folder(text: str) -> bool:
    return os.path.isdir(text)  # noqa: PTH112 - `Path.is_dir` raises for what is no path at all
