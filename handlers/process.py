"""Handle claimed events: interpret each, decide, write the applicants, settle. One transaction for a batch.

File 3 of 4 on a webhook's path; next: `handlers/rules/transitions.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from handlers import config
from handlers.interpret import interpret
from handlers.privacy import fence, vendor_erasure
from handlers.rules import outcome, transitions
from handlers.rules.news import EventReading
from handlers.rules.transitions import Decision
from store import database
from store.applicants import erased, feed, history, mentions
from store.applicants import table as applicants
from store.applicants.mentions import Mention
from store.applicants.table import Applicant
from store.inbox import claims, settling, times_to_visible, wakeup
from store.inbox.claims import Claimed
from store.inbox.events import InboxEvent
from store.inbox.settling import Settlement
from store.operations import delivery_counts
from store.privacy.erasing import event_erasure
from store.privacy.restoring import gate
from store.system import clock, fault_points
from store.system.logs import describe_error
from store.text import traces
from store.text.states import ApplicantKey

log = structlog.get_logger()

#: Events that share a transaction.
BATCH, NEWEST_BATCH = 400, 150

#: How many applicants one transaction locks, as far as one event does not name more.
APPLICANTS_MAX = 500

#: A context manager around each step of the rules, so that an event that hangs is noticed; never around a wait for the database.
Watchdog = AbstractContextManager[object]
UNWATCHED: Watchdog = nullcontext()


class LeaseLost(Exception):
    """Another worker took the batch over, because this one was too slow."""


def handle_some(holder: str) -> int:
    """Claim and handle a batch, and one suspect; return how many events. Raises what the database raises: no attempt of any event."""
    return len(handle_oldest(holder)) + len(handle_suspect(holder))


def handle_oldest(holder: str, *, start_helpers: Callable[[], object] | None = None, watched: Watchdog = UNWATCHED) -> Claimed:
    """Claim, handle and return a batch. A full one starts the helpers before it is handled. Raises what the database raises."""
    gate.require_open()
    batch = claims.claim_oldest(holder, most=BATCH)
    if start_helpers and len(batch) == BATCH:
        start_helpers()
    handle(holder, batch, watched=watched)
    return batch


def handle_newest(vendor: str, holder: str, *, watched: Watchdog = UNWATCHED) -> Claimed:
    """Claim, handle and return a vendor's newest events, however many older ones wait. Raises what the database raises."""
    gate.require_open()
    batch = claims.claim_newest(holder, vendor, most=NEWEST_BATCH)
    handle(holder, batch, watched=watched)
    return batch


def handle_suspect(holder: str, *, watched: Watchdog = UNWATCHED) -> Claimed:
    """Handle and return one event whose worker crashed, alone. A crash or a hang while it is alone counts as an attempt."""
    suspect = claims.claim_suspect(holder)
    if suspect is None:
        return Claimed()
    if suspect.was_alone:
        _attempt_failed(holder, suspect.event, "the process died or hung")
    else:
        handle(holder, [suspect.event], watched=watched)
    return Claimed([suspect.event], more=True)


def handle(holder: str, batch: list[InboxEvent], *, watched: Watchdog = UNWATCHED) -> None:
    """Handle claimed events. If the database fails they are given back, and it is no attempt; the failure is raised."""
    try:
        readings = [reading for event in batch if (reading := _read(holder, event, watched))]
        for part in _bounded(readings):
            _write_all(holder, part, watched)
    except database.Failure:
        _release(holder)
        raise


def _read(holder: str, event: InboxEvent, watched: Watchdog) -> EventReading | None:
    """Return the reading of an event; None if interpreting it failed, which is an attempt."""
    try:
        with watched:
            return interpret(event)
    except Exception as error:
        _attempt_failed(holder, event, describe_error(error))
        return None


def _bounded(readings: list[EventReading]) -> Iterable[list[EventReading]]:
    """Split a batch into parts that name a bounded number of applicants. A replay, which derives an applicant from all its events, is a
    part of its own."""
    part, names = list[EventReading](), 0
    for reading in readings:
        more = len(reading.references)
        if part and (reading.event.replayed or part[-1].event.replayed or names + more > APPLICANTS_MAX):
            yield part
            part, names = [], 0
        part.append(reading)
        names += more
    if part:
        yield part


# writing ------------------------------------------------------------------------------------------------------


