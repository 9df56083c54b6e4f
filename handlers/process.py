"""The drain: claim pending events, read them, decide, write the applicants, settle. One transaction for a batch."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from handlers import config, transitions
from handlers.news import News, Unreadable
from handlers.transitions import Decision, Occasion
from handlers.vendors import VENDORS
from store import applicants, clock, database, doorbell, feed, inbox
from store.applicants import Applicant, Key
from store.inbox import Claimed, Settlement
from store.logs import describe_error
from store.states import Outcome, Reversal

log = structlog.get_logger()

DATABASE_AWAY = (DBAPIError, PoolExhausted)

BATCH = 200

#: How long one drain runs, well under its job's timeout.
DRAIN_SECONDS = 20.0

#: Set when the process is to end: the drain finishes its batch, and rings for the rest.
stopping = threading.Event()
_at_work = threading.Lock()

# Of several outcomes for several applicants, the first of these that occurs is the event's.
_STRONGEST = (Outcome.APPLIED, Outcome.UNCHANGED, Outcome.SUPERSEDED, Outcome.IGNORED)


class LeaseLost(Exception):
    """Another worker took the batch over, because we were too slow."""


@dataclass(frozen=True)
class Read:
    """A claimed event and what it says."""

    event: Claimed
    news: News | Unreadable


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Handle what is pending, for a bounded time; return how many events were handled. Rings again if there is more.

    A process drains once at a time: a second call finds the first at work, and leaves it to it."""
    if not _at_work.acquire(blocking=False):
        return 0
    try:
        return _drain(seconds)
    finally:
        _at_work.release()


def until_idle() -> None:
    """Wait until no drain is at work in this process."""
    with _at_work:
        pass


def _drain(seconds: float) -> int:
    doorbell.answer()
    token, handled, deadline = new_token(), 0, time.monotonic() + seconds
    while time.monotonic() < deadline and not stopping.is_set():
        count = handle_some(token, call_others=doorbell.ring)
        if not count:
            return handled
        handled += count
    doorbell.ring()
    return handled


def handle_some(token: str, *, call_others: Callable[[], object] | None = None) -> int:
    """Claim and handle a batch, and one event whose holder died; return how many. A full batch calls others before it is handled."""
    batch = inbox.claim(token, most=BATCH)
    if call_others and len(batch) == BATCH:
        call_others()
    handle(token, batch)
    return len(batch) + _handle_a_suspect(token)


def handle(token: str, batch: list[Claimed]) -> None:
    """Handle claimed events. If the database fails they are given back, and it is no attempt; the failure is raised."""
    try:
        read = [found for event in batch if (found := _read(token, event)) is not None]
        replays = [one for one in read if one.event.replayed]
        _write_all(token, [one for one in read if not one.event.replayed])
        for one in replays:
            _write_all(token, [one])
    except DATABASE_AWAY:
        _release(token)
        raise


def new_token() -> str:
    return uuid.uuid4().hex


def _read(token: str, event: Claimed) -> Read | None:
    """What an event says; None if reading it failed, which is an attempt."""
    try:
        return Read(event, interpret(event))
    except DATABASE_AWAY:
        raise
    except Exception as error:
        _attempt_failed(token, event, describe_error(error))
        return None


def interpret(event: Claimed) -> News | Unreadable:
    """What an event says, or why nobody can tell."""
    try:
        return VENDORS[event.vendor].interpret(event.headers, event.body(), config.settings())
    except Unreadable as unreadable:
        return unreadable


def _handle_a_suspect(token: str) -> int:
    """Handle one event whose holder died, alone. To die or hang while it was alone counts as an attempt."""
    found = inbox.claim_suspect(token)
    if found is None:
        return 0
    event, was_alone = found
    if was_alone:
        _attempt_failed(token, event, "the process died or hung")
    else:
        handle(token, [event])
    return 1


def _attempt_failed(token: str, event: Claimed, error: str) -> None:
    attempts, settings = event.attempts + 1, config.settings()
    log.error("handling an event failed", event_id=event.id, vendor=event.vendor, error=error, count=attempts)
    if attempts >= settings.attempts_max:
        inbox.bury(event.sequence, token=token, reason=f"handling failed {attempts} times, at last with {error}")
        return
    pause = min(settings.retry_base * 2 ** (attempts - 1), settings.retry_limit) * random.uniform(1, 1.25)  # noqa: S311
    inbox.postpone(event.sequence, token=token, due_at=clock.now() + pause, error=f"attempt {attempts} failed with {error}")


def _release(token: str) -> None:
    try:
        inbox.release(token)
    except DATABASE_AWAY:
        return  # On purpose: the lease runs out by itself.


# writing ------------------------------------------------------------------------------------------------------


def _write_all(token: str, batch: list[Read]) -> None:
    """Write a batch in one transaction; if an event spoils it, one by one, so that it spoils no other."""
    if not batch:
        return
    try:
        told = _write(token, batch)
    except LeaseLost:
        _release(token)
        return
    except DATABASE_AWAY as error:
        if len(batch) == 1 and _by_the_data(error):
            _attempt_failed(token, batch[0].event, describe_error(error))
            return
        if not _by_the_data(error):
            raise
        told = _one_by_one(token, batch)
    except Exception as error:
        if len(batch) == 1:
            _attempt_failed(token, batch[0].event, describe_error(error))
            return
        told = _one_by_one(token, batch)
    for transition in told:
        _tell(transition)


def _one_by_one(token: str, batch: list[Read]) -> list[feed.Transition]:
    for one in batch:
        _write_all(token, [one])
    return []


