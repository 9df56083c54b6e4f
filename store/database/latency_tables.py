"""The table of latencies: how long events waited until they were visible."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from store.database.columns import Base, Number


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
