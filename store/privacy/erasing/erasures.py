"""Erasures: their applicants, and how far they are. An erasure is a row, so that it can be interrupted and resumed.

The first step is one transaction: it fences the applicants, removes their rows and tells of it. From then on they are unknown here; the
steps that follow remove what is left, a part at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, exists, or_, select, update

from store import config, database
from store.applicants import erased, feed
from store.database.privacy_tables import Erasure, Fence, PrivacyState, Relationship
from store.database.tables import ApplicantRow
from store.inbox.deliveries import new_event_id
from store.privacy import acts, holds
from store.privacy.acts import DataSubject as DataSubject
from store.privacy.erasing import act_erasure, trace_erasure
from store.privacy.keeping import periods, relationships
from store.privacy.restoring import index_key
from store.proof import queue
from store.proof.kinds import LeafKind
from store.starts import forgetting
from store.system import clock
from store.text.states import ApplicantKey


class Stage(StrEnum):
    """The state of an erasure."""

    #: Somebody asked; another person is to decide.
    REQUESTED = "requested"
    #: It is to be carried out, or is.
    APPROVED = "approved"
    REFUSED = "refused"
    #: The time until which it was refused is over: it is to be carried out, or is.
    DUE = "due"
    DONE = "done"


class Cause(StrEnum):
    """Why an erasure is made."""

    #: Somebody asked for it.
    REQUEST = "request"
    #: A rule of RETENTION.
    RETENTION = "retention"
    #: The vendor erased the applicant, and ERASE_WITH_VENDOR is set.
    VENDOR = "vendor"
    #: The ledger names it, and the database, which was restored, does not.
    LEDGER = "ledger"


#: What is to be carried out.
AHEAD = (Stage.APPROVED, Stage.DUE)

#: What names somebody in the row of a request.
NAMES = ("external_user_id", "vendor", "reference", "reason")


class Begun(Struct, frozen=True, kw_only=True):
    """An erasure that is carried out."""

    id: str
    environment: str
    keys: list[ApplicantKey]
    #: The user, if it is about all that is kept of one.
    user: str | None
    #: Whether the vendors are to erase, too; whether that is all that is left to do.
    with_vendor: bool
    waits: bool


def create(connection: Connection, subject: DataSubject, *, stage: Stage, cause: Cause, by: str, **values: Any) -> str:
    """Write down an erasure; return its id. Raises NoIndexKey and WrongIndexKey."""
    [made] = create_all(connection, [(subject, values)], stage=stage, cause=cause, by=by)
    return made


def create_all(
    connection: Connection, wanted: Sequence[tuple[DataSubject, dict[str, Any]]], *, stage: Stage, cause: Cause, by: str
) -> list[str]:
    """Write down erasures, each with more columns, which are the same for all; return their ids. Raises NoIndexKey and WrongIndexKey."""
    index_key.keep_check(connection)
    now = clock.now()
    same = {
        "status": stage, "cause": cause, "received_at": now, "deadline": now, "requested_by": by, "requested_at": now, "early": False,
        "with_vendor": False, "restricted": False, "applicants": 0, "events": 0,
    }  # fmt: skip
    rows = [same | structs.asdict(subject) | {"id": new_event_id(), "subject": subject.digest} | values for subject, values in wanted]
    if rows:
        connection.execute(database.insert(Erasure), rows)
    ids = [str(row["id"]) for row in rows]
    queue.add(connection, LeafKind.ERASURE, *ids)
    queue.add(connection, LeafKind.ERASURE_DECIDED, *(made for made, row in zip(ids, rows, strict=True) if row.get("decided_at")))
    return ids


def find(connection: Connection, erasure_id: str, *, lock: bool = False) -> Row[Any] | None:
    """Return an erasure's row."""
    query = select(Erasure.__table__).where(Erasure.id == erasure_id)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def ahead(connection: Connection) -> list[str]:
    """Return the erasures that are to be carried out, in the order in which they were asked for. Not those whose vendor is asked later."""
    connection.execute(update(Erasure).where(is_over()).values(status=Stage.DUE))
    query = select(Erasure.id).where(Erasure.status.in_(AHEAD), is_time()).order_by(Erasure.id)
    return list(connection.execute(query).scalars())


