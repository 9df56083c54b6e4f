"""The tables of keys: the wrapped data key of each event, and when each master key was in use."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from store.database.columns import Base, EventId, Name


class BodyKey(Base):
    """The data key of one event's body. It is deleted when the event is erased.

    Narrow, and apart from the events: wrapping every key again writes no body. Its rows are written and deleted with the event's body,
    in one transaction; a foreign key would look up each event a second time while it is kept."""

    __tablename__ = "body_keys"

    event_id: Mapped[str] = mapped_column(EventId, primary_key=True)
    #: The master key that wraps it.
    key_id: Mapped[str]
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = ({"sqlite_with_rowid": False},)


class MasterKey(Base):
    """A master key, by its public id: since when backups may need it, and since when none can be opened with it."""

    __tablename__ = "master_keys"

    key_id: Mapped[str] = mapped_column(primary_key=True)
    #: Not later than the first body that it protects in a backup.
    first_used_at: Mapped[datetime]
    #: Since when nothing in the database needs it. Null: it is in use.
    replaced_at: Mapped[datetime | None]
    destroyed_at: Mapped[datetime | None]
    #: Who destroyed it. Set before `destroyed_at` while Standing removes a key of its own from the file.
    destroyed_by: Mapped[str | None] = mapped_column(Name)

    __table_args__ = (CheckConstraint("destroyed_at IS NULL OR destroyed_by IS NOT NULL", name="destroyed_by_somebody"),)
