"""Tables of counts: deliveries by answer, deliveries and changes by day, times until events were visible."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from store.database.columns import Base, Name, Number


class Tally(Base):
    """Deliveries by answer, in slices of a few minutes: what is usual, and what is not."""

    __tablename__ = "tallies"

    vendor: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    answer: Mapped[str] = mapped_column(Name, primary_key=True)
    #: When the few minutes began.
    since: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime]


class DailyCount(Base):
    """Deliveries and changes by UTC day, kept for good: `store.applicants.daily_counts` has the words."""

    __tablename__ = "daily_counts"

    environment: Mapped[str] = mapped_column(primary_key=True)
    #: `YYYY-MM-DD`.
    day: Mapped[str] = mapped_column(primary_key=True)
    vendor: Mapped[str] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(Number)


class TimeToVisible(Base):
    """A bucket of a histogram: how many events were visible within its bound, and not within the one below. Counts never decrease."""

    __tablename__ = "times_to_visible"

    vendor: Mapped[str] = mapped_column(primary_key=True)
    environment: Mapped[str] = mapped_column(primary_key=True)
    #: The bucket's upper bound in seconds, as Prometheus writes it: `0.5`, `+Inf`.
    le: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int] = mapped_column(Number)
    #: The sum of the times of these events.
    seconds: Mapped[float]