def is_over() -> ColumnElement[bool]:
    """Return the condition that an erasure was refused until a time that is over."""
    return and_(Erasure.status == Stage.REFUSED, Erasure.until <= clock.now())


def is_time() -> ColumnElement[bool]:
    """Return the condition that an erasure does not wait for its vendor, or that it is time to ask it again."""
    return or_(Erasure.vendor_again_at.is_(None), Erasure.vendor_again_at <= clock.now())


def begin_all(connection: Connection, erasure_ids: Sequence[str]) -> list[Begun]:
    """Begin erasures; return those that can be."""
    begun = [begin(connection, erasure_id) for erasure_id in erasure_ids]
    return [one for one in begun if one is not None]


def give_back(connection: Connection, erasure_ids: Collection[str]) -> None:
    """Let erasures be decided again, of which nothing is erased yet: a hold that is placed meanwhile counts."""
    fenced = exists().where(Fence.erasure_id == Erasure.id)
    connection.execute(update(Erasure).where(Erasure.id.in_(erasure_ids), ~fenced, Erasure.status.in_(AHEAD)).values(targets=None))


def begin(connection: Connection, erasure_id: str) -> Begun | None:
    """Choose which applicants an erasure is about; return it. None if it is done, not decided, a hold is on one of them, or a rule of
    RETENTION keeps one (again), because its relationship goes on or ended later."""
    acts.take_turn(connection)
    row = find(connection, erasure_id, lock=True)
    if row is None or row.status not in AHEAD:
        return None
    if row.targets is None:
        keys = applicants_of(connection, DataSubject.of_row(row))
        if holds.on(connection, row.environment, keys, row.external_user_id) or _is_early(connection, row, keys):
            return None
        targets = [[key.vendor, key.reference] for key in keys]
        connection.execute(update(Erasure).where(Erasure.id == erasure_id).values(targets=targets))
    else:
        keys = [ApplicantKey(vendor, row.environment, reference) for vendor, reference in row.targets]
    waits = row.vendor_again_at is not None
    return Begun(id=erasure_id, environment=row.environment, keys=keys, user=row.external_user_id, with_vendor=row.with_vendor, waits=waits)


def _is_early(connection: Connection, row: Row[Any], keys: Sequence[ApplicantKey]) -> bool:
    """Return whether one of the applicants is kept for now: by a rule or, where a person said until when, by a relationship that goes on
    or was recorded since. What was erased before a restore is erased again all the same."""
    if row.early or row.cause == Cause.LEDGER:
        return False
    if row.status == Stage.DUE and not relationships.recorded_since(connection, keys, row.decided_at):
        return any(one.goes_on for one in periods.of_keys(connection, keys).values())
    return periods.forbid(connection, keys)


def applicants_of(connection: Connection, subject: DataSubject) -> list[ApplicantKey]:
    """Return the applicants: the one that is named, whether it is known or not, or all of the user's."""
    if subject.external_user_id is None:
        return [subject.key]
    mine = (ApplicantRow.environment == subject.environment, ApplicantRow.external_user_id == subject.external_user_id)
    query = select(ApplicantRow.vendor, ApplicantRow.environment, ApplicantRow.reference).where(*mine)
    return sorted(ApplicantKey(*row) for row in connection.execute(query))


def by_applicant(begun: Sequence[Begun]) -> dict[ApplicantKey, str]:
    """Return the id of the erasure of each applicant."""
    return {key: one.id for one in begun for key in one.keys}


