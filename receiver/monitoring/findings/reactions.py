"""Which subscribers wait for changes, and which reactions gave up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import Connection

from receiver.monitoring.findings.sentence import Finding, Sentence, duration, many
from store.outbox import reactions
from store.outbox.reactions import Count
from store.system import clock

#: A subscriber that is notified later than this is slow, or unavailable.
LATE = timedelta(minutes=5)

ALL_TOLD = Sentence("reactions", "ok", "no reaction gave up, and none is late")
GAVE_UP = Sentence("reactions", "look", "{reactions} to {subscriber} gave up", "standing reactions list --failed")
WAIT = Sentence(
    "reactions", "look",
    "{reactions} wait for {subscriber}, {adverse} of them adverse, the oldest for {age}; it last answered: {answer}",
    "standing notify list",
)  # fmt: skip
SLOW = Sentence(
    "reactions", "look", "{reactions} wait for {subscriber}, {adverse} of them adverse, the oldest for {age}", "standing notify list"
)
STOPPED = Sentence("reactions", "look", "{subscriber} asked for nothing more (410)", "standing notify list")

RETIRED = Sentence("reactions", "ok", "{reactions} were meant for {subscriber}, which is configured no more", "standing notify list")


def subscribers(connection: Connection) -> Iterator[Finding]:
    """Yield what waits for each subscriber, and what gave up."""
    found = [finding for one in reactions.counts(connection) for finding in _subscriber(one)]
    yield from found or [ALL_TOLD()]


def _subscriber(one: Count) -> Iterator[Finding]:
    who = {"subscriber": one.subscriber}
    if one.is_retired:
        if one.pending + one.failed:
            yield RETIRED(reactions=many(one.pending + one.failed, "reaction"), **who)
        return
    if one.failed:
        yield GAVE_UP(reactions=many(one.failed, "reaction"), **who)
    waits = clock.now() - one.oldest_at if one.oldest_at else timedelta(0)
    what = {"reactions": many(one.pending, "reaction"), "adverse": one.adverse or "none", "age": duration(waits.total_seconds())}
    if one.refused:
        yield WAIT(**what, answer=one.answer, **who)
    elif waits > LATE:
        yield SLOW(**what, **who)
    if one.is_stopped:
        yield STOPPED(**who)
