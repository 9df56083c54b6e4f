#!/usr/bin/env python3
"""The health check of a container: exit status 0 if its role works, else 1. It needs Python alone, and loads nothing of Standing.

    healthcheck             of the role that the container's first process has
    healthcheck console     of the role that is named

A role without a check (`migrate`, any other command) is healthy: it ends, and its exit status says how it went.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

SECONDS = 4.0

#: The addresses that mean all of a host's.
ALL_ADDRESSES = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def main(named: Sequence[str]) -> int:
    check = CHECKS.get(named[0] if named else role(words_of(Path("/proc/1"))), lambda: True)
    try:
        return 0 if check() else 1
    except (OSError, http.client.HTTPException):
        return 1


def role(words: Sequence[str]) -> str:
    """Return the role of a command line: `standing web`, or what it becomes; with a program such as tini before it, too."""
    return next((CALLED.get(word, word) for word in words if CALLED.get(word, word) in CHECKS), "")


#: What `standing web` and `standing console` become: gunicorn, with this configuration.
CALLED = {"python:receiver.gunicorn_config": "web", "python:receiver.console.gunicorn_config": "console"}


def web() -> bool:
    return answers(os.environ.get("HOST", ""), int(os.environ.get("PORT") or 8000), "/healthz")


def console() -> bool:
    return answers(os.environ.get("CONSOLE_HOST", ""), int(os.environ.get("CONSOLE_PORT") or 8001), "/console/static/icon.svg")


def relay() -> bool:
    """Return whether the relay closes a connection on which no upload comes."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        client.connect(os.environ.get("RELAY_SOCKET") or str(Path(os.environ.get("VAR_DIR") or "var") / "relay.sock"))
        client.shutdown(socket.SHUT_WR)
        client.recv(1)
    return True


def worker() -> bool:
    """Return whether two processes of the worker run: the parent, and the child that it replaces when it is frozen or crashed."""
    folders = [folder for folder in Path("/proc").iterdir() if folder.name.isdigit()]
    return sum(is_worker(words_of(folder)) and runs(folder) for folder in folders) >= 2


CHECKS: dict[str, Callable[[], bool]] = {"web": web, "up": web, "console": console, "relay": relay, "worker": worker}


def is_worker(words: Sequence[str]) -> bool:
    """Return whether a command line is that of Python, and not of a program such as tini that started it."""
    return Path(words[0]).name.startswith("python") and role(words) == "worker" if words else False


def answers(host: str, port: int, path: str) -> bool:
    """Return whether a path is answered with 200."""
    connection = http.client.HTTPConnection(ALL_ADDRESSES.get(host, host), port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    finally:
        connection.close()


def words_of(process: Path) -> list[str]:
    """Return the words of a process's command line; none if it has ended."""
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def runs(process: Path) -> bool:
    """Return whether a process is neither stopped nor ended."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in ("T", "Z", "X")
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