def _write_all(holder: str, batch: list[EventReading], watched: Watchdog) -> None:
    """Write a batch in one transaction; if an event spoils it, write the events one by one."""
    try:
        changes = database.write(lambda connection: _write(connection, holder, batch, watched))
        fault_points.reach("handled")
    except LeaseLost:
        _release(holder)
        wakeup.notify()
    except Exception as error:
        if database.is_away(error):
            raise
        if len(batch) == 1:  # Alone, failing is its own attempt.
            _attempt_failed(holder, batch[0].event, describe_error(error))
            return
        for reading in batch:
            _write_all(holder, [reading], watched)
    else:
        times_to_visible.note(reading.event for reading in batch)
        kept = {reading.event.id: reading.event.trace for reading in batch} if changes else {}
        for change in changes:
            log.info("an applicant changed", event_id=change.event_id, vendor=change.vendor, environment=change.environment,
                     status=change.to_status, reversal=change.reversal, version=change.version,
                     trace_id=traces.id_of(kept.get(change.event_id or "")))  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a transaction writes besides the applicants."""

    mentions: list[Mention] = field(default_factory=list)
    quiet: list[Applicant] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    changes: list[feed.Transition] = field(default_factory=list)


def _write(connection: Connection, holder: str, batch: list[EventReading], watched: Watchdog) -> list[feed.Transition]:
    """Lock, decide, write and settle a batch: applicants in order, then the events, then the feed. Raises LeaseLost."""
    fenced = fence.without_erased(connection, batch)
    batch = fenced.batch
    named = [_keys(connection, reading) for reading in batch]
    present = applicants.lock(connection, (key for keys in named for key in keys))
    before, written = dict(present), Written()
    for reading, keys in zip(batch, named, strict=True):
        decisions = {key: _decide(connection, present[key], reading, watched) for key in keys}
        _collect(connection, reading, decisions, present, written)
        # The next event of the batch starts from here.
        present |= {key: decision.applicant for key, decision in decisions.items()}
    written.changes.extend(vendor_erasure.file(connection, batch, present))
    applicants.save(connection, (applicant for key, applicant in present.items() if applicant != before[key]))
    history.remember_quietly(connection, written.quiet)
    mentions.remember(connection, written.mentions)
    fault_points.reach("written")
    event_erasure.lock_subjects(connection, [one.event for one in fenced.rewritten])
    if not settling.settle(connection, written.settlements, holder=holder):
        raise LeaseLost
    event_erasure.erase(connection, fenced.rewritten, fenced.erasure_of)
    feed.append(connection, written.changes)
    delivery_counts.count_noticed(connection, [*outcome.noticed_in(batch), *fenced.noticed])
    fault_points.reach("settled")
    return written.changes


def _keys(connection: Connection, reading: EventReading) -> list[ApplicantKey]:
    """Return the applicants that an event moves: those that it names and, when it is replayed, those that it named before."""
    event, named = reading.event, reading.references
    if event.replayed:
        named = tuple(dict.fromkeys([*named, *mentions.of_event(connection, event.sequence)]))
    elif reading.says is None:
        return []
    keys = [ApplicantKey(event.vendor, event.environment, reference) for reference in named]
    return erased.not_erased(connection, keys) if event.replayed else keys


def _decide(connection: Connection, applicant: Applicant, reading: EventReading, watched: Watchdog) -> Decision:
    """Decide what an event does to an applicant. A replayed event derives the applicant from all its events, this one interpreted again."""
    if not reading.event.replayed:
        with watched:
            return transitions.decide(applicant, reading, now=clock.now())
    others = [event for event in mentions.events_naming(connection, applicant.key) if event.id != reading.event.id]
    heard = []
    for event in others:
        with watched:
            heard.append(interpret(event))
    if applicant.reference in reading.references:
        heard.append(reading)
    with watched:
        return transitions.derive(applicant, heard, reading, now=clock.now())


def _collect(
    connection: Connection,
    reading: EventReading,
    decisions: dict[ApplicantKey, Decision],
    present: dict[ApplicantKey, Applicant],
    written: Written,
) -> None:
    """Collect what is written of an event: changes, applicants that change quietly, its mentions and its settlement."""
    for key, decision in decisions.items():
        before, after = present[key], decision.applicant
        if decision.changed:
            written.changes.append(feed.transition(before, after, decision.changed, decision.reversal, event_id=reading.event.id))
        elif after.updated_at != before.updated_at:
            written.quiet.append(after)
    applied_before = False
    if reading.event.replayed:
        mentions.forget(connection, reading.event.sequence)
        applied_before = feed.tells_of(connection, reading.event.id)
    written.mentions.extend(outcome.mentions_of(reading, decisions.values()))
    written.settlements.append(outcome.settlement(reading, decisions.values(), applied_before=applied_before))


def _attempt_failed(holder: str, event: InboxEvent, error: str) -> None:
    with traces.following(traces.from_kept(event.trace)):
        log.error("handling an event failed", event_id=event.id, vendor=event.vendor, error=error, count=event.attempts + 1)
    settling.fail(event, error, holder=holder, retries=config.settings().retries, erases=fence.erase_unhandled)


def _release(holder: str) -> None:
    with suppress(*database.Failure):  # On purpose: the lease expires.
        settling.release(holder)
