"""Emptied leaves: each must be named by the leaf of an erasure that is logged, or of a run of RETENTION that is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, exists, func, or_, select

from store.applicants import feed
from store.database import bulk
from store.database.log_tables import Leaf, Unlogged
from store.database.operations_tables import Act
from store.database.privacy_tables import Erasure
from store.database.tables import EventRow, TransitionRow
from store.inbox.internal_events import KIND_HEADER
from store.proof import contents
from store.proof.kinds import LeafKind, row_column
from store.proof.verification.faults import Fault
from store.proof.verification.pages import KEYS_AT_ONCE, Emptied, KeptLeaf, Key, leaves, name_of
from store.proof.verification.times import LATE_MAX

#: The cause of an erasure that is made again after a restore: `store.privacy.erasing.erasures.Cause.LEDGER`.
FROM_LEDGER = "ledger"

#: That of one whose applicant the vendor erased: `Cause.VENDOR`. No person decides that, nor one that is made again.
FROM_VENDOR = "vendor"

#: That of one that a run of RETENTION writes down: `Cause.RETENTION`.
FROM_RETENTION = "retention"

#: How far an erasure is that is carried out: `store.privacy.erasing.erasures.Stage`.
_CARRIED_OUT = ("approved", "due", "done")

#: Of a list that does not open, each number is left out once, if it has no more.
TRIED_MAX = 2000

#: What a rule of RETENTION empties without an erasure.
_BY_RULE = (LeafKind.EVENT, LeafKind.ACT)

#: The stages of an erasure, which it empties itself.
_STAGES = (LeafKind.ERASURE, LeafKind.ERASURE_DECIDED, LeafKind.ERASURE_DONE)

#: What names somebody in the row of an erasure, until it is done.
_NAMES = ("external_user_id", "vendor", "reference", "reason")

#: The act of a run of RETENTION: `store.privacy.acts.Action.RUN_RETENTION`, which is above this floor.
RUN_RETENTION = "run retention"


def check_list(connection: Connection, leaf: KeptLeaf) -> Iterator[Fault]:
    """Check the leaf of an erasure: it opens to the numbers of the leaves that name it, and its erasure is logged before it."""
    query = select(Leaf.number, Leaf.kind, Leaf.row_id).where(Leaf.emptied_by == leaf.number).order_by(Leaf.number)
    named = connection.execute(query).all()
    numbers = [one.number for one in named]
    if not _opens(leaf, numbers):
        yield from _too_many(connection, leaf, numbers)
    if any(number >= leaf.number for number in numbers):
        yield Fault(LeafKind.EMPTIED, str(leaf.number), "it empties leaves that are newer than it")
    if leaf.row_id is not None:
        own = all(one.kind in _STAGES and one.row_id == leaf.row_id for one in named)
        yield from _check_erasure(connection, leaf, is_carried_out=not own)
    elif others := sorted({one.kind for one in named} - set(_BY_RULE)):
        yield Fault(LeafKind.EMPTIED, str(leaf.number), f"no rule of RETENTION empties leaves of kind {', '.join(others)}")


def check_named(connection: Connection, page: Collection[KeptLeaf]) -> Iterator[Fault]:
    """Check that leaves that are emptied name a leaf of kind `emptied`, which is newer."""
    named = sorted({leaf.emptied_by for leaf in page if leaf.emptied_by is not None})
    kinds: dict[int, str] = {}
    for some in bulk.parts(named, KEYS_AT_ONCE):
        kinds |= dict(connection.execute(select(Leaf.number, Leaf.kind).where(Leaf.number.in_(some))).all())
    for leaf in page:
        if leaf.emptied_by is not None and (kinds.get(leaf.emptied_by) != LeafKind.EMPTIED or leaf.emptied_by <= leaf.number):
            what = f"leaf {leaf.emptied_by}, which is said to have emptied its leaf {leaf.number}, is of no later erasure"
            yield Fault(leaf.kind, name_of(connection, leaf.kind, leaf.key), what)


def is_erased(connection: Connection, kind: LeafKind, row: Mapping[Any, Any], leaf: KeptLeaf, before: Emptied) -> bool:
    """Return whether a row that was logged again, by a leaf, is what an erasure leaves of one. `before`: the leaf that was emptied then."""
    match kind:
        case LeafKind.EVENT:
            return row["erased_at"] is not None and (not row["sealed_body"] or set(row["headers"]) == {KIND_HEADER})
        case LeafKind.CHANGE:
            return row["erased_at"] is not None and row["to_status"] == feed.ERASED and row["applicant"] == {}
        case LeafKind.ACT:
            return row["reason"] is None or row["subject"].startswith("erased ")
        case LeafKind.HOLD:
            return row["external_user_id"] is None and row["reference"] is None and row["reason"] is None
        case LeafKind.HOLD_LIFTED:
            return row["lift_reason"] is None
        case LeafKind.ERASURE | LeafKind.ERASURE_DECIDED:
            return _is_next_stage(connection, kind, row, leaf, before)
    return False


def _is_next_stage(connection: Connection, kind: LeafKind, row: Mapping[Any, Any], leaf: KeptLeaf, before: Emptied) -> bool:
    """Return whether an erasure that was logged again is what its end leaves of it, what the ledger makes of it or, of its decision, an
    approval after a refusal."""
    columns = (Erasure.status, Erasure.done_at, *(getattr(Erasure, name) for name in _NAMES))
    found = connection.execute(select(*columns).where(Erasure.id == leaf.row_id)).one_or_none()
    done = select(func.min(Leaf.at)).where(Leaf.kind == LeafKind.ERASURE_DONE, Leaf.row_id == leaf.row_id)
    ended_at = connection.execute(done).scalar_one()
    if found is None or (ended_at is not None and leaf.at > ended_at):  # The end is logged last, at the latest with these.
        return False
    is_done = found.done_at is not None
    if kind == LeafKind.ERASURE_DECIDED:
        # The row has room for one decision. One that is made while the one before is logged is in the leaf of that.
        return (is_done and row["decision_reason"] is None) or (row["early"] and row["decided_at"] >= before.at - LATE_MAX)
    if is_done:
        return all(getattr(found, name) is None for name in _NAMES)
    return row["cause"] == FROM_LEDGER and found.status in _CARRIED_OUT


def without_run(connection: Connection) -> Iterator[Fault]:
    """Yield a fault if rules of RETENTION emptied more than the acts of their runs say, which count applicants, too."""
    lists = select(Leaf.number).where(Leaf.kind == LeafKind.EMPTIED, Leaf.row_id.is_(None))
    emptied = select(func.count(func.distinct(Leaf.row))).where(Leaf.emptied_by.in_(lists))
    removed = sum(connection.execute(emptied.where(Leaf.kind == kind)).scalar_one() for kind in _BY_RULE)
    # Each erasure that a run wrote down is of one applicant at least. Those of before the log may be of a run that was interrupted.
    began = select(Leaf.at).where(Leaf.number == 0).scalar_subquery()
    written = select(func.count()).where(Erasure.cause == FROM_RETENTION, Erasure.requested_at > began)
    applicants = connection.execute(written).scalar_one()
    touched = connection.execute(select(func.coalesce(func.sum(Act.touched), 0)).where(Act.action == RUN_RETENTION)).scalar_one()
    said = max(0, (touched or 0) - applicants)
    if removed > said:
        newest = connection.execute(select(func.max(Leaf.number)).where(Leaf.number.in_(lists))).scalar_one()
        yield Fault(LeafKind.EMPTIED, str(newest), f"rules of RETENTION emptied {removed} rows, and the acts of their runs say {said}")


def is_queued(connection: Connection, kind: LeafKind, key: Key) -> bool:
    """Return whether a row was erased, and the sequencer has not logged that yet."""
    column = row_column(Unlogged, kind)
    return connection.execute(select(exists().where(Unlogged.kind == kind, column == key, Unlogged.erased.is_(True)))).scalar_one()


def _opens(leaf: KeptLeaf, numbers: Sequence[int]) -> bool:
    return contents.commit_to_list(leaf.row_id, numbers, secret=leaf.secret).digest == leaf.commitment


def _too_many(connection: Connection, leaf: KeptLeaf, numbers: Sequence[int]) -> Iterator[Fault]:
    """Yield the row of the leaf that is not in the list that was committed to, if it is one; else that the list is another one."""
    for number in numbers if len(numbers) <= TRIED_MAX else ():
        if _opens(leaf, [one for one in numbers if one != number]):
            [other] = leaves(connection, number, number + 1)
            what = f"its leaf {number} is said to be emptied by leaf {leaf.number}, which does not list it"
            yield Fault(other.kind, name_of(connection, other.kind, other.key), what)
            return
    yield Fault(LeafKind.EMPTIED, str(leaf.number), "the leaves that it is said to have emptied are not those that it lists")


def _check_erasure(connection: Connection, leaf: KeptLeaf, *, is_carried_out: bool) -> Iterator[Fault]:
    """Check that the erasure of a leaf was logged before it. `is_carried_out`: it emptied more than its own names."""
    if not _is_logged_before(connection, LeafKind.ERASURE, leaf):
        yield Fault(LeafKind.EMPTIED, str(leaf.number), f"erasure {leaf.row_id}, which it names, was not logged before it")
    query = select(Erasure.status, Erasure.cause, Erasure.requested_at, Erasure.done_at, Erasure.applicants)
    erasure = connection.execute(query.where(Erasure.id == leaf.row_id)).one_or_none()
    if erasure is None or not is_carried_out:
        return
    if erasure.status not in _CARRIED_OUT:
        yield Fault(LeafKind.EMPTIED, str(leaf.number), f"erasure {leaf.row_id}, which it names, is {erasure.status}")
    elif erasure.cause not in (FROM_LEDGER, FROM_VENDOR) and not _is_logged_before(connection, LeafKind.ERASURE_DECIDED, leaf):
        yield Fault(LeafKind.EMPTIED, str(leaf.number), f"no decision on erasure {leaf.row_id}, which it names, was logged before it")
    yield from _late(connection, leaf, erasure)


def _is_logged_before(connection: Connection, stage: LeafKind, leaf: KeptLeaf) -> bool:
    first = connection.execute(select(func.min(Leaf.number)).where(Leaf.kind == stage, Leaf.row_id == leaf.row_id)).scalar_one()
    return first is not None and first < leaf.number


def _late(connection: Connection, leaf: KeptLeaf, erasure: Any) -> Iterator[Fault]:
    """Yield what an erasure emptied after it was done: an erasure empties then only events that were not handled before, and the notices
    of itself, as many as it had applicants."""
    query = select(Leaf.number, Leaf.at).where(Leaf.kind == LeafKind.ERASURE_DONE, Leaf.row_id == leaf.row_id)
    done = connection.execute(query.order_by(Leaf.number).limit(1)).one_or_none()
    if done is None or leaf.at <= done.at:
        return
    event, change = (
        (Leaf.kind == LeafKind.EVENT) & (Leaf.row == EventRow.sequence),
        (Leaf.kind == LeafKind.CHANGE) & (Leaf.row == TransitionRow.number),
    )
    emptied = select(Leaf.kind, Leaf.row, Leaf.row_id).outerjoin(EventRow, event).outerjoin(TransitionRow, change)
    is_older = Leaf.number < done.number
    wrong = or_(
        is_older & Leaf.kind.in_((LeafKind.ACT, LeafKind.HOLD, LeafKind.HOLD_LIFTED)),
        is_older & (EventRow.settled_at < erasure.done_at),
        TransitionRow.event_id.is_not(None),
        # A notice is written while the erasure is carried out. Where many changes wait, it is logged after the end of that.
        ~is_older & (TransitionRow.at > erasure.done_at),
        (Leaf.kind == LeafKind.CHANGE) & (Leaf.at < erasure.requested_at - LATE_MAX),
    )
    for kind, row, row_id in connection.execute(emptied.where(Leaf.emptied_by == leaf.number, wrong)):
        name = name_of(connection, kind, row_id if row is None else row)
        yield Fault(kind, name, f"leaf {leaf.number} emptied it after erasure {leaf.row_id} was done")
    lists = select(Leaf.number).where(Leaf.kind == LeafKind.EMPTIED, Leaf.row_id == leaf.row_id, Leaf.at > done.at)
    notices = select(func.count(func.distinct(Leaf.row))).where(Leaf.kind == LeafKind.CHANGE, Leaf.emptied_by.in_(lists))
    if (count := connection.execute(notices).scalar_one()) > erasure.applicants:
        what = f"erasure {leaf.row_id} emptied {count} changes after it was done, and it had {erasure.applicants} applicants"
        yield Fault(LeafKind.EMPTIED, str(leaf.number), what)
