"""The queue's client: of the server that a URL names, or of the primary that its Sentinels name. Every connection is made here."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from store.text import queue_errors, queue_urls
from store.text.queue_urls import SENTINEL_PORT, Sentinels
from store.text.service_hosts import Host

#: A Sentinel that hangs costs this much, and the next one is asked.
SENTINEL_SECONDS = 0.5


def connect(url: str, **options: Any) -> Redis:
    """Return a client of the queue. It tries nothing again: the library's own retries would hold a caller for many seconds.

    `options` are redis-py's; those in the URL win. Behind Sentinels each new connection asks them for the primary, and connections to a
    former one are closed."""
    options = {"retry": Retry(NoBackoff(), 0)} | options
    found = queue_urls.sentinels(url)
    if found is None:
        return Redis.from_url(url, **options)
    client: Redis = _Sentinels(found).master_for(found.service, **options | found.options)  # type: ignore[no-untyped-call]
    return client


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one Sentinel answers: the address of the primary, or why there is none."""

    sentinel: Host
    primary: Host | None = None
    outage: str = ""


def ask_sentinels(url: str) -> Iterator[Answer]:
    """Yield what each Sentinel answers; nothing if the URL names a server."""
    if found := queue_urls.sentinels(url):
        for host, client in zip(found.hosts, _Sentinels(found).sentinels, strict=True):
            yield _answer(host, client, found.service)


def _answer(host: Host, client: Redis, service: str) -> Answer:
    try:
        address: Any = client.sentinel_get_master_addr_by_name(service)
    except (RedisError, OSError) as error:
        return Answer(sentinel=host, outage=queue_errors.of_redis(error))
    if not address:
        return Answer(sentinel=host, outage="watches no service of that name")
    return Answer(sentinel=host, primary=Host(name=address[0].decode(), port=str(address[1])))


class _Sentinels(Sentinel):
    """Sentinels that several threads may ask. The one that answered is asked first the next time."""

    def __init__(self, found: Sentinels) -> None:
        own = {"socket_timeout": SENTINEL_SECONDS, "socket_connect_timeout": SENTINEL_SECONDS, "retry": Retry(NoBackoff(), 0)}
        addresses = [(host.name, int(host.port or SENTINEL_PORT)) for host in found.hosts]
        super().__init__(addresses, sentinel_kwargs=own | found.own_options)  # type: ignore[no-untyped-call]
        self._turn = threading.Lock()

    def discover_master(self, service_name: str) -> tuple[str, int]:
        # The library swaps two entries of its list; two threads that do so at once could lose one.
        with self._turn:
            address: tuple[str, int] = super().discover_master(service_name)  # type: ignore[no-untyped-call]
        return address
