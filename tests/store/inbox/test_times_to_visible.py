"""The times to visible: each event counts once, in its bucket, and none is lost when the database is unavailable."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from store import database
from store.inbox import times_to_visible
from store.inbox.events import InboxEvent
from store.inbox.times_to_visible import Histogram
from store.system import clock
from tests import conftest

#: No other test has events of this vendor.
VENDOR = "timed"


def event(seconds_ago: float, *, replayed: bool = False) -> InboxEvent:
    return InboxEvent(
        sequence=1, id="", vendor=VENDOR, environment="live", headers={}, body_sha256=b"", key_id="", sealed_body=b"",
        received_at=clock.now() - timedelta(seconds=seconds_ago), repeat=False, seen_before=False, attempts=0, replayed=replayed,
    )  # fmt: skip


def histogram() -> Histogram:
    return database.read(times_to_visible.histograms)[VENDOR, "live"]


def within(bound: str) -> int:
    return dict(histogram().buckets)[bound]


@pytest.mark.usefixtures("kept")
def test_each_event_is_in_every_bucket_from_its_time_on() -> None:
    times_to_visible.note([event(40), event(4000), event(10 * 86400)])
    times_to_visible.tell()
    times_to_visible.note([event(45)])
    times_to_visible.tell()
    assert [within(bound) for bound in ("30.0", "60.0", "3600.0", "21600.0", "86400.0", "+Inf")] == [0, 2, 2, 3, 3, 4]
    assert histogram().seconds == pytest.approx(40 + 45 + 4000 + 10 * 86400, abs=5)


@pytest.mark.usefixtures("kept")
def test_another_hosts_clock_makes_no_time_negative_and_a_replay_is_not_timed() -> None:
    times_to_visible.note([event(-60), event(3600, replayed=True)])
    times_to_visible.tell()
    assert (within("0.01"), within("+Inf"), histogram().seconds) == (1, 1, 0.0)


def test_what_cannot_be_written_is_written_later(kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times_to_visible.note([event(40)])
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'nowhere' / 'standing.sqlite3'}")
    conftest.forget()
    with pytest.raises(database.Failure):
        times_to_visible.tell()
    times_to_visible.note([event(40)])
    monkeypatch.setenv("DATABASE_URL", kept)
    conftest.forget()
    times_to_visible.tell()
    assert within("+Inf") == 2
