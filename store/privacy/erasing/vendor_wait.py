"""Erasures that wait for their vendor: all is erased here, and only the erasure's own row names its applicants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, select, update

from store.database.privacy_tables import Erasure
from store.privacy.erasing import erasures
from store.privacy.erasing.erasures import AHEAD, Begun
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
    """Remove the names everywhere else. From now on the erasure counts as one that this database has, as one that is done does."""
    erasures.forget_traces(connection, [begun])
    erasures.count_line(connection, ledger_line)
    postpone(connection, begun, answer=None, again_at=clock.now())


def postpone(connection: Connection, begun: Begun, *, answer: Answer | None, again_at: datetime) -> None:
    """Record what the vendor answered, and when it is asked again."""
    waits = update(Erasure).where(Erasure.id == begun.id, Erasure.status.in_(AHEAD))
    connection.execute(waits.values(vendor_answer=answer, vendor_again_at=again_at))


def count_without_credentials(connection: Connection, environment: str) -> int:
    """Return how many wait because the vendor's API cannot be asked, or refuses the credentials."""
    mine = (Erasure.environment == environment, Erasure.status.in_(AHEAD), Erasure.vendor_answer.in_(CREDENTIALS))
    return connection.execute(select(func.count()).select_from(Erasure).where(*mine)).scalar_one()
