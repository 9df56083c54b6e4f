"""What comes about an erased applicant by other ways than a delivery: the spool, an import, a link, a round of questions."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from handlers.cli.transfer import import_check, importing
from handlers.cli.transfer.importing import Brought
from store import config, database
from store.applicants import links
from store.database.tables import ApplicantRow, EventRow
from store.inbox import deliveries
from store.inbox.spool import spool_import
from store.inbox.spool.spool import host_spool
from store.operations import reconciliations
from store.operations.reconciliations import ApplicantFilter
from store.system.deadlines import DeadlineExceeded
from store.text.states import ApplicantKey
from tests.support import payloads, telling
from tests.support.payloads import after
from tests.support.privacy.erasing import GONE, OTHER, USER, about, erase_now, handle_all, keep, shown
from tests.support.privacy.personal_data import of, of_user
from tests.support.service import eventually
from tests.support.telling import idngo, verdict

pytestmark = pytest.mark.usefixtures("kept")

CASE = ApplicantKey("ifcgate", "live", "case_of_the_erased")


def rows() -> list[str]:
    with database.reading() as connection:
        return sorted(connection.execute(select(ApplicantRow.reference)).scalars())


def brought(tmp_path: Path, name: str, *lines: str) -> Brought:
    file = tmp_path / name
    file.write_text("\n".join(lines) + "\n")
    checked = import_check.check(file, source="before", on_rows=lambda _: None, on_wrong=print)
    assert checked is not None
    return importing.bring(checked, environment="live", on_rows=lambda _: None)


def _taken_in() -> int | None:
    """How many deliveries were imported; None if that took too long, and is tried again, as a web process does."""
    try:
        return spool_import.take_in_spooled()
    except DeadlineExceeded:
        return None


def test_a_delivery_that_was_spooled_before_the_erasure_is_erased_once_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    handle_all()
    # Only now: on a busy machine the delivery before would be spooled, too.
    monkeypatch.setenv("SPOOL_DIR", str(tmp_path / "spool"))
    config.settings.cache_clear()
    host_spool.cache_clear()
    found = host_spool()
    assert found is not None
    late = about(GONE, idngo(answer="RED", at=after(days=9), reject="FINAL"))
    made = deliveries.Delivery(vendor="idngo", environment="live", headers={}, body=late.body, identity=b"9" * 32, subject=None)
    sealed = deliveries.seal(made)
    assert found.append(msgspec.json.encode(sealed))
    erase_now(of(GONE))
    assert eventually(_taken_in, "the spool to be imported") == 1
    handle_all()
    with database.reading() as connection:
        row = connection.execute(select(EventRow.__table__).where(EventRow.id == sealed.id)).one()
    assert (row.status, row.sealed_body, row.reference, row.headers, row.trace) == ("ignored", b"", None, {}, None)
    assert rows() == []


@pytest.mark.usefixtures("both")
def test_lines_of_an_import_about_the_erased_are_left_out_and_counted(tmp_path: Path) -> None:
    erase_now(of(GONE))
    at = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
    known = [f'{{"vendor": "idngo", "reference": "{key.reference}", "status": "approved", "at": "{at}"}}' for key in (GONE, OTHER)]
    done = brought(tmp_path, "known.jsonl", *known)
    assert (done.rows, done.new, done.erased) == (2, 1, 1)
    handle_all()
    assert rows() == [OTHER.reference]


def test_no_link_makes_an_erased_case_known(tmp_path: Path) -> None:
    erase_now(of(CASE))
    done = brought(tmp_path, "cases.csv", "case_id,external_user_id", f"{CASE.reference},{USER}", "another-case,another-user")
    assert (done.rows, done.new, done.erased) == (2, 1, 1)
    assert database.write(lambda connection: links.link_all(connection, {CASE: USER}, by="somebody")) == 0
    assert rows() == ["another-case"]


@pytest.mark.usefixtures("both")
def test_no_vendor_is_asked_about_the_erased() -> None:
    erase_now(of_user(USER))
    wanted = ApplicantFilter(references=(GONE.reference, OTHER.reference))
    with database.reading() as connection:
        assert reconciliations.references(connection, "idngo", "live", wanted, after="", limit=9) == [OTHER.reference]
    assert shown(GONE) is None


def test_a_late_verdict_of_idenfy_that_is_handled_again_is_erased_too() -> None:
    key = ApplicantKey("idenfy", "live", telling.SCAN)
    for overall in ("APPROVED", "DENIED"):
        keep(replace(verdict(), body=json.dumps(payloads.idenfy(telling.SCAN, overall)).encode()), subject=telling.SCAN.encode())
        if overall == "APPROVED":
            handle_all()
            erase_now(of(key))
    handle_all()
    with database.reading() as connection:
        found = connection.execute(select(EventRow.status, EventRow.reference).order_by(EventRow.sequence)).all()
    assert [tuple(row) for row in found] == [("applied", None), ("ignored", None)]
    assert rows() == []
