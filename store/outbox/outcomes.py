"""The outcomes of reactions: done, to be retried, given up, or not attempted because of a failure of our own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, exists, select, update

from store import database
from store.database import bulk
from store.database.operations_tables import Reaction, Subscriber
from store.database.tables import TransitionRow
from store.outbox.dispatch import FAILURES_MAX, Due, ReactionStatus, is_awake
from store.system import backoff, clock
from store.text.states import Reversal

#: The pause of a subscriber that keeps failing: first so long, then twice as long, to a limit.
PAUSE_BASE, PAUSE_LIMIT = timedelta(seconds=5), timedelta(minutes=5)

#: Answers that a reaction remembers.
ANSWERS_MAX = 20

_LET_GO = {"claimed_by": "NULL", "claimed_until": "NULL"}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A failed attempt: the answer, and when to retry; None: it gives up."""

    due: Due
    answer: str
    retry_at: datetime | None


def succeeded(connection: Connection, answered: Sequence[tuple[Due, str]], *, holder: str) -> None:
    """Record reactions as done, each with its answer, and end the pause of their subscriber. A power failure may undo this; then they
    are done again."""
    database.relax_durability(connection)
    _settle(connection, answered, holder, status=ReactionStatus.DONE, settled_at=clock.now())
    names = {due.subscriber for due, _ in answered}
    well = update(Subscriber).where(Subscriber.name.in_(names), Subscriber.failures > 0)
    connection.execute(well.values(failures=0, paused_until=None))


def failed(connection: Connection, failures: Sequence[Failure], *, holder: str, rest: timedelta | None, counts: bool = True) -> None:
    """Record attempts of one subscriber that failed together. They count as one failure of the subscriber, or as none.

    `rest` is the pause that the subscriber asked for; None: the failures say nothing about the subscriber."""
    for failure in failures:
        answered = [(failure.due, failure.answer)]
        if failure.retry_at is None:
            _settle(connection, answered, holder, status=ReactionStatus.FAILED, settled_at=clock.now())
        else:
            _settle(connection, answered, holder, due_at=failure.retry_at)
    if rest is not None:
        first = counts and any(failure.due.attempts == 1 for failure in failures)
        _let_rest(connection, failures[0].due.subscriber, rest, first_attempt=first, counts=counts)


def stopped(connection: Connection, due: Due, *, holder: str, answer: str) -> None:
    """Record that the subscriber wants no further notifications. Pending reactions stay pending."""
    _settle(connection, [(due, answer)], holder, due_at=clock.now())
    connection.execute(update(Subscriber).where(Subscriber.name == due.subscriber).values(stopped_at=clock.now()))


def postpone_uncounted(connection: Connection, dues: Sequence[Due], *, holder: str, again_at: datetime) -> None:
    """Give back reactions that could not be attempted because of a failure of our own. No attempt counts."""
    rows = [{"id": due.id, "claimed_by": holder, "attempts": due.attempts - 1, "due_at": again_at} for due in dues]
    bulk.rewrite(connection, Reaction, rows, key=("id", "claimed_by"), change=_LET_GO)


def _settle(connection: Connection, answered: Sequence[tuple[Due, str]], holder: str, **values: Any) -> None:
    """Record the answers to reactions that the holder still holds, and release them."""
    said_at = clock.rfc3339(clock.now())
    rows = [
        {
            "id": due.id,
            "claimed_by": holder,
            "attempts": due.attempts,
            "answers": [*due.answers, {"at": said_at, "said": answer}][-ANSWERS_MAX:],
        }
        | values
        for due, answer in answered
    ]
    bulk.rewrite(connection, Reaction, rows, key=("id", "claimed_by"), change=_LET_GO)


def _let_rest(connection: Connection, name: str, rest: timedelta, *, first_attempt: bool, counts: bool) -> None:
    """Count a failure, unless it repeats that of a reaction that failed before while others do not. Pause a subscriber that fails often.

    A request that was sent before the pause began belongs to the same failure: it neither counts nor extends the pause."""
    row = connection.execute(select(Subscriber.__table__).where(Subscriber.name == name).with_for_update()).one()
    counts = counts and is_awake(row)
    failures = row.failures + (1 if counts and (first_attempt or row.failures >= FAILURES_MAX) else 0)
    if counts and failures >= FAILURES_MAX:
        rest = max(rest, backoff.pause(PAUSE_BASE, failures - FAILURES_MAX + 1, PAUSE_LIMIT))
    until = max(filter(None, (row.paused_until, clock.now() + rest if rest else None)), default=None)
    connection.execute(update(Subscriber).where(Subscriber.name == name).values(failures=failures, paused_until=until))


def release_of_crashed(connection: Connection, name: str, *, holder: str) -> None:
    """Release what a crashed process had claimed of a subscriber's reactions."""
    mine = update(Reaction).where(Reaction.subscriber == name, Reaction.status == ReactionStatus.PENDING, Reaction.claimed_by == holder)
    connection.execute(mine.values(claimed_by=None, claimed_until=None))


def release_uncounted(connection: Connection, names: Collection[str], *, holder: str) -> None:
    """Release what a process claimed and did not finish before it ends. The claim counts as no attempt."""
    mine = and_(Reaction.subscriber.in_(names), Reaction.status == ReactionStatus.PENDING, Reaction.claimed_by == holder)
    connection.execute(update(Reaction).where(mine).values(attempts=Reaction.attempts - 1, claimed_by=None, claimed_until=None))


def forget_done(connection: Connection, *, before: datetime) -> None:
    """Remove reactions that were done, or forgotten, long ago. Those of an approval that fell stay: they say who was notified, and
    when."""
    adverse = exists().where(TransitionRow.number == Reaction.number, TransitionRow.reversal == Reversal.ADVERSE)
    over = Reaction.status.in_((ReactionStatus.DONE, ReactionStatus.FORGOTTEN))
    connection.execute(delete(Reaction).where(over, Reaction.settled_at < before, ~adverse))