def _by_the_data(error: Exception) -> bool:
    """Whether the database refused what it was given, as against being away."""
    return isinstance(error, DBAPIError) and type(error).__name__ in ("DataError", "IntegrityError", "ProgrammingError")


def _write(token: str, batch: list[Read]) -> list[feed.Transition]:
    """Lock, decide, write and settle a batch: events first, then applicants in order, then the feed. Commits."""
    with database.begin() as connection:
        if not inbox.hold(connection, token, [one.event.sequence for one in batch]):
            raise LeaseLost
        named = {one.event.sequence: _keys(connection, one) for one in batch}
        present = applicants.lock(connection, (key for keys in named.values() for key in keys))
        before = dict(present)
        told: list[feed.Transition] = []
        settlements = []
        for one in batch:
            decisions = [_decide(connection, present[key], one) for key in named[one.event.sequence]]
            for decision in decisions:
                told.extend(_transition(present[decision.applicant.key], decision, one.event))
                present[decision.applicant.key] = decision.applicant
            settlements.append(_settlement(one, decisions, applied_before=one.event.replayed and feed.tells_of(connection, one.event.id)))
        applicants.save(connection, (applicant for key, applicant in present.items() if applicant != before[key]))
        _mention(connection, batch)
        inbox.settle(connection, settlements)
        feed.append(connection, told)
    return told


def _keys(connection: Connection, one: Read) -> list[Key]:
    """The applicants that an event moves: those that it names and, when it is replayed, those that it named before."""
    event, references = one.event, _references(one.news)
    if event.replayed:
        references = tuple(dict.fromkeys([*references, *inbox.mentioned(connection, event.sequence)]))
    elif isinstance(one.news, Unreadable) or one.news.says is None:
        return []
    return [Key(event.vendor, event.environment, reference) for reference in references]


def _references(news: News | Unreadable) -> tuple[str, ...]:
    if isinstance(news, Unreadable):
        return (news.reference,) if news.reference else ()
    return news.references


def _decide(connection: Connection, applicant: Applicant, one: Read) -> Decision:
    if one.event.replayed:
        return _derive_anew(connection, applicant, one)
    assert isinstance(one.news, News)
    return transitions.decide(applicant, one.news, _occasion(one.event), now=clock.now())


def _derive_anew(connection: Connection, applicant: Applicant, replayed: Read) -> Decision:
    """What all of an applicant's events say together, one of them read again."""
    others = inbox.naming(connection, **applicant.key._asdict())
    said = [(event, interpret(event)) for event in others if event.id != replayed.event.id]
    if applicant.reference in _references(replayed.news):
        said.append((replayed.event, replayed.news))
    heard = ((news, _occasion(event)) for event, news in said if isinstance(news, News))
    return transitions.derive(applicant, heard, _occasion(replayed.event), replayed.news, now=clock.now())


def _occasion(event: Claimed) -> Occasion:
    return Occasion(
        event_id=event.id,
        sequence=event.sequence,
        received_at=event.received_at,
        body_sha256=event.body_sha256.hex(),
        repeat=event.repeat,
        by_receipt=not VENDORS[event.vendor].has_clock,
    )


def _transition(before: Applicant, decision: Decision, event: Claimed) -> Iterable[feed.Transition]:
    after = decision.applicant
    if decision.changed:
        yield feed.Transition(
            **after.key._asdict(),
            version=after.version,
            from_status=before.status if before.version else None,
            to_status=after.status,
            reversal=decision.reversal,
            changed=decision.changed,
            reasons=after.reasons,
            event_id=event.id,
            as_of=after.as_of,
            at=after.updated_at,
            applicant=applicants.describe(after),
        )


def _settlement(one: Read, decisions: list[Decision], *, applied_before: bool) -> Settlement:
    """How an event ended: by the strongest of what it did to the applicants that it names."""
    news, sequence = one.news, one.event.sequence
    references = _references(news)
    reference = references[0] if len(references) == 1 else None
    if isinstance(news, Unreadable):
        return Settlement(sequence=sequence, status=Outcome.UNREADABLE, reason=news.reason, event_type=news.event_type, reference=reference)
    ended: dict[Outcome, list[str]] = defaultdict(list)
    for decision in decisions:
        ended[decision.outcome].append(decision.reason)
    status = next((outcome for outcome in _STRONGEST if outcome in ended), Outcome.IGNORED)
    reason = next(iter(ended[status]), news.because)
    if applied_before and status in (Outcome.UNCHANGED, Outcome.SUPERSEDED):
        status, reason = Outcome.APPLIED, f"{reason}; it was applied before, and handled again it changed nothing"
    return Settlement(
        sequence=sequence,
        status=status,
        reason=reason,
        event_type=news.event_type,
        reference=reference,
        occurred_at=news.occurred_at,
    )


def _mention(connection: Connection, batch: list[Read]) -> None:
    """Remember which applicants the events named, also those that moved none."""
    for one in batch:
        if one.event.replayed:
            inbox.forget_mentions(connection, one.event.sequence)
    rows = [
        {"vendor": one.event.vendor, "environment": one.event.environment, "reference": reference, "event_sequence": one.event.sequence}
        for one in batch
        for reference in _references(one.news)
    ]
    inbox.mention(connection, rows)


def _tell(transition: feed.Transition) -> None:
    write = log.warning if transition.reversal == Reversal.ADVERSE else log.info
    write(
        "an approval fell" if transition.reversal == Reversal.ADVERSE else "an applicant changed",
        event_id=transition.event_id,
        vendor=transition.vendor,
        environment=transition.environment,
        reference=transition.reference,
        status=transition.to_status,
        reversal=transition.reversal,
        version=transition.version,
    )
