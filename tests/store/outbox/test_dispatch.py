"""The outbox: what is urgent hurries what it waits for and nothing else, and what was told is noted of one's own alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from store import database
from store.applicants import feed
from store.applicants.feed import Transition
from store.outbox import dispatch, outcomes, reactions
from store.outbox.dispatch import Due
from store.outbox.outcomes import ANSWERS_MAX, Failure
from store.text.states import Reversal, Status

_versions = itertools.count(1)

ENDPOINT, OTHER = "example.com 0123abcd", "log"


@pytest.fixture
def subscribed(kept: str) -> str:
    """Two subscribers, on each database."""
    with database.begin() as connection:
        for name in (ENDPOINT, OTHER):
            dispatch.subscribe(connection, name)
    return kept


def change(*references: str, reversal: Reversal | None = None) -> None:
    """Applicants change, and both subscribers follow."""
    with database.begin() as connection:
        feed.append(connection, [a_change(reference, reversal) for reference in references])
    with database.begin() as connection:
        dispatch.follow(connection, {ENDPOINT: lambda _: True, OTHER: lambda change: bool(change.reference == "fallen")}, most=100)


def a_change(reference: str, reversal: Reversal | None) -> Transition:
    return Transition(
        vendor="idngo", environment="live", reference=reference, version=next(_versions), from_status=None, to_status=Status.APPROVED,
        reversal=reversal, changed=["status"], reasons=[], event_id=None, as_of=None, at=datetime.now(UTC), applicant={},
    )  # fmt: skip


def written(name: str = ENDPOINT) -> list[dict[str, Any]]:
    with database.reading() as connection:
        found = [reactions.find(connection, row.id) for row in reactions.listing(connection, subscriber=name, limit=100)]
    return [reaction for reaction in found if reaction]


def claim(holder: str, *, most: int = 8) -> list[Due]:
    with database.begin() as connection:
        return dispatch.claim(connection, {ENDPOINT: most}, holder=holder)


def succeed(answered: Sequence[tuple[Due, str]], *, holder: str) -> None:
    with database.begin() as connection:
        outcomes.succeeded(connection, answered, holder=holder)


def test_what_an_approval_that_fell_waits_for_is_urgent_and_nothing_else(subscribed: str) -> None:
    change("fallen", "bystander")
    change("fallen", "bystander")
    change("fallen", reversal=Reversal.ADVERSE)
    change("fallen", "bystander")
    assert [(one["reference"], one["urgent"]) for one in written()] == [
        ("fallen", True), ("bystander", False), ("fallen", True), ("bystander", False), ("fallen", True),
        ("fallen", False), ("bystander", False),
    ]  # fmt: skip
    assert [one["urgent"] for one in written(OTHER)] == [True, True, True, False]


def test_approvals_that_fell_hurry_each_what_it_waits_for_also_within_one_look(subscribed: str) -> None:
    with database.begin() as connection:
        feed.append(connection, [a_change("first", None), a_change("second", None), a_change("third", None)])
        feed.append(connection, [a_change("second", Reversal.ADVERSE), a_change("first", Reversal.ADVERSE), a_change("second", None)])
    change("third")
    urgent = [(one["reference"], one["urgent"]) for one in written()]
    assert urgent == [
        ("first", True), ("second", True), ("third", False), ("second", True), ("first", True), ("second", False), ("third", False),
    ]  # fmt: skip
    assert [due.change["reference"] for due in claim("me")] == ["first", "second", "third"]


def test_what_was_told_together_is_noted_together_each_with_its_answer(subscribed: str) -> None:
    change("one", "two", "three")
    one, two, three = claim("me")
    succeed([(one, "200"), (three, "204")], holder="me")
    noted = [(reaction["reference"], reaction["status"], reaction["said"]) for reaction in written()]
    assert noted == [("one", "done", "200"), ("two", "pending", None), ("three", "done", "204")]
    succeed([(two, "200")], holder="me")
    assert {reaction["status"] for reaction in written()} == {"done"}


def test_what_another_holds_by_now_is_not_noted(subscribed: str) -> None:
    change("one")
    (due,) = claim("slow")
    with database.begin() as connection:
        outcomes.release_of_crashed(connection, ENDPOINT, holder="slow")
    (again,) = claim("quick")
    succeed([(due, "too late")], holder="slow")
    assert [(one["status"], one["said"]) for one in written()] == [("pending", None)]
    succeed([(again, "in time")], holder="quick")
    assert [(one["status"], one["said"], one["attempts"]) for one in written()] == [("done", "in time", 2)]


def test_of_many_answers_the_last_are_kept(subscribed: str) -> None:
    change("one")
    for attempt in range(ANSWERS_MAX + 2):
        (due,) = claim("me")
        with database.begin() as connection:
            now = datetime.now(UTC)
            outcomes.failed(connection, [Failure(due=due, answer=f"no {attempt}", retry_at=now)], holder="me", rest=None)
    (found,) = written()
    assert [answer["said"] for answer in found["answers"]] == [f"no {attempt}" for attempt in range(2, ANSWERS_MAX + 2)]


def test_who_was_told_of_an_approval_that_fell_is_not_forgotten(subscribed: str) -> None:
    change("plain")
    change("fallen", reversal=Reversal.ADVERSE)
    succeed([(due, "ok") for due in claim("one")], holder="one")
    assert {one["status"] for one in written()} == {"done"}
    with database.begin() as connection:
        outcomes.forget_done(connection, before=datetime.now(UTC) + timedelta(days=1))
    assert [one["reference"] for one in written()] == ["fallen"]
