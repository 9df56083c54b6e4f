"""Which addresses may be connected to: public ones, whatever an address is wrapped in (SSRF)."""

from __future__ import annotations

import errno
import ipaddress
import socket

#: IPv6 addresses that are only another form of an IPv4 address: mapped, and behind the well-known translator (RFC 6052).
_FORMS_OF_IPV4 = (ipaddress.ip_network("::ffff:0:0/96"), ipaddress.ip_network("64:ff9b::/96"))

#: Every other public IPv6 address is in here (RFC 4291). Old forms that embed IPv4, local translators and site-local addresses are not.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

#: Reserved by IANA, and not known to every version of Python.
_RESERVED = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))

#: The middle of an interface id that ends in an IPv4 address (ISATAP, RFC 5214).
_ISATAP = (0x00005EFE, 0x02005EFE)


class Unreachable(Exception):
    """There was no answer in time. The message says why, and names no more than the host."""

    def __init__(self, says: str, *, may_have_arrived: bool = False) -> None:
        super().__init__(says)
        #: Whether the server may have got the request.
        self.may_have_arrived = may_have_arrived


class NotAllowed(Unreachable):
    """The host's address is private, and not allowed."""


def addresses(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return a host's addresses that may be connected to. Raises Unreachable."""
    try:
        found = list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno in (socket.EAI_MEMORY, socket.EAI_SYSTEM):
            raise OSError(errno.ENOBUFS, "names cannot be looked up on this machine") from error
        raise Unreachable("the host's name is not known") from error
    allowed = found if allow_private else [address for address in found if is_public(address)]
    if not allowed:
        raise NotAllowed("the host has a private address (NOTIFY_PRIVATE_HOSTS allows it by name)")
    return allowed


def is_public(address: str) -> bool:
    """Return whether an address is public: not private, not this machine, not link-local, whatever it is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        if not all(is_public(str(inner)) for inner in _embedded(found)):
            return False
        if any(found in form for form in _FORMS_OF_IPV4):
            return True
        if found not in _GLOBAL_UNICAST:
            return False
    return found.is_global and not found.is_multicast and not any(found in net for net in _RESERVED)


def _embedded(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the IPv4 addresses that an IPv6 address holds: packets to it may end there."""
    last = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    ends_in_one = any(address in form for form in _FORMS_OF_IPV4) or (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
    found = [*([last] if ends_in_one else []), *(address.teredo or ())]
    return [*found, *([address.sixtofour] if address.sixtofour else [])]
