"""Erasures that wait for their vendor: all is erased here, and only the erasure's own row names its applicants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, select, update

from store.access.operators import Actor
from store.database.privacy_tables import Erasure
from store.privacy import acts
from store.privacy.acts import Action
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import AHEAD, Begun
from store.privacy.errors import NotPossible, UnknownToUs
from store.system import clock


class Answer(StrEnum):
    """Why a vendor has not erased yet. It holds nothing of the vendor's words, which can name somebody."""

    NO_CREDENTIALS = "no credentials"
    CREDENTIALS_REFUSED = "credentials refused"
    REFUSED = "refused"
    NOT_NOW = "not now"
    NO_ANSWER = "no answer"


#: Those that a person must do something about.
CREDENTIALS = (Answer.NO_CREDENTIALS, Answer.CREDENTIALS_REFUSED)


def note_tasks(connection: Connection, begun: Begun, vendors: Sequence[str]) -> None:
    """Record which vendors a person is to ask."""
    connection.execute(update(Erasure).where(Erasure.id == begun.id).values(vendor_tasks=list(vendors)))


def begin(connection: Connection, begun: Begun, *, ledger_line: int) -> None:
    """Wait for a vendor. Only the erasure's own row has names, and it counts as one that this database has, as one that is done does."""
    erasures.count_line(connection, ledger_line)
    first = update(Erasure).where(Erasure.id == begun.id, Erasure.vendor_asked_at.is_(None))
    connection.execute(first.values(vendor_asked_at=clock.now()))
    postpone(connection, begun, answer=None, again_at=clock.now())


def postpone(connection: Connection, begun: Begun, *, answer: Answer | None, again_at: datetime) -> None:
    """Record what the vendor answered, and when it is asked again."""
    waits = update(Erasure).where(Erasure.id == begun.id, Erasure.status.in_(AHEAD))
    connection.execute(waits.values(vendor_answer=answer, vendor_again_at=again_at))


def waits() -> ColumnElement[bool]:
    """Return the condition that an erasure waits for its vendor, and for nothing else."""
    return and_(Erasure.status.in_(AHEAD), Erasure.vendor_again_at.is_not(None))


def confirm(connection: Connection, erasure_id: str, *, by: Actor, reason: str) -> None:
    """Record that a person confirms the vendor's deletion, so that the vendor is not waited for any longer.

    Raises UnknownToUs, and NotPossible if the erasure does not wait for its vendor."""
    acts.take_turn(connection)
    row = erasures.find(connection, erasure_id, lock=True)
    if row is None:
        raise UnknownToUs("no erasure has this id")
    if row.status not in AHEAD or row.vendor_again_at is None:
        raise NotPossible("it does not wait for its vendor")
    mine = update(Erasure).where(Erasure.id == erasure_id)
    connection.execute(mine.values(vendor_confirmed_by=by.name, vendor_again_at=clock.now()))
    acts.record_other(connection, Action.CONFIRM_VENDOR, f"erasure {erasure_id}", by=by, reason=reason, touched=1)


def is_confirmed(connection: Connection, begun: Begun) -> bool:
    """Return whether a person confirmed the vendor's deletion."""
    query = select(Erasure.vendor_confirmed_by).where(Erasure.id == begun.id)
    return connection.execute(query).scalar_one() is not None
