"""Peers: the address of the client, or the one that a trusted proxy names.

Logs and counts of refusals need it: no delivery is accepted or refused by an address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from receiver.config import Network

Address = IPv4Address | IPv6Address

#: An address with a port, as some proxies write it.
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


def address_of(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the client's address: from right to left, the last one that no trusted proxy vouches beyond.

    An address to the left of an untrusted one was written by that client, and is not believed."""
    believed = _parse(peer)
    if believed is None:
        return ""
    for entry in reversed(forwarded_for.split(",")):
        if not _is_trusted(believed, trusted) or (named := _parse(entry)) is None:
            break
        believed = named
    return str(believed)


def _parse(text: str) -> Address | None:
    written = _WITH_PORT.fullmatch(text.strip())
    try:
        found = ip_address((written[1] or written[2]) if written else text.strip())
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address.version == one.version and address in one for one in trusted)
