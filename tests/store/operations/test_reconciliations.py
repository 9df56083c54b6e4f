"""One process at a time asks a vendor, and no sooner than it is due; one that died or was interrupted is followed by another."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from store import database
from store.database.vendor_tables import Reconciliation
from store.operations import reconciliations
from store.operations.reconciliations import AGAIN_AFTER, SILENCE_MAX, Wanted
from store.system import clock

HOUR = timedelta(hours=1)


def take(runner: str, *, every: timedelta | None = None, **how: bool) -> bool:
    due_before = clock.now() - every if every is not None else None
    return database.write(lambda connection: reconciliations.take(connection, "idngo", "live", runner=runner, due_before=due_before, **how))


def ask(by: str = "night") -> bool:
    wanted = Wanted(by=by, at=clock.now(), reason="look", repair=False, changes_max=100)
    return database.write(lambda connection: reconciliations.request(connection, "idngo", "live", wanted))


def wanted() -> str | None:
    """Who wants a run that no process has begun."""
    found = database.read(lambda connection: reconciliations.wanted(connection, "idngo", "live"))
    return found.by if found else None


def shown() -> dict[str, Any]:
    [one] = database.read(lambda connection: reconciliations.overview(connection, "live"))
    return one


def untaken(*, since: timedelta) -> list[tuple[str, str]]:
    return database.read(lambda connection: reconciliations.untaken(connection, before=clock.now() - since))


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
    ago(begun_at=2 * HOUR, round_at=2 * HOUR, ended_at=2 * HOUR)
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


@pytest.mark.usefixtures("kept")
def test_one_run_is_asked_for_at_a_time_and_none_while_one_runs() -> None:
    assert ask()
    assert not ask("day")
    assert (wanted(), shown()["state"], shown()["wanted"]["by"], shown()["begun_at"]) == ("night", "requested", "night", None)
    assert take("one", is_wanted=True)
    assert (wanted(), shown()["state"], ask("day")) == (None, "running", False)
    assert tell("one", ended=True, wanted=None)
    assert (shown()["state"], shown()["wanted"]) == ("ended", None)
    assert not take("two", is_wanted=True), "it was made"
    assert ask("day")


@pytest.mark.usefixtures("kept")
def test_a_run_that_was_asked_for_is_made_by_another_process_if_the_first_one_ends() -> None:
    ask()
    take("one", is_wanted=True)
    tell("one", ended=True, said="it was interrupted")
    assert wanted() == "night"
    take("two", is_wanted=True)
    ago(seen_at=SILENCE_MAX + HOUR)
    assert (shown()["state"], wanted()) == ("interrupted", "night")
    assert take("three", is_wanted=True)


@pytest.mark.usefixtures("kept")
def test_a_run_about_named_applicants_does_not_postpone_the_one_that_is_due() -> None:
    take("one", every=HOUR)
    tell("one", ended=True)
    ago(begun_at=2 * HOUR, round_at=2 * HOUR, ended_at=2 * HOUR)
    take("two", is_round=False)
    tell("two", ended=True)
    assert take("three", every=HOUR)


@pytest.mark.usefixtures("kept")
def test_a_run_that_no_process_takes_is_refused_and_says_why() -> None:
    ask()
    assert (untaken(since=HOUR), untaken(since=-HOUR)) == ([], [("idngo", "live")])
    database.write(lambda connection: reconciliations.refuse(connection, "idngo", "live"))
    assert (wanted(), shown()["state"], shown()["actor"], shown()["said"]) == (None, "ended", "night", reconciliations.NO_CREDENTIALS)
    assert untaken(since=-HOUR) == []
    database.write(lambda connection: reconciliations.refuse(connection, "idngo", "live"))
