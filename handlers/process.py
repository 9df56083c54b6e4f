"""What becomes of a batch: claim pending events, read them, decide, write the applicants, settle. One transaction for all."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Connection

from handlers import config
from handlers.reading import Read, interpret, not_understood, occasion, references, said, settlement
from handlers.rules import transitions
from handlers.rules.news import News, Unreadable
from handlers.rules.transitions import Decision
from handlers.worker.watchdog import pulse
from store import database
from store.applicants import feed, history, mentions
from store.applicants import table as applicants
from store.applicants.mentions import Said
from store.applicants.table import Applicant, Key
from store.inbox import claims
from store.inbox.claims import Claimed, Settlement
from store.operations import delivery_counts
from store.system import clock, fault_points
from store.system.logs import describe_error

log = structlog.get_logger()

#: Events that share a transaction.
BATCH, NEWEST_BATCH = 400, 150

#: A pause is doubled at most so often: any base is beyond any limit by then.
DOUBLINGS_MAX = 24

#: How many applicants one transaction locks, as far as one event does not name more.
APPLICANTS_MAX = 500


class LeaseLost(Exception):
    """Another worker took the batch over, because we were too slow."""


def handle_some(token: str, *, call_others: Callable[[], object] | None = None) -> int:
    """Claim and handle a batch, and one event whose holder died; return how many. A full batch calls others before it is handled.

    Raises what the database raises: it is no try of any event."""
    batch = claims.claim(token, most=BATCH)
    if call_others and len(batch) == BATCH:
        call_others()
    handle(token, batch)
    return len(batch) + _handle_a_suspect(token)


def handle_newest(vendor: str, token: str) -> int:
    """Claim and handle a vendor's newest events, however many older ones wait; return how many. Raises what the database raises."""
    batch = claims.claim(token, most=NEWEST_BATCH, newest_of=vendor)
    handle(token, batch)
    return len(batch)


def handle(token: str, batch: list[Claimed]) -> None:
    """Handle claimed events. If the database fails they are given back, and it is no attempt; the failure is raised."""
    try:
        read = [found for event in batch if (found := _read(token, event)) is not None]
        for some in _bounded(read):
            _write_all(token, some)
    except database.Failure:
        _release(token)
        raise


def _bounded(read: list[Read]) -> Iterable[list[Read]]:
    """A batch in parts that name a bounded number of applicants; a replay, which derives anew, is a part of its own."""
    part: list[Read] = []
    names = 0
    for one in read:
        more = len(references(one.news))
        if part and (one.event.replayed or part[-1].event.replayed or names + more > APPLICANTS_MAX):
            yield part
            part, names = [], 0
        part.append(one)
        names += more
    if part:
        yield part


def new_token() -> str:
    return uuid.uuid4().hex


def _read(token: str, event: Claimed) -> Read | None:
    """What an event says; None if reading it failed, which is an attempt."""
    try:
        return Read(event, _interpret(event))
    except Exception as error:
        _attempt_failed(token, event, describe_error(error))
        return None


def _handle_a_suspect(token: str) -> int:
    """Handle one event whose holder died, alone. To die or hang while it was alone counts as an attempt."""
    found = claims.claim_suspect(token)
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
        claims.bury(event.sequence, token=token, reason=f"handling failed {attempts} times, at last with {error}")
        return
    doubled = settings.retry_base * 2 ** min(attempts - 1, DOUBLINGS_MAX)
    pause = min(doubled, settings.retry_limit) * random.uniform(1, 1.25)  # noqa: S311
    claims.postpone(event.sequence, token=token, retry_at=clock.now() + pause, error=f"attempt {attempts} failed with {error}")


def _release(token: str) -> None:
    try:
        claims.release(token)
    except database.Failure:
        return  # On purpose: the lease runs out by itself.


# writing ------------------------------------------------------------------------------------------------------


def _write_all(token: str, batch: list[Read]) -> None:
    """Write a batch in one transaction; if an event spoils it, one by one, so that it spoils no other."""
    if not batch:
        return
    try:
        told = database.again(lambda: _write(token, batch))
    except LeaseLost:
        _release(token)
    except Exception as error:
        if database.is_away(error):
            raise
        _spoiled(token, batch, error)
    else:
        for transition in told:
            _tell(transition)


