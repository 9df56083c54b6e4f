"""Erasures that somebody should look at: past their deadline, waiting for a hold, ahead."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Row, func, select

from store.database.privacy_tables import Erasure
from store.privacy import holds
from store.privacy.erasing import erasures, vendor_wait
from store.privacy.erasing.erasures import AHEAD, Cause, Stage
from store.system import clock

#: Of those that have not begun, so many are looked at for a hold.
LOOKED_AT = 200


class Overview(Struct, frozen=True, kw_only=True):
    """How many erasures there are of each kind, in an environment."""

    #: Requests that are past their deadline, and neither refused nor done.
    overdue: int
    #: Those that wait for a hold to be lifted.
    held: int
    #: Those that are to be carried out, or are.
    ahead: int
    #: Those that wait for a vendor whose API cannot be asked, or refuses the credentials.
    without_credentials: int


def of(connection: Connection, environment: str) -> Overview:
    """Return the overview."""
    mine = select(func.count()).select_from(Erasure).where(Erasure.environment == environment, Erasure.status != Stage.DONE)
    late = (Erasure.cause == Cause.REQUEST, Erasure.status.in_((Stage.REQUESTED, *AHEAD)), Erasure.deadline < clock.now())
    return Overview(
        overdue=connection.execute(mine.where(*late)).scalar_one(),
        held=sum(_is_held(connection, row) for row in _not_begun(connection, environment)),
        ahead=connection.execute(mine.where(Erasure.status.in_(AHEAD))).scalar_one(),
        without_credentials=vendor_wait.count_without_credentials(connection, environment),
    )


def _not_begun(connection: Connection, environment: str) -> list[Row[Any]]:
    waits = (Erasure.environment == environment, Erasure.status.in_(AHEAD), Erasure.targets.is_(None))
    return list(connection.execute(select(Erasure.__table__).where(*waits).order_by(Erasure.id).limit(LOOKED_AT)).all())


def _is_held(connection: Connection, row: Row[Any]) -> bool:
    keys = erasures.applicants_of(connection, erasures.subject_of(row))
    return holds.on(connection, row.environment, keys, row.external_user_id)
