"""What waits for the process that erases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, literal_column, or_, select

from store.database.privacy_tables import Erasure, Hold, Relationship
from store.privacy.erasing.erasures import AHEAD, Stage, is_over, is_time
from store.privacy.restoring import gate

#: Written out, so that the index of open erasures is used.
IS_OPEN: ColumnElement[bool] = Erasure.status != literal_column(f"'{Stage.DONE}'")

#: What changes whenever one more erasure is ahead: how many are, and the last one of each way to become so.
_AHEAD = (
    func.count(),
    func.max(Erasure.requested_at),
    func.max(Erasure.decided_at),
    func.max(Erasure.until),
    func.max(Erasure.vendor_again_at),
)


class Waiting(Struct, frozen=True, kw_only=True):
    """What there is to do. While it stays the same, a run that left it would leave it again."""

    #: Whether erasures are to be done again.
    lacking: bool = False
    #: Of those that are ahead: how many, and when the last one became so.
    ahead: tuple[Any, ...] = (0,)
    #: When a hold was last lifted: that lets an erasure go on.
    lifted_at: datetime | None = None
    #: When a relationship was last recorded: one that ended lets an erasure go on.
    told_at: datetime | None = None

    @property
    def is_any(self) -> bool:
        return self.lacking or self.ahead[0] > 0


def find(connection: Connection) -> Waiting:
    """Return what waits. Raises what the database raises."""
    found = gate.tell()
    if found.fault:
        return Waiting()
    ahead = select(*_AHEAD).where(IS_OPEN, is_time(), or_(Erasure.status.in_(AHEAD), is_over()))
    return Waiting(
        lacking=bool(found.lacking),
        ahead=tuple(connection.execute(ahead).one()),
        lifted_at=connection.execute(select(func.max(Hold.lifted_at))).scalar_one(),
        told_at=connection.execute(select(func.max(Relationship.said_at))).scalar_one(),
    )
