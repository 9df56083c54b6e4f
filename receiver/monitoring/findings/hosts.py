"""Which hosts the URL of the queue names, what each of them answers, and which are unavailable."""

from __future__ import annotations

from collections.abc import Iterator

from receiver.monitoring.findings.sentence import Finding, Sentence
from store.system import queue_client

SENTINEL = Sentence("queue", "ok", "the Sentinel {host} names {primary}")
SENTINEL_OUTAGE = Sentence("queue", "look", "the Sentinel {host} {outage}")
DISAGREEING = Sentence("queue", "look", "Sentinels name different primaries: {primaries}")


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
