"""Erase the names of applicants and users from acts and replays. An act stays, and names its subject by a keyed digest.

A name is looked for in free text as well, which reads the whole audit log. So that is done before the transaction that writes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, String, cast, func, or_, select, update

from store.access import audit, digests
from store.database import bulk
from store.database.operations_tables import Act, Replay
from store.database.vendor_tables import Reconciliation
from store.operations.replays import OPEN, Stage
from store.proof import queue
from store.proof.kinds import LeafKind
from store.system import clock
from store.text.states import ApplicantKey

#: Names that one statement looks for.
NAMES_AT_ONCE = 50

Keys = Sequence[ApplicantKey]


class Found(Struct, frozen=True, kw_only=True):
    """The acts whose text names somebody."""

    #: By the numbers of the acts: the name within the subject. Where the whole subject is the name, an index finds the act.
    subjects: dict[int, str]
    #: The name within the reason.
    reasons: dict[int, str]
    #: The last act that was looked at.
    last: int


def find(connection: Connection, keys: Keys, users: Collection[str], *, after: int = 0) -> Found:
    """Return the acts, after one of them, whose subjects or reasons name the applicants or users."""
    names, later = _names(keys, users), Act.id > after
    last = connection.execute(select(func.max(Act.id))).scalar_one() or after
    subjects = _naming(connection, Act.id, Act.subject, names, later, Act.subject.not_in(_digests(keys, users)))
    return Found(subjects=subjects, reasons=_naming(connection, Act.id, Act.reason, names, later), last=last)


def empty_acts(connection: Connection, erasure_of: Mapping[ApplicantKey, str], erasure_of_user: Mapping[str, str], found: Found) -> None:
    """Name the applicants and users of erasures in the audit log by keyed digests, and remove the reasons that name them.

    `found`: what `find` returned shortly before; later acts are looked for here."""
    later = find(connection, list(erasure_of), erasure_of_user, after=found.last)
    emptied = [
        *_empty_subjects(connection, erasure_of, erasure_of_user),
        *_empty_texts(connection, found.subjects | later.subjects, found.reasons | later.reasons, _by_name(erasure_of, erasure_of_user)),
    ]
    queue.add_erased_by_several(connection, LeafKind.ACT, emptied)


def _empty_subjects(
    connection: Connection, erasure_of: Mapping[ApplicantKey, str], erasure_of_user: Mapping[str, str]
) -> Iterator[tuple[int, str]]:
    """Empty the acts that an index finds; yield each with its erasure."""
    keys, users = list(erasure_of), list(erasure_of_user)
    erasure_of_subject = {audit.applicant_subject(key): made for key, made in erasure_of.items()}
    erasure_of_subject |= {audit.user_subject(user): made for user, made in erasure_of_user.items()}
    for subject, digest in sorted(_digests(keys, users).items()):
        mine = update(Act).where(Act.subject == subject).values(subject=f"erased {digest}", reason=None)
        yield from ((act, erasure_of_subject[subject]) for act in connection.execute(mine.returning(Act.id)).scalars())


def _empty_texts(
    connection: Connection, subjects: Mapping[int, str], reasons: Mapping[int, str], by_name: Mapping[str, str]
) -> Iterator[tuple[int, str]]:
    """Empty the acts in whose texts names were found; yield each that changes with its erasure."""
    for act, name in sorted(subjects.items()):
        mine = update(Act).where(Act.id == act).values(subject=f"erased {digests.of('name', name).hex()}")
        yield from ((found, by_name[name]) for found in connection.execute(mine.returning(Act.id)).scalars())
    if reasons:
        those = update(Act).where(Act.id.in_(sorted(reasons)), Act.reason.is_not(None)).values(reason=None)
        yield from ((act, by_name[reasons[act]]) for act in connection.execute(those.returning(Act.id)).scalars())


def _by_name(erasure_of: Mapping[ApplicantKey, str], erasure_of_user: Mapping[str, str]) -> dict[str, str]:
    """Return the erasure of each name; of several the first."""
    named = [*((key.reference, made) for key, made in erasure_of.items()), *erasure_of_user.items()]
    return dict(sorted(named, reverse=True))


def empty_replays(connection: Connection, keys: Keys, users: Collection[str]) -> None:
    """Remove from replays the applicants that they were about. One that has not ended is cancelled."""
    names = _names(keys, users)
    in_json = [json.dumps(name, ensure_ascii=False)[1:-1] for name in names]
    columns = ((cast(Replay.wanted, String), in_json), (cast(Replay.forecast, String), in_json), (Replay.reason, names))
    found = {replay for column, written in columns for replay in _naming(connection, Replay.id, column, written)}
    is_open = update(Replay).where(Replay.id.in_(found), Replay.status.in_(OPEN))
    connection.execute(is_open.values(status=Stage.CANCELLED, ended_at=clock.now()))
    connection.execute(update(Replay).where(Replay.id.in_(found)).values(wanted={}, forecast=None, reason=""))


def end_reconciliations(connection: Connection, keys: Keys, users: Collection[str]) -> None:
    """End the reconciliations that somebody asked for and that name the applicants or users."""
    in_json = [json.dumps(name, ensure_ascii=False)[1:-1] for name in _names(keys, users)]
    row = Reconciliation.vendor + " " + Reconciliation.environment
    found = list(_naming(connection, row, cast(Reconciliation.wanted, String), in_json, Reconciliation.wanted.is_not(None)))
    connection.execute(update(Reconciliation).where(row.in_(found)).values(wanted=None))


def _digests(keys: Keys, users: Collection[str]) -> dict[str, str]:
    """Return the digests of applicants and users, by the subjects of the acts about them."""
    found = {audit.applicant_subject(key): digests.of_applicant(key).hex() for key in keys}
    return found | {audit.user_subject(user): digests.of("user", user).hex() for user in users}


def _names(keys: Keys, users: Collection[str]) -> list[str]:
    return sorted({*(key.reference for key in keys), *users})


def _naming(connection: Connection, number: Any, column: Any, names: Sequence[str], *conditions: Any) -> dict[Any, str]:
    """Return the numbers of the rows whose text holds one of the names, each with that name, as a word of its own: a short name is part of
    many others."""
    found: dict[Any, str] = {}
    for some in bulk.parts(names, NAMES_AT_ONCE):
        word = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, some))})(?!\w)")
        likely = select(number, column).where(or_(*(column.contains(name, autoescape=True) for name in some)), *conditions)
        matches = {one: word.search(text) for one, text in connection.execute(likely)}
        found |= {one: match[0] for one, match in matches.items() if match}
    return found
