"""The gate: whether what is kept may be read. It is closed while the database lacks erasures that the ledger holds.

Each process looks on its own, every few seconds, so that a read costs nothing. While the gate is closed deliveries are kept, and neither
handled nor shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import takewhile

from msgspec import Struct
from sqlalchemy import Connection, and_, exists, or_, select, true, update

from store import database
from store.access import digests
from store.access.digests import NoIndexKey, WrongIndexKey
from store.database import bulk
from store.database.privacy_tables import Erasure, Fence, PrivacyState
from store.database.sessions import Unfit
from store.privacy.erasing.erasures import Cause, Stage
from store.privacy.restoring import ledger
from store.privacy.restoring.ledger import Line

#: How long a look counts.
OPEN_SECONDS, CLOSED_SECONDS = 2.0, 0.3

#: Erasures that one statement asks about.
ASKED_AT_ONCE = 500


class Closed(Unfit):
    """What is kept may not be read yet. The message says why."""


class Gate(Struct, frozen=True, kw_only=True):
    """What was found."""

    #: How many erasures are to be done again.
    lacking: int = 0
    #: What an operator must repair; None: nothing.
    fault: str | None = None

    @property
    def is_closed(self) -> bool:
        return bool(self.lacking or self.fault)

    def __str__(self) -> str:
        return self.fault or f"{self.lacking} erasures of the ledger are done again, because this database lacks them"


class _Looker:
    """Looks at the ledger and the database, and remembers what it found."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._found: tuple[float, Gate] | None = None
        self._was_open = False

    def tell(self) -> Gate:
        """Return the gate, as it was seconds ago. While one thread looks the others use what was found last."""
        found = self._found
        if found and time.monotonic() - found[0] <= (CLOSED_SECONDS if found[1].is_closed else OPEN_SECONDS):
            return found[1]
        if not self._turn.acquire(blocking=found is None):
            assert found
            return found[1]
        try:
            if self._found is not None and self._found is not found:
                return self._found[1]  # Another thread looked while this one waited.
            # Until it has been open once, an erasure that is chosen closes it, too: it may be one of a restored backup.
            now = database.read(lambda connection: look(connection, is_running=self._was_open))
            self._found, self._was_open = (time.monotonic(), now), not now.is_closed
            return now
        except BaseException:
            self._found = None
            raise
        finally:
            self._turn.release()

    def forget(self) -> None:
        self._found, self._was_open = None, False


_looker = _Looker()


def tell() -> Gate:
    """Return the gate, as it was at most a few seconds ago. Raises what the database raises."""
    return _looker.tell()


def require_open() -> None:
    """Raise Closed while nothing may be read, and what the database raises."""
    found = tell()
    if found.is_closed:
        raise Closed(str(found))


def forget() -> None:
    """Look again before the next answer."""
    _looker.forget()


def look(connection: Connection, *, is_running: bool = False) -> Gate:
    """Return the gate as it is now. `is_running`: an erasure that this database has begun does not close it."""
    known, check = connection.execute(select(PrivacyState.ledger_lines, PrivacyState.index_key_check)).one()
    try:
        digests.prove(check)
        return _compared(connection, known, ledger.count(), is_running=is_running)
    except (ledger.Unusable, NoIndexKey, WrongIndexKey) as unusable:
        return Gate(fault=str(unusable))


def lacking(connection: Connection, *, is_running: bool = False) -> list[Line]:
    """Return the lines of the ledger that this database lacks. Raises ledger.Unusable."""
    lines = ledger.lines(after=known_lines(connection))
    known = _known(connection, lines, is_running=is_running)
    return [line for line in lines if line.erasure_id not in known]


def known_lines(connection: Connection) -> int:
    """Return how many lines of the ledger are known to be in the database."""
    return connection.execute(select(PrivacyState.ledger_lines)).scalar_one()


def catch_up(connection: Connection) -> None:
    """Count the lines that the database has, up to the first that it lacks. Raises ledger.Unusable."""
    counted = known_lines(connection)
    lines = ledger.lines(after=counted)
    known = _known(connection, lines, is_running=False)
    reached = counted + len(list(takewhile(lambda line: line.erasure_id in known, lines)))
    if reached > counted:
        connection.execute(update(PrivacyState).where(PrivacyState.ledger_lines == counted).values(ledger_lines=reached))


def _compared(connection: Connection, known: int, count: int | None, *, is_running: bool) -> Gate:
    if count is None and known:
        return Gate(fault=f"the ledger {ledger.path()} is missing, and the database knows of {known} lines in it")
    if (count or 0) < known:
        return Gate(fault=f"the ledger {ledger.path()} has {count} lines, and the database knows of {known}")
    if count == known or count is None:
        return Gate()
    lines = lacking(connection, is_running=is_running)
    if any(line.key != ledger.key_shown() for line in lines):
        return Gate(fault=f"INDEX_KEY is not the key that the ledger {ledger.path()} was written with")
    return Gate(lacking=len(lines))


def _known(connection: Connection, lines: Sequence[Line], *, is_running: bool) -> set[str]:
    """Return the ids of the erasures that the database has: each is done, waits for nothing but its vendor, has fenced its applicants or,
    if that is enough, has chosen them."""
    is_ours = and_(Erasure.cause != Cause.LEDGER, Erasure.targets.is_not(None))
    fenced = exists().where(Fence.erasure_id == Erasure.id)
    is_known = or_(Erasure.status == Stage.DONE, Erasure.vendor_again_at.is_not(None), and_(is_ours, true() if is_running else fenced))
    ids = [line.erasure_id for line in lines]
    queries = (select(Erasure.id).where(Erasure.id.in_(some), is_known) for some in bulk.parts(ids, ASKED_AT_ONCE))
    return {one for query in queries for one in connection.execute(query).scalars()}
