"""What waits for the process that erases."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from sqlalchemy import Connection, func, or_, select

from store.database.privacy_tables import Erasure, Hold, Relationship
from store.privacy.erasing.erasures import AHEAD, Stage, is_over, is_time
from store.privacy.restoring import gate

#: Erasures that are looked at, to notice that others wait than before.
LOOKED_AT = 200


class Waiting(Struct, frozen=True, kw_only=True):
    """What there is to do. While it stays the same, a run that left it would leave it again."""

    #: Whether erasures are to be done again.
    lacking: bool
    #: The first of those that are ahead.
    ahead: tuple[str, ...]
    #: How many holds are on: lifting one lets an erasure go on.
    holds: int
    #: When a relationship was last recorded: one that ended lets an erasure go on.
    told_at: datetime | None = None

    @property
    def is_any(self) -> bool:
        return self.lacking or bool(self.ahead)


def find(connection: Connection) -> Waiting:
    """Return what waits. Raises what the database raises."""
    found = gate.tell()
    if found.fault:
        return Waiting(lacking=False, ahead=(), holds=0)
    ahead = select(Erasure.id).where(Erasure.status != Stage.DONE, is_time(), or_(Erasure.status.in_(AHEAD), is_over()))
    return Waiting(
        lacking=bool(found.lacking),
        ahead=tuple(connection.execute(ahead.order_by(Erasure.id).limit(LOOKED_AT)).scalars()),
        holds=connection.execute(select(func.count()).select_from(Hold).where(Hold.lifted_at.is_(None))).scalar_one(),
        told_at=connection.execute(select(func.max(Relationship.said_at))).scalar_one(),
    )
