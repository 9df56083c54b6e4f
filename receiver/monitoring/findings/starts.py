"""How are the verifications doing that are started here?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Connection

from receiver.monitoring.findings.sentence import Finding, Sentence, duration, many, option
from store.starts import overview
from store.starts.relay import local_peers
from store.starts.requests import FailureKind
from store.system import clock

#: A step that is not done after so long is somebody's to look at.
LATE = timedelta(minutes=15)

STARTED = Sentence("{vendor} starts", "ok", "{verifications} on the way")
LATE_STARTS = Sentence(
    "{vendor} starts", "look", "{verifications} on the way, the oldest for {time}: the vendor cannot be reached, or is not configured",
    "standing start list{sandbox}",
)  # fmt: skip
UNPAID = Sentence(
    "{vendor} starts", "wrong", "{verifications} refused because of money, the contract or the credentials",
    "standing start list --failed{sandbox}",
)  # fmt: skip
GIVEN_UP = Sentence("{vendor} starts", "look", "{verifications} given up: a person must look", "standing start list --failed{sandbox}")

RELAY = Sentence("relay", "ok", "it takes images on {path}")
NO_RELAY = Sentence("relay", "look", "no relay is running on this host: images are answered 503", "standing relay")


def relay_of_this_host(path: Path, *, is_needed: bool) -> Iterator[Finding]:
    """Yield whether images can be passed on, where callers may send them."""
    if local_peers.is_running(path):
        yield RELAY(path=path)
    elif is_needed:
        yield NO_RELAY()


def starts(connection: Connection, environment: str) -> Iterator[Finding]:
    """Yield what waits, and what was given up. What a caller has to change is the caller's."""
    sandbox = option(environment)
    for waiting in overview.waiting(connection, environment):
        age = clock.now() - waiting.oldest_at
        told = {"vendor": waiting.vendor, "verifications": many(waiting.count, "verification")}
        if age > LATE:
            yield LATE_STARTS(**told, time=duration(age.total_seconds()), sandbox=sandbox)
        else:
            yield STARTED(**told)
    for failed in overview.given_up(connection, environment):
        told = {"vendor": failed.vendor, "verifications": many(failed.count, "verification")}
        if failed.kind == FailureKind.CONTRACT:
            yield UNPAID(**told, sandbox=sandbox)
        elif failed.kind != FailureKind.CALLER:
            yield GIVEN_UP(**told, sandbox=sandbox)
