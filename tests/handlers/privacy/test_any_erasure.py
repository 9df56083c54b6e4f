"""Whoever is erased, at any moment: nobody comes back, everybody else is as if nobody had been erased, and the log hears of each row that
changes.

Each story is told twice, to two databases: with its erasures, and without. What is compared does not know which way it came about: events
are named by the step that delivered them first."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from msgspec import structs
from sqlalchemy import select

from handlers import process
from store import database
from store.access.operators import Actor
from store.applicants import decisions, erased, explanations, links
from store.applicants import table as applicants
from store.database.tables import ApplicantRow, EventRow, MentionRow
from store.inbox import claims, deliveries, delivery_rows, internal_events, settling
from store.inbox.events import EVENT_COLUMNS, event_of
from store.inbox.internal_events import DECISION_TYPE, ImportBody
from store.proof.verification import run
from store.text.states import ApplicantKey, Status
from tests.conftest import forget
from tests.support.generated import erasures as generated
from tests.support.generated import samples
from tests.support.generated.erasures import KEYS, Act, Deliver, Step
from tests.support.privacy.erasing import differences, erase_now, handle_all
from tests.support.privacy.personal_data import of, of_user
from tests.support.privacy.queued import heard

OFFICER = Actor(name="officer", os_user=None, by_token=True)


class World:
    """One database, to which a story is told."""

    def __init__(self, *, erases: bool) -> None:
        self.erases = erases
        #: The event of each step that made one.
        self.events: dict[int, str] = {}
        self.gone: set[ApplicantKey] = set()

    def tell(self, story: list[Step]) -> None:
        for number, step in enumerate(story):
            with heard() if self.erases else nullcontext():
                self.do(number, step)
        with heard() if self.erases else nullcontext():
            handle_all()

    def do(self, number: int, step: Step) -> None:
        if isinstance(step, Deliver):
            self.keep(number, step.delivery())
        else:
            self.act(number, step)

    def keep(self, number: int, delivery: deliveries.Delivery) -> None:
        sealed = dataclasses.replace(deliveries.seal(delivery), received_at=generated.at(number))
        [self.events[number]] = database.write(lambda connection: delivery_rows.keep(connection, [sealed]))

    def act(self, number: int, step: Act) -> None:
        match step.what:
            case "handle":
                handle_all()
            case "rebuild":
                handle_all()
                assert differences() == []
            case "replay":
                self.replay(step)
            case "decide" | "link":
                self.say(number, step)
            case "import":
                body = ImportBody(
                    reference=step.key.reference, status=Status.APPROVED, at=generated.at(-1000), source="before", hits=("pep",)
                )
                self.keep(number, internal_events.known_before(step.key.vendor, step.key.environment, body))
            case "erase while claimed":
                self.handle_around(step)
            case _:
                self.erase(step)

    def replay(self, step: Act) -> None:
        found = list(self.events.values())
        if found:
            with database.begin() as connection:
                settling.reopen(connection, found[step.number % len(found)])

    def say(self, number: int, step: Act) -> None:
        """A person links an applicant to a user, or decides about one that is known."""
        with database.begin() as connection:
            if erased.find(connection, step.key):
                return
            if step.what == "link":
                links.link(connection, step.key, external_user_id=step.user, by="linker", may_move=True)
            elif applicants.find(connection, step.key):
                made = decisions.decide(connection, step.key, step.ruling, by=OFFICER, reason="seen", at=generated.at(number))
                self.events[number] = made.event_id

    def handle_around(self, step: Act) -> None:
        """A worker claims events, and somebody is erased before it handles them."""
        holder = claims.new_holder()
        batch = claims.claim_oldest(holder, most=100)
        self.erase(step)
        process.handle(holder, batch)

    def erase(self, step: Act) -> None:
        if not self.erases:
            return
        erase_now(of_user(step.user) if step.what == "erase user" else of(step.key))
        self.gone |= set(database.read(lambda connection: erased.among(connection, KEYS)))

    # what is there at the end -------------------------------------------------------------------------------------

    def shown(self, key: ApplicantKey) -> dict[str, Any]:
        """An applicant's row and its explanation, without what two databases cannot have in common."""
        with database.reading() as connection:
            [row] = applicants.among(connection, [key]).values() or [None]
            told = explanations.events(connection, key, limit=500)
        found = {"row": row and structs.asdict(row), "events": told}
        return self._named(msgspec.json.decode(msgspec.json.encode(found)))

    def _named(self, found: dict[str, Any]) -> dict[str, Any]:
        with database.reading() as connection:
            sequences = {row.id: row.sequence for row in connection.execute(select(EventRow.id, EventRow.sequence))}
        first: dict[str, int] = {}
        for number, event_id in self.events.items():
            first.setdefault(event_id, number)
        numbers = {sequences[event_id]: number for event_id, number in first.items()}
        replaced = {event_id: f"step {number}" for event_id, number in first.items()}
        row = found["row"]
        if row:
            del row["updated_at"], row["status_since"]
            row["first_sequence"] = numbers.get(row["first_sequence"])
            row["registers"] = {name: _register(entry, numbers, replaced) for name, entry in row["registers"].items()}
        for event in found["events"]:
            order, rank, sequence = event["place"]
            event["place"] = [numbers.get(order, order), rank, numbers[sequence]]
            del event["settled_at"], event["trace_id"]
            if event["event_type"] == DECISION_TYPE:
                del event["received_at"]  # By the clock of the process: no vendor sent it.
            for change in event["changes"]:
                del change["at"], change["number"]
        return _replaced(found, replaced)


