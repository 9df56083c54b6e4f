"""A round: a vendor is asked about many applicants, by one process at a time, and what drifts is told and, if wanted, repaired."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from handlers import reconciling
from handlers.reads.asking import Client, CredentialsRefused, Unanswered
from handlers.reads.ifcgate import Ifcgate
from handlers.reconciling import Finding
from store import applicants, database, doorbell, reconciliations
from store.applicants import Key
from store.reconciliations import Whom

#: Applicants whose names are read at once, and cases of a list that are looked up at once.
NAMES_AT_ONCE = 100

#: How often it is told that somebody is still asking.
TOLD_SECONDS = 5.0

#: After so many without an answer, one after the other, the vendor is taken to be away.
UNANSWERED_MAX = 5


class Busy(Exception):
    """Another process asks this vendor."""


class Enough(Exception):
    """More would be changed than is allowed."""


@dataclass(kw_only=True)
class Round:
    """What is asked of a vendor, and how far that has come."""

    client: Client
    environment: str
    whom: Whom
    #: How many applicants may be changed; None: it is only looked.
    changes_max: int | None = None
    asked: int = 0
    drifted: int = 0
    repaired: int = 0
    #: Why it ended before its end.
    said: str | None = None

    @property
    def vendor(self) -> str:
        return self.client.vendor


def run(
    one: Round,
    *,
    on_finding: Callable[[Finding], None],
    on_asked: Callable[[], None] = lambda: None,
    due_before: datetime | None = None,
) -> None:
    """Ask about everybody; each who drifts, or of whom there was no answer, is told. Raises Busy.

    What is repaired is kept as it is found; the workers handle it."""
    runner = f"{socket.gethostname()}:{os.getpid()}"
    if not database.write(
        lambda connection: reconciliations.take(connection, one.vendor, one.environment, runner=runner, due_before=due_before)
    ):
        raise Busy(f"{one.vendor} is being asked by another process")
    try:
        _ask_all(one, runner, on_finding, on_asked)
    except (Unanswered, Enough) as error:
        one.said = str(error)
    except BaseException as error:
        one.said = f"it was interrupted ({type(error).__name__})"
        raise
    finally:
        _tell(one, runner, ended=True)


def _ask_all(one: Round, runner: str, on_finding: Callable[[Finding], None], on_asked: Callable[[], None]) -> None:
    """Ask until nobody is left. Raises Unanswered where going on would lead nowhere."""
    told_at, unanswered = time.monotonic(), 0
    for reference in whom(one):
        key = Key(one.vendor, one.environment, reference)
        try:
            finding = _ask(one, key)
            unanswered = 0
        except Unanswered as error:
            unanswered += 1
            if isinstance(error, CredentialsRefused) or error.again_at or unanswered >= UNANSWERED_MAX:
                raise
            finding = reconciling.unanswered(key, error)
        one.asked += 1
        if finding.drifts or unanswered:
            on_finding(finding)
        on_asked()
        if time.monotonic() - told_at > TOLD_SECONDS:
            told_at = time.monotonic()
            if not _tell(one, runner):
                raise Busy(f"{one.vendor} is being asked by another process, which took this one for dead")


def _ask(one: Round, key: Key) -> Finding:
    asked = reconciling.ask(one.client, key)
    finding = reconciling.compare(asked)
    one.drifted += finding.drifts
    if finding.repair is None or one.changes_max is None:
        return finding
    if one.repaired >= one.changes_max:
        raise Enough(f"more than {one.changes_max} applicants would be changed")
    event_id = reconciling.repair(asked)
    one.repaired += 1
    doorbell.ring()
    return reconciling.with_event(finding, event_id)


def whom(one: Round) -> Iterator[str]:
    """About whom it is asked: by name, as our table finds them, or as the vendor's own list does."""
    if one.whom.references:
        yield from one.whom.references
    elif isinstance(one.client, Ifcgate) and one.whom.silent_since is None:
        yield from _listed(one.client, one.environment)
    else:
        yield from _known(one)


def _known(one: Round) -> Iterator[str]:
    last = ""
    while found := _known_after(one, last):
        yield from found
        last = found[-1]


def _known_after(one: Round, last: str) -> list[str]:
    def work(connection: Connection) -> list[str]:
        return reconciliations.references(connection, one.vendor, one.environment, one.whom, after=last, limit=NAMES_AT_ONCE)

    return database.read(work)


def _listed(client: Ifcgate, environment: str) -> Iterator[str]:
    """Cases of which the vendor's list says another word than its last news, or that nobody told us of."""
    some: dict[str, str | None] = {}
    for listed in client.listing():
        some[listed.reference] = listed.status
        if len(some) >= NAMES_AT_ONCE:
            yield from _differing(some, environment)
            some = {}
    yield from _differing(some, environment)


def _differing(listed: dict[str, str | None], environment: str) -> list[str]:
    keys = [Key("ifcgate", environment, reference) for reference in listed]
    known = database.read(lambda connection: applicants.among(connection, keys))
    words = {key.reference: found.vendor_status for key, found in known.items() if found.version}
    return [reference for reference, status in listed.items() if reference not in words or words[reference] != status]


def _tell(one: Round, runner: str, *, ended: bool = False) -> bool:
    """Tell how far it came; False if another took over."""
    counts = {"asked": one.asked, "drifted": one.drifted, "repaired": one.repaired, "said": one.said}
    return database.write(
        lambda connection: reconciliations.tell(connection, one.vendor, one.environment, runner=runner, ended=ended, **counts)
    )