def close(connection: Connection, begun: Sequence[Begun]) -> None:
    """Fence the applicants, remove their rows, and tell of it. It may be done again."""
    erasure_of = by_applicant(begun)
    erased.remember(connection, erasure_of)
    visible = trace_erasure.forget_applicants(connection, list(erasure_of))
    forgetting.forget(connection, list(erasure_of), {(one.environment, one.user) for one in begun if one.user})
    trace_erasure.end_reactions(connection, list(erasure_of))
    for erasure_id, count in sorted(Counter(erasure_of[one.key] for one in visible).items()):
        connection.execute(update(Erasure).where(Erasure.id == erasure_id).values(applicants=Erasure.applicants + count))
    feed.append(connection, [feed.erasure(one, erasure_of[one.key]) for one in visible])
    if not config.settings().privacy.notice:
        trace_erasure.empty_notices_of(connection, [one.key for one in visible])


def count_events(connection: Connection, erasure_id: str, events: int) -> None:
    """Count events that were erased."""
    connection.execute(update(Erasure).where(Erasure.id == erasure_id).values(events=Erasure.events + events))


def finish(connection: Connection, begun: Sequence[Begun], *, ledger_lines: Sequence[int]) -> None:
    """Remove the names from the erasures' own rows, and record that they are done, and that the database has their lines of the ledger."""
    acts.take_turn(connection)  # Before the erasure's row, like whoever decides.
    those = (Erasure.id.in_([one.id for one in begun]), Erasure.status.in_(AHEAD))
    rows = connection.execute(select(Erasure.__table__).where(*those).order_by(Erasure.id).with_for_update()).all()
    nameless = dict.fromkeys((*NAMES, "decision_reason", "targets"))
    waited = {"vendor_answer": None, "vendor_again_at": None}
    done = update(Erasure).where(Erasure.id.in_([row.id for row in rows]))
    connection.execute(done.values(status=Stage.DONE, done_at=clock.now(), **nameless, **waited))
    named = [row.id for row in rows if any(getattr(row, name) is not None for name in NAMES)]
    told = [row.id for row in rows if row.decided_at is not None and row.decision_reason is not None]
    queue.add_erased_by_several(connection, LeafKind.ERASURE, zip(named, named, strict=True))
    queue.add_erased_by_several(connection, LeafKind.ERASURE_DECIDED, zip(told, told, strict=True))
    queue.add(connection, LeafKind.ERASURE_DONE, *(row.id for row in rows))
    for line in sorted(ledger_lines):
        count_line(connection, line)


def find_acts(connection: Connection, begun: Sequence[Begun]) -> act_erasure.Found:
    """Return the acts that name the applicants and users of erasures. It reads the whole audit log."""
    return act_erasure.find(connection, list(by_applicant(begun)), _users(begun))


def forget_traces(connection: Connection, begun: Sequence[Begun], found: act_erasure.Found) -> None:
    """Remove the names that erasures are about from all but their own rows. It may be done again. `found`: what `find_acts` returned."""
    keys, users = list(by_applicant(begun)), _users(begun)
    trace_erasure.forget_mentions(connection, keys)
    trace_erasure.forget_quiet_moves(connection, keys)
    act_erasure.empty_acts(connection, by_applicant(begun), {one.user: one.id for one in reversed(begun) if one.user}, found)
    act_erasure.empty_replays(connection, keys, users)
    act_erasure.end_reconciliations(connection, keys, users)
    for one in begun:
        holds.forget(connection, one.environment, one.keys, one.user, erasure_id=one.id)
        if one.user:
            mine = (Relationship.environment == one.environment, Relationship.external_user_id == one.user)
            connection.execute(delete(Relationship).where(*mine))


def _users(begun: Sequence[Begun]) -> set[str]:
    return {one.user for one in begun if one.user}


def count_line(connection: Connection, ledger_line: int) -> None:
    """Record that the database has a line of the ledger, if it has those before it."""
    before = update(PrivacyState).where(PrivacyState.ledger_lines == ledger_line - 1)
    connection.execute(before.values(ledger_lines=ledger_line))
