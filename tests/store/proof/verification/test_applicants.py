"""Mutations of applicants: what is shown of one must be what its newest logged change shows, or a later move that is no change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from handlers.replay import rebuild, refold
from store import database
from store.applicants import links
from store.applicants import table as applicants
from store.applicants.table import describe, from_row
from store.database.tables import ApplicantRow, MentionRow, QuietMove, TransitionRow
from store.proof.kinds import LeafKind
from store.text.states import ApplicantKey
from tests.store.proof.verification import history
from tests.store.proof.verification.history import faults, found, tampering
from tests.support import telling
from tests.support.privacy import erasing
from tests.support.proof.log import log_and_sign

pytestmark = [pytest.mark.usefixtures("signing"), pytest.mark.one_database]

WHO = erasing.OTHER

MINE = (ApplicantRow.vendor == WHO.vendor, ApplicantRow.environment == WHO.environment, ApplicantRow.reference == WHO.reference)

NAMED = ("applicant", " ".join(WHO))


def make() -> None:
    """An applicant who was rejected, then approved, and of whom the same was said once more later."""
    history.make()
    for number, answer in enumerate(("RED", "GREEN", "GREEN")):
        erasing.keep(
            erasing.about(
                WHO, telling.idngo(answer=answer, correlationId=f"req-{number}", createdAtMs=f"2026-03-0{number + 1} 10:00:00.000")
            )
        )
        erasing.handle_all()
    log_and_sign()


def test_an_applicant_that_moved_without_a_change_is_as_that_move_left_it() -> None:
    make()
    moved = database.read(lambda connection: connection.execute(select(QuietMove.id)).all())
    assert len(moved) == 1
    assert faults() == []
    assert list(refold.faults(rebuild.find_renamed(lambda _: None))) == []


@pytest.mark.parametrize(
    "values",
    [
        {"status": "rejected"}, {"external_user_id": "another"}, {"final": False}, {"reasons": ["x"]}, {"flags": ["x"]}, {"version": 7},
        {"level": "x"}, {"decision": {"state": "stands"}}, {"restricted": True}, {"user_message": "x"}, {"ever_approved": False},
        {"as_of": None}, {"last_event_id": None}, {"last_verdict": {"status": "rejected", "level": None, "as_of": None}},
    ],
    ids=lambda values: next(iter(values)),
)  # fmt: skip
def test_what_is_shown_of_an_applicant_is_found_when_it_is_changed(values: dict[str, Any]) -> None:
    make()
    with tampering() as connection:
        connection.execute(update(ApplicantRow).where(*MINE).values(**values))
    change = history.newest(LeafKind.CHANGE)
    assert found() == {("applicant", f"of change {change}") if "restricted" in values else NAMED}


@pytest.mark.parametrize("table", [ApplicantRow, TransitionRow])
def test_a_value_that_is_no_object_is_found_like_any_other(table: Any) -> None:
    """Whoever alters tables writes what no code of ours would: it stops no verification."""
    make()
    change = history.newest(LeafKind.CHANGE)
    with tampering() as connection:
        if table is ApplicantRow:
            connection.execute(update(ApplicantRow).where(*MINE).values(last_verdict=5))
        else:
            connection.execute(update(TransitionRow).where(TransitionRow.number == change).values(applicant=5))
    assert NAMED in found() or ("applicant", f"of change {change}") in found()


def test_a_quiet_move_excuses_no_other_status() -> None:
    make()
    with tampering() as connection:
        connection.execute(update(ApplicantRow).where(*MINE).values(status="rejected"))
        row = connection.execute(select(*applicants.SHOWN).where(*MINE)).one()
        connection.execute(
            insert(QuietMove).values(**WHO._asdict(), version=row.version, at=row.updated_at, applicant=describe(from_row(row)))
        )
    assert found() == {NAMED}


def test_an_applicant_that_is_deleted_or_added_is_found() -> None:
    make()
    added = ApplicantKey("idngo", "live", "added00000000000000000001")
    with tampering() as connection:
        row = dict(connection.execute(select(ApplicantRow.__table__).where(*MINE)).mappings().one())
        connection.execute(insert(ApplicantRow).values(**row | added._asdict()))
        connection.execute(delete(ApplicantRow).where(*MINE))
        first = connection.execute(select(TransitionRow.number).where(TransitionRow.reference == WHO.reference)).scalars().first()
    assert found() == {("applicant", " ".join(added)), ("applicant", f"of change {first}")}


def test_links_and_restrictions_are_changes_and_nothing_is_wrong_with_them() -> None:
    make()
    case = ApplicantKey("ifcgate", "live", "case-1")
    for user in ("one", "two"):
        database.write(lambda connection, user=user: links.link(connection, case, external_user_id=user, by="night", may_move=True))
        erasing.keep(telling.ifcgate())
        erasing.handle_all()
    history.refuse(history.request(erasing.DataSubject(**WHO._asdict())), restrict=True)
    log_and_sign()
    assert faults() == []
    assert list(refold.faults(rebuild.find_renamed(lambda _: None))) == []


# registers ----------------------------------------------------------------------------------------------------


def _forge(connection: Connection) -> None:
    """What the rules remember says that the newest verdict is another one."""
    registers = dict(connection.execute(select(ApplicantRow.registers).where(*MINE)).scalar_one())
    name = next(name for name in registers if registers[name][4] and isinstance(registers[name][4], dict))
    registers[name][4]["added"] = "x"
    connection.execute(update(ApplicantRow).where(*MINE).values(registers=registers))


def _forget(connection: Connection) -> None:
    registers = dict(connection.execute(select(ApplicantRow.registers).where(*MINE)).scalar_one())
    connection.execute(update(ApplicantRow).where(*MINE).values(registers={name: registers[name] for name in list(registers)[1:]}))


def _forget_a_mention(connection: Connection) -> None:
    last = (
        select(MentionRow.event_sequence).where(MentionRow.reference == WHO.reference).order_by(MentionRow.event_sequence.desc()).limit(1)
    )
    connection.execute(delete(MentionRow).where(MentionRow.event_sequence == last.scalar_subquery()))
    _forget(connection)


@pytest.mark.parametrize("how", [_forge, _forget, _forget_a_mention])
def test_a_register_that_is_not_what_the_events_say_is_found(how: Callable[[Connection], None]) -> None:
    make()
    with tampering() as connection:
        how(connection)
    assert found() == set()
    assert {(one.kind, one.id) for one in refold.faults(rebuild.find_renamed(lambda _: None))} == {NAMED}
