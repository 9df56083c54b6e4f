"""Hosts of their own on this machine: network namespaces on one bridge, whose cables can be pulled. Needs root and Linux."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.service import Service

#: Addresses that no other part of this machine uses (RFC 2544 keeps them for tests). Each site has a 24th of its own.
NETWORKS = "198.18"

#: What `setns` moves, of <linux/sched.h>.
CLONE_NEWNET = 0x40000000


class NoHosts(Exception):
    """No namespaces can be had. The message says why."""


@dataclass(frozen=True)
class Host:
    """A host with one address and one cable."""

    name: str
    address: str

    def cut(self) -> None:
        ip("link", "set", self.name, "down")

    def repair(self) -> None:
        ip("link", "set", self.name, "up")

    def enter(self) -> None:
        """Move the calling thread onto this host, for as long as it runs."""
        with Path(f"/run/netns/{self.name}").open() as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), CLONE_NEWNET) != 0:
                raise NoHosts(os.strerror(ctypes.get_errno()))


class HostService(Service):
    """Processes of Standing's on a host of their own."""

    def __init__(self, host: Host, folder: Path, settings: dict[str, str]) -> None:
        self.address, self.within = host.address, ("ip", "netns", "exec", host.name)
        super().__init__(folder, settings, worker=False)


@contextmanager
def hosts(count: int) -> Iterator[tuple[str, str, list[Host]]]:
    """So many hosts, their network, and the address under which they reach this machine. Raises NoHosts."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        raise NoHosts("network namespaces need root, and iproute2")
    _clear_away_what_killed_runs_left()
    bridge, names = f"st{os.getpid()}", [f"st{os.getpid()}h{number}" for number in range(count)]
    with ExitStack() as stack:
        try:
            ip("link", "add", bridge, "type", "bridge")
        except subprocess.CalledProcessError as error:
            raise NoHosts(error.stderr.strip()) from error
        stack.callback(ip, "link", "del", bridge)
        network = _free_network()
        ip("address", "add", f"{network}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        connected = [_connect(stack, bridge, name, f"{network}.{number}") for number, name in enumerate(names, start=11)]
        yield f"{network}.0/24", f"{network}.1", connected


def _connect(stack: ExitStack, bridge: str, name: str, address: str) -> Host:
    ip("netns", "add", name)
    stack.callback(ip, "netns", "del", name)
    ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
    ip("link", "set", name, "master", bridge, "up")
    ip("-n", name, "address", "add", f"{address}/24", "dev", "eth0")
    ip("-n", name, "link", "set", "eth0", "up")
    ip("-n", name, "link", "set", "lo", "up")
    return Host(name, address)


def _free_network() -> str:
    """Two bridges with one network would have this machine talk to the wrong one."""
    taken = {address["local"].rpartition(".")[0] for link in _listed("address") for address in link["addr_info"]}
    return next(network for number in range(256) if (network := f"{NETWORKS}.{number}") not in taken)


def _clear_away_what_killed_runs_left() -> None:
    """A run that was killed could not take its bridge and its hosts along."""
    for name in [*(link["ifname"] for link in _listed("link")), *(space["name"] for space in _listed("netns"))]:
        owner = re.fullmatch(r"st(\d+)(h\d+)?", name)
        if owner is None or Path(f"/proc/{owner[1]}").exists():
            continue
        for kind in ("netns", "link"):
            # Without its host, a cable is gone, too.
            with suppress(subprocess.CalledProcessError):
                ip(kind, "del", name)


def _listed(kind: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(ip("-json", kind, "list") or "[]")
    return listed


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout
