"""The service manager: what this process reports to systemd, where that started it (`Type=notify`).

A notification is a datagram to the socket that NOTIFY_SOCKET names (sd_notify(3)). Without that variable nothing is sent.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from functools import cache

import structlog

from store.system.logs import describe_error

log = structlog.get_logger()

#: The watchdog is fed so often within its period: it may miss some.
FEEDS = 4

#: How long a full socket is waited for.
SEND_SECONDS = 1.0


@dataclass
class _Manager:
    """The manager of this process, and what it was last told."""

    address: str
    #: How often the watchdog is fed; None: there is none.
    feed_seconds: float | None
    fed_at: float = float("-inf")
    told: str = ""

    def tell_once(self, text: str) -> None:
        """Report a state, unless it was the last that was reported."""
        if text != self.told:
            self.told = text
            self.send(text)

    def feed(self) -> None:
        now = time.monotonic()
        if self.feed_seconds is not None and now - self.fed_at >= self.feed_seconds:
            self.fed_at = now
            self.send("WATCHDOG=1")

    def send(self, text: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.settimeout(SEND_SECONDS)
                sock.sendto(text.encode(), self.address)
        except OSError as error:
            log.warning("the service manager cannot be notified", error=describe_error(error))


def exists() -> bool:
    """Return whether a service manager waits for notifications of this process."""
    return _manager() is not None


def ready(status: str) -> None:
    """Report that this process does its work; the status says so in a sentence. Also the end of a reload."""
    if manager := _manager():
        manager.tell_once(f"READY=1\nSTATUS={status}")


def troubled(status: str) -> None:
    """Report in a sentence why the watchdog is not fed now."""
    if manager := _manager():
        manager.tell_once(f"STATUS={status}")


def feed_watchdog() -> None:
    """Feed the watchdog, if it is time. To be called by the loop that is watched, each time that it has found everything in order."""
    if manager := _manager():
        manager.feed()


def reloading() -> None:
    """Report that settings are read again, until `ready`."""
    if manager := _manager():
        manager.tell_once(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=Settings are read again.")


def stopping(status: str) -> None:
    """Report that this process finishes what it has begun, and ends."""
    if manager := _manager():
        manager.tell_once(f"STOPPING=1\nSTATUS={status}")


@cache
def _manager() -> _Manager | None:
    """Return the manager; None if there is none. The variables are taken out of the environment: no child that starts later reports."""
    address, period, watched = (os.environ.pop(name, "") for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"))
    if not address:
        return None
    feeds = period.isdigit() and int(period) > 0 and watched in ("", str(os.getpid()))
    # A name that begins with @ is of the abstract namespace.
    return _Manager(address.replace("@", "\0", 1) if address[0] == "@" else address, int(period) / 1e6 / FEEDS if feeds else None)
