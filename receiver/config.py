"""The web process's settings: secrets, tokens, limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from receiver.vendors import VENDORS
from receiver.vendors.base import Scheme, SigningKey
from store import config
from store.access import tokens
from store.access.tokens import Tokens
from store.inbox.sealing import encryption
from store.system.environment import Environment

MAX_BODY_BYTES = 5 * 1024 * 1024

#: nginx keeps connections to its upstreams for 60 s, an ALB for as long.
KEEPALIVE_SECONDS = 75

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class ConfiguredVendor:
    """A configured vendor: how it signs, and with which keys."""

    scheme: Scheme
    keys: tuple[SigningKey, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The web process's settings."""

    host: str
    port: int
    processes: int
    #: How many requests each process is made for: a quarter of them may wait for the feed, and five times as many connections be open.
    connections: int
    #: The vendors that have secrets; the others answer 404.
    senders: dict[str, ConfiguredVendor]
    tokens: Tokens
    max_body_bytes: int
    #: Proxies whose `X-Forwarded-For` is believed, for logs alone.
    trusted_proxies: tuple[Network, ...]
    #: How long a connection without a request is kept: longer than a proxy keeps it, so that the proxy closes it, and not this end.
    keepalive_seconds: int
    console_host: str
    console_port: int

    @property
    def address(self) -> str:
        """Return the host and the port as an address has them: `127.0.0.1:8000`, `[::1]:8000`."""
        return address(self.host, self.port)

    @property
    def console_address(self) -> str:
        """Return where the console listens."""
        return address(self.console_host, self.console_port)


def address(host: str, port: int) -> str:
    """Return a host and a port in one text; IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read(environment: Environment) -> Settings:
    """Return the web process's settings. The environment collects what is wrong with them."""
    senders = {name: _sender(environment, name) for name in VENDORS}
    _check_secrets_distinct(environment, senders)
    return Settings(
        host=environment.text("HOST", "127.0.0.1"),
        port=environment.number("PORT", 8000, most=65535),
        processes=environment.number("WEB_CONCURRENCY", 2, most=1000),
        connections=environment.number("WEB_CONNECTIONS", 200, most=100_000),
        senders={name: sender for name, sender in senders.items() if sender.keys},
        tokens=tokens.read(environment),
        max_body_bytes=environment.number("MAX_BODY_BYTES", MAX_BODY_BYTES, most=2**30),
        trusted_proxies=environment.each("TRUSTED_PROXIES", _network),
        keepalive_seconds=environment.number("KEEPALIVE_SECONDS", KEEPALIVE_SECONDS, most=3600),
        console_host=environment.text("CONSOLE_HOST", "127.0.0.1"),
        console_port=environment.number("CONSOLE_PORT", 8001, most=65535),
    )


@cache
def settings() -> Settings:
    """Return the settings, read once in a process and checked together with the store's. Raises Misconfigured."""
    environment = Environment()
    config.read(environment)
    found = read(environment)
    environment.check()
    return found


def _sender(environment: Environment, vendor: str) -> ConfiguredVendor:
    module, prefix = VENDORS[vendor], vendor.upper()
    scheme = module.configure(environment)
    names = {f"{prefix}_SECRETS": "live", f"{prefix}_SANDBOX_SECRETS": "sandbox"}
    naming_keys = config.encryption_keys(environment)
    keys = [
        SigningKey(secret=secret, environment=world, fingerprints=encryption.fingerprints(secret, naming_keys))
        for name, world in names.items()
        for secret in environment.each(name, lambda text: module.parse_secret(text, scheme))
    ]
    if len({key.secret for key in keys}) < len(keys):
        environment.wrong(f"{prefix}_SECRETS", f"and {prefix}_SANDBOX_SECRETS must all be different: one is given twice")
    return ConfiguredVendor(scheme=scheme, keys=tuple(keys))


def _network(text: str) -> Network:
    """Return the network of `address` or `address/bits`. Raises ValueError with words that follow the setting's name."""
    try:
        return ip_network(text)
    except ValueError as error:
        raise ValueError("is no address and no network such as 10.0.0.0/8 (with no bits set after the network's own)") from error


def _check_secrets_distinct(environment: Environment, senders: dict[str, ConfiguredVendor]) -> None:
    """Refuse a secret of two vendors: each could sign for the other. `whsec_` and its bytes are the same secret."""
    first: dict[bytes, str] = {}
    for vendor, sender in senders.items():
        for secret in {form for key in sender.keys for form in _forms(key.secret)}:
            other = first.setdefault(secret, vendor)
            if other != vendor:
                environment.wrong(f"{vendor.upper()}_SECRETS", f"and {other.upper()}_SECRETS have one secret in common")


def _forms(secret: bytes) -> set[bytes]:
    """Return the bytes of a secret, as its text and decoded."""
    try:
        return {secret, config.signing_secret(secret.decode())}
    except ValueError:
        return {secret}
