"""One process at a time asks a vendor, and no sooner than it is due; one that died or was interrupted is followed by another."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from store import database
from store.database.operations_tables import Reconciliation
from store.operations import reconciliations
from store.operations.reconciliations import AGAIN_AFTER, SILENCE_MAX
from store.system import clock

HOUR = timedelta(hours=1)


def take(runner: str, *, every: timedelta | None = None) -> bool:
    due_before = clock.now() - every if every is not None else None
    return database.write(lambda connection: reconciliations.take(connection, "idngo", "live", runner=runner, due_before=due_before))


def tell(runner: str, **told: object) -> bool:
    return database.write(lambda connection: reconciliations.tell(connection, "idngo", "live", runner=runner, **told))  # type: ignore[arg-type]


def ago(**moments: timedelta) -> None:
    """As if that had been so long ago."""
    with database.begin() as connection:
        connection.execute(update(Reconciliation).values({name: clock.now() - passed for name, passed in moments.items()}))


@pytest.mark.usefixtures("kept")
def test_while_one_asks_no_other_does() -> None:
    assert take("one")
    assert not take("two")
    assert tell("one", ended=True, asked=3)
    assert take("two")


@pytest.mark.usefixtures("kept")
def test_who_is_silent_for_too_long_is_followed_and_told_so() -> None:
    assert take("one")
    ago(seen_at=SILENCE_MAX + HOUR)
    assert take("two")
    assert not tell("one")
    assert tell("two")


@pytest.mark.usefixtures("kept")
def test_as_scheduled_a_vendor_is_asked_once_it_is_due() -> None:
    assert take("one", every=HOUR)
    tell("one", ended=True)
    assert not take("two", every=HOUR)
    ago(begun_at=2 * HOUR, ended_at=2 * HOUR)
    assert take("two", every=HOUR)


@pytest.mark.usefixtures("kept")
def test_a_round_that_did_not_come_to_its_end_is_due_again_soon() -> None:
    take("one", every=HOUR)
    tell("one", ended=True, said="it was interrupted")
    assert not take("two", every=HOUR)
    ago(ended_at=AGAIN_AFTER + timedelta(minutes=1))
    assert take("two", every=HOUR)
    ago(seen_at=SILENCE_MAX + HOUR)
    assert take("three", every=HOUR)
