"""Since when an applicant waits for a review: kept with the row, and derived from its changes where another version wrote the row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import create_engine, func, select, text, update

from store import database
from store.applicants import links
from store.applicants import table as applicants
from store.database import migrations
from store.database.migrations import upgrade
from store.database.tables import ApplicantRow, TransitionRow
from store.operations import review_queue
from store.operations.review_queue import Place, Waiting
from store.text.states import ApplicantKey
from tests.handlers.test_process import handle_all, keep, of
from tests.support.servers import Postgres
from tests.support.telling import idngo, ifcgate

BEGAN = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)


def queue(after: Place | None = None, *, limit: int = 50) -> list[Waiting]:
    with database.reading() as connection:
        return review_queue.listing(connection, environment="live", after=after, limit=limit)


def last_moved() -> dict[str, datetime]:
    """When each applicant got its status, by its changes."""
    moved = TransitionRow.from_status.is_distinct_from(TransitionRow.to_status)
    newest: Any = func.max(TransitionRow.at, type_=TransitionRow.at.type)
    query = select(TransitionRow.vendor + "/" + TransitionRow.reference, newest).where(moved)
    with database.reading() as connection:
        return dict(connection.execute(query.group_by(TransitionRow.vendor, TransitionRow.reference)).all())


def in_doubt(count: int) -> None:
    """Keep and handle events of so many applicants: each is in review, then in doubt, and later something else of it changes."""
    for number in range(count):
        keep(of(f"{number:024x}", idngo("applicantPending", at=BEGAN)))
        keep(of(f"{number:024x}", idngo(answer="YELLOW", at=BEGAN + timedelta(hours=1))))
    handle_all()
    keys = [ApplicantKey("idngo", "live", f"{number:024x}") for number in range(0, count, 2)]
    database.write(lambda connection: links.link_all(connection, dict.fromkeys(keys, "somebody"), by="a linker"))


def forget_since(*numbers: int) -> None:
    """Leave rows as a worker of before 0027 leaves them: with the next version, and without a word on the status."""
    for number in numbers:
        mine = update(ApplicantRow).where(ApplicantRow.reference == f"{number:024x}")
        database.write(lambda connection, mine=mine: connection.execute(mine.values(version=ApplicantRow.version + 1)))


@pytest.mark.usefixtures("kept")
def test_a_change_that_is_none_of_the_status_leaves_since_when_it_waits() -> None:
    in_doubt(4)
    found = queue()
    assert {one.place.name: one.place.since for one in found} == last_moved()
    assert len(found) == 4
    with database.reading() as connection:
        rows = connection.execute(select(ApplicantRow.status_since_version == ApplicantRow.version)).scalars().all()
    assert rows == [True] * 4


@pytest.mark.usefixtures("kept")
def test_a_row_that_an_older_worker_wrote_has_its_place_in_the_queue_all_the_same() -> None:
    in_doubt(6)
    before = queue()
    forget_since(0, 3, 5)
    assert queue() == before
    assert [one.place.since for one in queue()] == sorted(last_moved().values())


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("size", [1, 2, 5])
def test_pages_over_known_and_unknown_times_show_each_entry_once(size: int) -> None:
    in_doubt(6)
    forget_since(1, 2)
    keep(ifcgate("somewhere"))
    handle_all()
    place: Place | None = None
    found: list[Waiting] = []
    while page := queue(place, limit=size):
        found += page
        place = page[-1].place
    assert found == queue()
    assert len(found) == 7


@pytest.mark.usefixtures("kept")
def test_an_older_worker_that_changed_the_status_is_believed_and_not_the_time_of_before() -> None:
    in_doubt(1)
    key = ApplicantKey("idngo", "live", f"{0:024x}")
    [kept] = queue()
    later = kept.place.since + timedelta(hours=1)
    with database.begin() as connection:
        [row] = connection.execute(select(TransitionRow.__table__).order_by(TransitionRow.number.desc()).limit(1)).mappings().all()
        for number, (old, new) in enumerate((("needs_review", "approved"), ("approved", "needs_review")), start=1):
            values = dict(row) | {"number": row["number"] + number, "version": row["version"] + number}
            values |= {"from_status": old, "to_status": new, "at": later}
            connection.execute(TransitionRow.__table__.insert().values(**values))  # type: ignore[attr-defined]
        connection.execute(update(ApplicantRow).values(version=ApplicantRow.version + 2, updated_at=later))
        assert applicants.lock(connection, [key])[key].status_since is None
    assert [one.place.since for one in queue()] == [later]


@pytest.mark.usefixtures("kept")
def test_an_entry_is_found_by_its_name_whether_or_not_its_time_is_known() -> None:
    in_doubt(2)
    forget_since(1)
    with database.reading() as connection:
        for number in range(2):
            name = f"idngo/{number:024x}"
            found = review_queue.find(connection, environment="live", what="applicant", name=name)
            assert found
            assert found.place.since == last_moved()[name]
        assert review_queue.find(connection, environment="live", what="applicant", name="idngo/nobody") is None


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_upgrade_finds_since_when_those_wait_who_waited_before_it(kind: str, tmp_path: Path, postgres: Postgres | None) -> None:
    if kind == "sqlite":
        _upgrade(f"sqlite:///{tmp_path / 'old.sqlite3'}")
    elif postgres is None:
        pytest.skip("no PostgreSQL")
    else:
        with postgres.empty_database() as url:
            _upgrade(url)


#: Three applicants of before: in doubt, approved with an open alert, approved without.
OLD = {"doubtful": ("needs_review", "[]"), "alerted": ("approved", '["MONITORING_ALERT"]'), "fine": ("approved", "[]")}
ROW = (
    "INSERT INTO applicants (vendor, environment, reference, status, final, reasons, hits, flags, checks, ever_approved, updated_at,"
    " version, grounds, registers) VALUES ('idngo', 'live', :reference, :status, true, '[]', '[]', :flags, '{}', false, :at, 2, '[]', '{}')"
)
CHANGE = (
    "INSERT INTO transitions (number, vendor, environment, reference, version, from_status, to_status, changed, reasons, at, applicant,"
    " code_version) VALUES (:number, 'idngo', 'live', :reference, :version, :old, :new, '[]', '[]', :at, '{}', 'x')"
)


def _upgrade(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        configuration = migrations._configuration()
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0026")
        for place, (reference, (status, flags)) in enumerate(OLD.items()):
            at = [f"2026-05-04 09:30:0{second}.000000" + ("" if url.startswith("sqlite") else "+00:00") for second in range(3)]
            connection.execute(text(ROW), {"reference": reference, "status": status, "flags": flags, "at": at[2]})
            first = {"number": 2 * place + 1, "reference": reference, "version": 1, "old": None, "new": status, "at": at[1]}
            again = {"number": 2 * place + 2, "reference": reference, "version": 2, "old": status, "new": status, "at": at[2]}
            connection.execute(text(CHANGE), [first, again])
    assert upgrade(engine)
    with engine.connect() as connection:
        found = connection.execute(select(ApplicantRow.reference, ApplicantRow.status_since, ApplicantRow.status_since_version)).all()
    moved = BEGAN + timedelta(seconds=1)
    assert sorted(map(tuple, found)) == [("alerted", moved, 2), ("doubtful", moved, 2), ("fine", None, None)]
    engine.dispose()
