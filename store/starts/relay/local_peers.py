"""The process at the other end of a local socket: whether it is running, and which account runs it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: How Linux describes that process: its id, its account, its group.
_CREDENTIALS = struct.Struct("3i")


class NotRunning(Exception):
    """No process of this account listens. The message says what was found."""


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    """Connect to the process that listens on a socket. Never waits. Raises NotRunning."""
    with socket.socket(socket.AF_UNIX) as sock:
        # With a full queue the system would wait; there the process hangs.
        sock.setblocking(False)
        try:
            sock.connect(str(path))
        except OSError as error:
            raise NotRunning("nothing listens") from error
        if not is_same_account(sock):
            raise NotRunning("another account listens")
        yield sock


def is_running(path: Path) -> bool:
    """Return whether a process of this account listens on a socket."""
    try:
        with connected(path):
            return True
    except NotRunning:
        return False


def is_same_account(sock: socket.socket) -> bool:
    """Return whether this account runs the process at the other end.

    Where the system does not say, the mode of the socket's file decides alone."""
    if sys.platform != "linux":
        return True
    described = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(described)[1] == os.geteuid())
