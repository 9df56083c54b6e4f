"""A short round of `./dev faults`: two quick kinds, seeded. The whole of it is a command of its own."""

from __future__ import annotations

import pytest

from tests.faults import rounds
from tests.faults.catalogue import CATALOGUE
from tests.support.servers import Postgres

QUICK = ("at-committed", "valkey-emptied")


@pytest.mark.parametrize("name", QUICK)
def test_amid_traffic_a_fault_loses_nothing_and_heals_by_itself(name: str, postgres: Postgres | None) -> None:
    played = rounds.play(CATALOGUE[name], cluster=postgres, events=400, seed=1, show=lambda _what: None)
    assert played.passed, played.wrong
    assert (played.lost, played.twice) == (0, 0)
    assert played.acknowledged > 300


def test_there_are_at_least_25_kinds_of_fault() -> None:
    assert len(CATALOGUE) >= 25
    assert all(fault.name == name for name, fault in CATALOGUE.items())
