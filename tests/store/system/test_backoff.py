"""Backoff: pauses double up to a limit, and are spread."""

from __future__ import annotations

from datetime import timedelta

from store.system import backoff

BASE, LIMIT = timedelta(seconds=30), timedelta(hours=6)


def test_a_pause_doubles_with_each_attempt_up_to_the_limit() -> None:
    assert [backoff.pause(BASE, attempt, LIMIT).total_seconds() for attempt in (1, 2, 3, 10, 11)] == [30, 60, 120, 15360, 21600]


def test_no_number_of_attempts_is_too_large() -> None:
    assert backoff.pause(BASE, 10**6, LIMIT) == LIMIT


def test_pauses_are_spread_over_a_quarter_so_that_not_everything_retries_at_once() -> None:
    drawn = [backoff.pause_with_jitter(BASE, 2, LIMIT) / timedelta(seconds=60) for _ in range(500)]
    assert 1 <= min(drawn) < 1.05
    assert 1.2 < max(drawn) <= 1.25
    assert len(set(drawn)) > 400
