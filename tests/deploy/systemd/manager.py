"""The service manager, as processes see it: the socket that they notify, and the listening socket that it holds for them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.service import PROGRAMS, Service

#: How often the watchdog wants to be fed at least.
WATCHDOG_SECONDS = 1.0

#: Hands over what systemd hands over: the socket as descriptor 3, and whose it is.
HANDING_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


class Notifications:
    """The datagrams of one process, with the times at which they came."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        self._received: list[tuple[float, dict[str, str]]] = []
        self.environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6))}
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def states(self) -> list[str]:
        """What was reported, in order, without the watchdog: READY, RELOADING, STOPPING."""
        return [name for _, told in list(self._received) for name in ("READY", "RELOADING", "STOPPING") if name in told]

    def status(self) -> str:
        """The newest sentence."""
        return next((told["STATUS"] for _, told in reversed(self._received) if "STATUS" in told), "")

    def fed(self) -> int:
        """How often the watchdog was fed."""
        return sum("WATCHDOG" in told for _, told in list(self._received))

    def is_hungry(self) -> bool:
        """Whether the watchdog would have ended the process by now, with time to spare."""
        return time.monotonic() - max(at for at, told in list(self._received) if "WATCHDOG" in told) > 2.5 * WATCHDOG_SECONDS

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def _listen(self) -> None:
        while datagram := self._socket.recv(4096):
            lines = [line.partition("=") for line in datagram.decode().splitlines()]
            self._received.append((time.monotonic(), {name: value for name, _, value in lines}))


@contextmanager
def notifications(address: str) -> Iterator[Notifications]:
    heard = Notifications(address)
    try:
        yield heard
    finally:
        heard.close()


@contextmanager
def held_socket() -> Iterator[socket.socket]:
    """A socket that listens on a port of 127.0.0.1, whoever takes its connections."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(4096)
        yield listening


def start_with(listening: socket.socket, service: Service, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `standing` as systemd does, with a socket that listens."""
    command = [sys.executable, "-c", HANDING_OVER, str(listening.fileno()), str(PROGRAMS / "standing"), *arguments]
    with service.log.open("ab") as log:
        process = subprocess.Popen(command, env=service.environment, stdout=log, stderr=log, pass_fds=(listening.fileno(),))
    service.processes.append(process)
    return process


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)
