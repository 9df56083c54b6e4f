"""Hosts of their own on this machine: network namespaces on one bridge, whose cables can be pulled. Needs root and Linux."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.service import Service

#: Addresses that no other part of this machine uses (RFC 2544 keeps them for tests).
NETWORK = "198.18.77"


class NoHosts(Exception):
    """No namespaces can be had. The message says why."""


@dataclass(frozen=True)
class Host:
    """A host with one address and one cable."""

    name: str
    address: str

    def cut(self) -> None:
        ip("link", "set", self.name, "down")

    def mend(self) -> None:
        ip("link", "set", self.name, "up")


class HostService(Service):
    """Processes of Standing's on a host of their own."""

    def __init__(self, host: Host, folder: Path, settings: dict[str, str]) -> None:
        self.address, self.within = host.address, ("ip", "netns", "exec", host.name)
        super().__init__(folder, settings, worker=False)


@contextmanager
def hosts(count: int) -> Iterator[tuple[str, list[Host]]]:
    """So many hosts, and the address under which they reach this machine. Raises NoHosts."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        raise NoHosts("network namespaces need root, and iproute2")
    bridge, names = f"st{os.getpid()}", [f"st{os.getpid()}h{number}" for number in range(count)]
    with ExitStack() as stack:
        try:
            ip("link", "add", bridge, "type", "bridge")
        except subprocess.CalledProcessError as error:
            raise NoHosts(error.stderr.strip()) from error
        stack.callback(ip, "link", "del", bridge)
        ip("address", "add", f"{NETWORK}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        yield f"{NETWORK}.1", [_connect(stack, bridge, name, f"{NETWORK}.{number}") for number, name in enumerate(names, start=11)]


def _connect(stack: ExitStack, bridge: str, name: str, address: str) -> Host:
    ip("netns", "add", name)
    stack.callback(ip, "netns", "del", name)
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    ip("link", "set", name, "master", bridge, "up")
    ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
    ip("-n", name, "link", "set", "eth0", "up")
    ip("-n", name, "link", "set", "lo", "up")
    return Host(name, address)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