def _spoiled(token: str, batch: list[Read], error: Exception) -> None:
    """Find the event that spoils a batch: alone, failing is its own attempt."""
    if len(batch) == 1:
        _attempt_failed(token, batch[0].event, describe_error(error))
        return
    for one in batch:
        _write_all(token, [one])


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a transaction writes beside the applicants themselves."""

    said: list[Said] = field(default_factory=list)
    quiet: list[Applicant] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    told: list[feed.Transition] = field(default_factory=list)


def _write(token: str, batch: list[Read]) -> list[feed.Transition]:
    """Lock, decide, write and settle a batch: applicants in order, then the events, then the feed. Commits. Raises LeaseLost."""
    with database.begin() as connection:
        named = {one.event.sequence: _keys(connection, one) for one in batch}
        present = applicants.lock(connection, (key for keys in named.values() for key in keys))
        before, written = dict(present), Written()
        for one in batch:
            _apply(connection, one, named[one.event.sequence], present, written)
        applicants.save(connection, (applicant for key, applicant in present.items() if applicant != before[key]))
        history.remember_quietly(connection, written.quiet)
        mentions.remember(connection, written.said)
        fault_points.reach("written")
        if not claims.settle(connection, written.settlements, token=token):
            raise LeaseLost
        feed.append(connection, written.told)
        delivery_counts.count_not_understood(connection, filter(None, map(not_understood, batch)))
        fault_points.reach("settled")
    fault_points.reach("handled")
    return written.told


def _apply(connection: Connection, one: Read, keys: list[Key], present: dict[Key, Applicant], written: Written) -> None:
    """Let an event move the applicants that it names, and note what it said and how it ended."""
    decisions = [_decide(connection, present[key], one) for key in keys]
    for decision in decisions:
        before, after = present[decision.applicant.key], decision.applicant
        if decision.changed:
            written.told.append(feed.transition(before, after, decision.changed, decision.reversal, event_id=one.event.id))
        if not decision.changed and after.updated_at != before.updated_at:
            written.quiet.append(after)
        present[after.key] = after
    applied_before = False
    if one.event.replayed:
        mentions.forget(connection, one.event.sequence)
        applied_before = feed.tells_of(connection, one.event.id)
    written.said.extend(said(one, decisions))
    written.settlements.append(settlement(one, decisions, applied_before=applied_before))


def _keys(connection: Connection, one: Read) -> list[Key]:
    """The applicants that an event moves: those that it names and, when it is replayed, those that it named before."""
    event, named = one.event, references(one.news)
    if event.replayed:
        named = tuple(dict.fromkeys([*named, *mentions.of_event(connection, event.sequence)]))
    elif isinstance(one.news, Unreadable) or one.news.says is None:
        return []
    return [Key(event.vendor, event.environment, reference) for reference in named]


def _decide(connection: Connection, applicant: Applicant, one: Read) -> Decision:
    if one.event.replayed:
        return _derive_anew(connection, applicant, one)
    assert isinstance(one.news, News)
    with pulse:
        return transitions.decide(applicant, one.news, occasion(one.event), now=clock.now())


def _derive_anew(connection: Connection, applicant: Applicant, replayed: Read) -> Decision:
    """What all of an applicant's events say together, one of them read again."""
    others = mentions.events_naming(connection, applicant.key)
    said = [(event, _interpret(event)) for event in others if event.id != replayed.event.id]
    if applicant.reference in references(replayed.news):
        said.append((replayed.event, replayed.news))
    heard = ((news, occasion(event)) for event, news in said if isinstance(news, News))
    with pulse:
        return transitions.derive(applicant, heard, occasion(replayed.event), replayed.news, now=clock.now())


def _interpret(event: Claimed) -> News | Unreadable:
    with pulse:
        return interpret(event)


def _tell(transition: feed.Transition) -> None:
    log.info(
        "an applicant changed",
        event_id=transition.event_id,
        vendor=transition.vendor,
        environment=transition.environment,
        reference=transition.reference,
        status=transition.to_status,
        reversal=transition.reversal,
        version=transition.version,
    )
