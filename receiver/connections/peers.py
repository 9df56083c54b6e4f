"""Who is at the other end: the peer's address, or the one that a trusted proxy names.

Only logs of refusals need it: no delivery is accepted or refused by an address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from receiver.config import Network

Address = IPv4Address | IPv6Address

#: An address with a port, as some proxies write it.
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::[0-9]+)?|([0-9.]+):[0-9]+")


def address_of(peer: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the address to tell of a request: the last one, from right to left, that no trusted proxy vouches beyond.

    What stands left of an address that is not trusted was written by that one, and is not believed."""
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