def _register(entry: list[Any], numbers: dict[int, int], replaced: dict[str, str]) -> list[Any]:
    """A register's entry. A decision's body, and so its hash, names events by their ids."""
    order, rank, tie, event_id, value = entry
    if isinstance(value, int) and not isinstance(value, bool) and value in numbers and order == -value:
        order, value = -numbers[value], numbers[value]
    tie = "" if isinstance(value, dict) and "by" in value else tie
    return [numbers.get(order, order), rank, tie, event_id, value]


def _replaced(value: Any, replaced: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(part, replaced) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, replaced) for part in value]
    if isinstance(value, str):
        for event_id, name in replaced.items():
            value = value.replace(event_id, name)
    return value


@pytest.fixture
def fresh(migrated_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Lets this process begin with an empty database, ledger and all."""
    path = tmp_path / "standing.sqlite3"
    monkeypatch.setenv("ERASURE_NOTICE_DAYS", "0")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")

    def begin() -> None:
        forget()
        for file in tmp_path.glob("standing.sqlite3*"):
            file.unlink()
        shutil.rmtree(tmp_path / "var", ignore_errors=True)
        shutil.copy(migrated_sqlite, path)
        path.chmod(0o600)

    return begin


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@samples.properties(examples=250)
@given(story=generated.stories())
def test_nobody_comes_back_and_everybody_else_is_as_without_the_erasures(fresh: Callable[[], None], story: list[Step]) -> None:
    fresh()
    twin = World(erases=False)
    twin.tell(story)
    expected = {key: twin.shown(key) for key in KEYS}
    fresh()
    world = World(erases=True)
    world.tell(story)
    # A story is of another year.
    assert [fault for fault in run.verify_all(patience=timedelta()).faults if "back-dated" not in fault.what] == []
    for key in KEYS:
        if key in world.gone:
            nothing_is_left_of(key)
        else:
            assert world.shown(key) == expected[key], key
    assert differences() == []


def nothing_is_left_of(key: ApplicantKey) -> None:
    named = (EventRow.vendor == key.vendor, EventRow.reference == key.reference)
    with database.reading() as connection:
        for table in (ApplicantRow, MentionRow):
            assert connection.execute(select(table.reference).where(table.reference == key.reference)).all() == []
        assert connection.execute(select(EventRow.id).where(*named)).all() == []
        for row in connection.execute(select(*EVENT_COLUMNS).where(EventRow.sealed_body != b"")).all():
            assert key.reference.encode() not in event_of(row).body(), key
