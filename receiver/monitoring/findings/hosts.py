"""Which hosts the URLs of the database and of the queue name, what each of them is, and which are unavailable."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import make_url

from receiver.monitoring.findings.sentence import Finding, Sentence
from store.database import hosts
from store.system import queue_client

#: How long a host may take to answer.
SECONDS = 2

PRIMARY = Sentence("database", "ok", "{host} is a primary")
STANDBY = Sentence("database", "ok", "{host} is a standby")
OUTAGE = Sentence("database", "look", "{host} cannot be used: {outage}")
SEVERAL = Sentence("database", "wrong", "{hosts} are primaries, each of its own: stop the former one before it takes writes")

SENTINEL = Sentence("queue", "ok", "the Sentinel {host} names {primary}")
SENTINEL_OUTAGE = Sentence("queue", "look", "the Sentinel {host} {outage}")
DISAGREEING = Sentence("queue", "look", "Sentinels name different primaries: {primaries}")


def of_database(text: str) -> Iterator[Finding]:
    """Yield what each host of a database's URL is."""
    url = make_url(text)
    if url.get_backend_name() == "sqlite":
        return
    roles = list(hosts.look(url, SECONDS))
    for role in roles:
        if role.outage:
            yield OUTAGE(host=role.host, outage=role.outage)
        else:
            yield (PRIMARY if role.is_primary else STANDBY)(host=role.host)
    primaries = {role.began: str(role.host) for role in roles if role.is_primary}
    if len(primaries) > 1:
        yield SEVERAL(hosts=" and ".join(primaries.values()))


def of_queue(text: str) -> Iterator[Finding]:
    """Yield what each Sentinel of a queue's URL answers."""
    answers = list(queue_client.ask_sentinels(text))
    for answer in answers:
        if answer.primary:
            yield SENTINEL(host=answer.sentinel, primary=answer.primary)
        else:
            yield SENTINEL_OUTAGE(host=answer.sentinel, outage=answer.outage)
    primaries = sorted({str(answer.primary) for answer in answers if answer.primary})
    if len(primaries) > 1:
        yield DISAGREEING(primaries=", ".join(primaries))
