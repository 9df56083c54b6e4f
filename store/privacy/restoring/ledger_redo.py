"""The erasures that the ledger has and a restored database lacks. Their digests are compared with those of all names that are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, union, update

from store import database
from store.access import digests
from store.applicants import erased
from store.database.privacy_tables import Erasure, Fence, Hold, PrivacyState, Relationship
from store.database.tables import ApplicantRow, MentionRow, TransitionRow
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import Cause, Stage
from store.privacy.restoring import index_key, ledger
from store.privacy.restoring.ledger import Line
from store.proof import queue
from store.proof.kinds import LeafKind
from store.system import clock
from store.text.states import ApplicantKey

#: Who asks for an erasure that is done again.
BY = "ledger"

#: Names that are read at a time.
NAMES_AT_ONCE = 10_000


@dataclass
class Named:
    """The names of this database that a line of the ledger means."""

    keys: list[ApplicantKey] = field(default_factory=list)
    user: str | None = None


def find(connection: Connection, lines: Sequence[Line]) -> dict[str, Named]:
    """Return the applicants that each line means, by the id of its erasure. Reads every name once."""
    found = {line.erasure_id: Named() for line in lines}
    applicants = {bytes.fromhex(digest): found[line.erasure_id] for line in lines for digest in line.applicants}
    users = {bytes.fromhex(line.user): found[line.erasure_id] for line in lines if line.user}
    for key in _keys(connection):
        if named := applicants.get(digests.of_applicant(key)):
            named.keys.append(key)
    for environment, user in _users(connection) if users else ():
        if named := users.get(digests.of_user(environment, user)):
            named.user = user
    return found


def file(connection: Connection, line: Line, named: Named) -> None:
    """Write down an erasure that is to be done again, under its own id, and fence all that its line means. One that this database has
    begun, or done, stays as it is."""
    index_key.keep_check(connection)
    row = erasures.find(connection, line.erasure_id, lock=True)
    if row is not None and (row.targets is not None or row.status == Stage.DONE):
        return
    _fence(connection, line)
    why = {"cause": Cause.LEDGER, "external_user_id": named.user}
    again = why | {"status": Stage.APPROVED, "targets": [[key.vendor, key.reference] for key in named.keys]}
    if row is None:
        connection.execute(database.insert(Erasure).values(**_row(line) | again))
        queue.add(connection, LeafKind.ERASURE, line.erasure_id)
        return
    connection.execute(update(Erasure).where(Erasure.id == line.erasure_id).values(**again))
    if any(getattr(row, name) != value for name, value in why.items()):
        queue.add_erased(connection, LeafKind.ERASURE, [line.erasure_id], erasure_id=line.erasure_id)


def rewrite(connection: Connection) -> int:
    """Write into the ledger the erasures that this database knows and the ledger lacks; return how many lines it has then."""
    fences: dict[str, list[bytes]] = {}
    for erasure_id, digest in connection.execute(select(Fence.erasure_id, Fence.digest)):
        fences.setdefault(erasure_id, []).append(digest)
    rows = connection.execute(select(Erasure.id, Erasure.environment).where(Erasure.status == Stage.DONE).order_by(Erasure.id)).all()
    ledger.append_lines([ledger.line_of(row.id, row.environment, fences.get(row.id, []), None) for row in rows], known=0)
    return ledger.count() or 0


def accept(connection: Connection) -> int:
    """Take the ledger as it is, with what this database knows; return how many lines it has then. Raises ledger.Unusable."""
    lines = rewrite(connection)
    connection.execute(update(PrivacyState).values(ledger_lines=lines))
    return lines


def _fence(connection: Connection, line: Line) -> None:
    """Fence the applicants of a line, whether this database has their names or not."""
    applicants = [bytes.fromhex(digest) for digest in line.applicants]
    there = set(connection.execute(select(Fence.digest).where(Fence.digest.in_(applicants))).scalars())
    erased.remember_digests(connection, [digest for digest in applicants if digest not in there], line.erasure_id)


def _row(line: Line) -> dict[str, Any]:
    now = clock.now()
    return {
        "id": line.erasure_id, "environment": line.environment, "subject": bytes.fromhex((line.user or "") or (line.applicants or [""])[0]),
        "received_at": now, "deadline": now, "requested_by": BY, "requested_at": now, "early": True, "with_vendor": False, "applicants": 0,
        "events": 0,
    }  # fmt: skip


def _keys(connection: Connection) -> Iterator[ApplicantKey]:
    models = (ApplicantRow, MentionRow, TransitionRow)
    query = union(*(select(model.vendor, model.environment, model.reference) for model in models))
    for row in _streamed(connection, query):
        yield ApplicantKey(*row)


def _users(connection: Connection) -> Iterator[tuple[str, str]]:
    columns = (ApplicantRow.external_user_id, Relationship.external_user_id, Hold.external_user_id)
    named = [select(column.class_.environment, column).where(column.is_not(None)) for column in (*columns, Erasure.external_user_id)]
    yield from _streamed(connection, union(*named))


def _streamed(connection: Connection, query: Any) -> Iterable[Any]:
    return connection.execution_options(yield_per=NAMES_AT_ONCE).execute(query)
