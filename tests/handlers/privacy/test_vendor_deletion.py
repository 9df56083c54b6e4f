"""`with_vendor`: iDenfy is asked over HTTP to delete, until it has; what a person must ask of others is written down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from handlers.privacy import erase, redo, runner, vendor_deletion
from handlers.privacy.pace import Pace
from receiver.monitoring import status
from receiver.monitoring.findings import privacy
from receiver.monitoring.findings.sentence import Finding
from receiver.simulator.vendor_server import Vendors
from store import database
from store.access import audit
from store.applicants import table as applicants
from store.database.privacy_tables import Erasure, PrivacyState
from store.privacy import certificate, requests
from store.privacy.erasing import vendor_wait, waiting
from store.privacy.erasing.erasures import DataSubject, Stage
from store.privacy.errors import NotPossible, UnknownToUs
from store.privacy.restoring import gate
from store.system import clock
from store.text.states import ApplicantKey
from tests import conftest
from tests.support import payloads
from tests.support.privacy.erasing import GONE, MARK, USER, about, approved, erase_now, handle_all, keep, shown, whole_database
from tests.support.privacy.personal_data import OFFICER, of, of_user, see
from tests.support.telling import SCAN, idngo, verdict
from tests.support.vendors.played import play, playing

CREDENTIALS = {
    "IFCGATE_API_KEY": "a",
    "IDNGO_APP_TOKEN": "b",
    "IDNGO_APP_SECRET": "c",
    "IDENFY_API_KEY": "key",
    "IDENFY_API_SECRET": "secret",
}
SCANNED = ApplicantKey("idenfy", "live", SCAN)
NO_ERASURE = "01a22bd6-9f8e-7a26-b1fc-02cdd7053a34"


@pytest.fixture
def vendors(kept: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendors]:
    """iDenfy, which knows a verification that was erased here never."""
    with playing(CREDENTIALS) as played:
        for name, value in (played.settings() | CREDENTIALS | {"IDENFY_READS_PER_MINUTE": "600", "IDNGO_API_URL": ""}).items():
            if name in ("IDENFY_API_URL", "IDENFY_READS_PER_MINUTE", "IDENFY_API_KEY", "IDENFY_API_SECRET") or name.startswith("NOTIFY_"):
                monkeypatch.setenv(name, value)
        conftest.forget()
        play(played, f"idenfy/{SCAN}", {"status": "APPROVED", "token_lives": True})
        keep(replace(verdict(), body=json.dumps(payloads.idenfy(SCAN, "APPROVED")).encode()), subject=SCAN.encode())
        handle_all()
        yield played


def approved_with_vendor(subject: DataSubject) -> str:
    return approved(subject, with_vendor=True, reason=f"they wrote of {subject.reference}")


def told(erasure_id: str) -> dict[str, Any]:
    return requests.describe(database.read(lambda connection: requests.find(connection, erasure_id)))


def row() -> Any:
    with database.reading() as connection:
        return connection.execute(select(Erasure.__table__)).one()


def let_time_pass() -> None:
    earlier = update(Erasure).values(vendor_again_at=clock.now())
    database.write(lambda connection: connection.execute(earlier.where(Erasure.vendor_again_at.is_not(None))))


def deletions(vendors: Vendors) -> int:
    return vendors.played["idenfy"].asked.count("/idenfy/api/v2/delete")


def run() -> int:
    return runner.run("this host", Pace(), keeps_up=False)


def findings() -> list[str]:
    with database.reading() as connection:
        return [str(one) for one in status.attention(connection) if "iDenfy" in one.says]


def every_finding() -> list[Finding]:
    with database.reading() as connection:
        return list(privacy.erasures(connection, "live"))


def test_it_is_tried_again_until_the_token_has_expired(vendors: Vendors) -> None:
    made = approved_with_vendor(of(SCANNED))
    for tried in (1, 2):
        assert run() == 0
        assert (shown(SCANNED), row().status, row().vendor_answer, deletions(vendors)) == (None, Stage.APPROVED, "refused", tried)
        assert not database.read(waiting.find).is_any, "nobody tries again before it is time"
        assert run() == 0
        assert deletions(vendors) == tried
        let_time_pass()
        assert database.read(waiting.find).is_any
    play(vendors, f"idenfy/{SCAN}", {"status": "APPROVED"})
    assert run() == 0
    assert vendors.played["idenfy"].table[SCAN].status == "DELETED"
    assert (row().targets, row().vendor_again_at, row().vendor_answer, told(made)["status"]) == (None, None, None, "done")
    assert findings() == []
    sealed = database.read(lambda connection: certificate.certificate(connection, made))
    assert (sealed["with_vendor"], sealed["vendor_tasks"], sealed["events"], told(made)["vendor_tasks"]) == (True, [], 1, [])


def test_while_it_waits_the_names_are_in_its_own_row_alone_and_nobody_is_kept_from_reading(
    vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERASURE_NOTICE_DAYS", "0")
    conftest.forget()
    subject = audit.applicant_subject(SCANNED)
    database.write(lambda connection: audit.write(connection, actor="officer", action="look", subject=subject, reason=f"{SCAN} asked"))
    approved_with_vendor(of(SCANNED))
    run()
    behind = update(PrivacyState).values(ledger_lines=0)  # As where the line before it is of one that was killed.
    database.write(lambda connection: connection.execute(behind))
    with database.reading() as connection:
        assert gate.look(connection) == gate.Gate(), "as a process that starts looks at it"
    assert redo.redo_all() == 0
    database.write(lambda connection: connection.execute(update(Erasure).values(targets=None, reference=None, reason=None)))
    assert SCAN not in whole_database()


def test_another_erasure_goes_on_and_both_are_in_the_ledger(vendors: Vendors) -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    handle_all()
    approved_with_vendor(of(SCANNED))
    run()
    erase_now(of(GONE))
    play(vendors, f"idenfy/{SCAN}", {"status": "APPROVED"})
    let_time_pass()
    assert run() == 0
    assert database.read(gate.known_lines) == 2
    with database.reading() as connection:
        assert gate.look(connection) == gate.Gate()
        assert set(connection.execute(select(Erasure.status)).scalars()) == {Stage.DONE}


@pytest.mark.parametrize("known", [None, {"status": "EXPIRED-DELETED", "token_lives": True}], ids=["unknown", "deleted before"])
def test_what_the_vendor_does_not_have_is_done(vendors: Vendors, known: dict[str, Any] | None) -> None:
    play(vendors, f"idenfy/{SCAN}", known)
    assert erase.carry_out(approved_with_vendor(of(SCANNED)))
    assert row().status == Stage.DONE


@pytest.mark.parametrize(
    ("fault", "answer"),
    [("500", "not now"), ("429", "not now"), ("down", "no answer"), ("nonsense", "refused"), ("unauthorized", "credentials refused")],
)
def test_no_answer_is_no_deletion(vendors: Vendors, fault: str, answer: str) -> None:
    play(vendors, f"idenfy/{SCAN}", {"status": "APPROVED"})
    play(vendors, "idenfy", {"fault": fault, "retry_after": "3600"})
    assert not erase.carry_out(approved_with_vendor(of(SCANNED)))
    assert row().vendor_answer == answer
    if fault == "429":
        assert row().vendor_again_at > clock.now() + timedelta(minutes=59), "the vendor asked for an hour"
    play(vendors, "idenfy", {"fault": None})
    let_time_pass()
    assert run() == 0
    assert row().status == Stage.DONE


def test_without_credentials_it_waits_and_says_what_to_set(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    play(vendors, f"idenfy/{SCAN}", {"status": "APPROVED"})
    for name in ("IDENFY_API_URL", "IDENFY_API_KEY", "IDENFY_API_SECRET"):
        monkeypatch.delenv(name)
    conftest.forget()
    made = approved_with_vendor(of(SCANNED))
    assert run() == 0
    assert shown(SCANNED) is None
    assert told(made)["status"] == "approved"
    assert findings() == ["erasures: 1 erasure waiting for iDenfy, whose API cannot be asked: set IDENFY_API_KEY and IDENFY_API_SECRET"]
    for name, value in (CREDENTIALS | {"IDENFY_API_URL": f"{vendors.url}/idenfy"}).items():
        if name.startswith("IDENFY"):
            monkeypatch.setenv(name, value)
    conftest.forget()
    let_time_pass()
    assert run() == 0
    assert (told(made)["status"], findings()) == ("done", [])


def test_a_person_is_asked_after_a_week_and_ends_the_wait(vendors: Vendors) -> None:
    made = approved_with_vendor(of(SCANNED))
    assert run() == 0
    assert told(made)["vendor_asked_at"] == clock.rfc3339(row().vendor_asked_at)
    assert findings() == []
    assert [str(one) for one in every_finding() if one.verdict == "ok"] == [
        f"erasures: 1 erasure waiting for iDenfy to delete, the first since {told(made)['vendor_asked_at']}"
    ]
    long_ago = clock.now() - timedelta(days=8)
    database.write(lambda connection: connection.execute(update(Erasure).values(vendor_asked_at=long_ago)))
    let_time_pass()
    assert run() == 0
    assert row().vendor_asked_at == long_ago, "when it was first asked"
    [finding] = findings()
    assert finding.endswith(f"the first since {clock.rfc3339(long_ago)}: ask iDenfy, and record that it deleted")
    asked = deletions(vendors)
    database.write(lambda connection: vendor_wait.confirm(connection, made, by=OFFICER, reason="they wrote"))
    assert database.read(waiting.find).is_any, "a worker may finish it"
    assert erase.carry_out(made)
    assert (row().status, row().targets, row().reference, deletions(vendors), findings()) == (Stage.DONE, None, None, asked, [])
    sealed = database.read(lambda connection: certificate.certificate(connection, made))
    assert (sealed["with_vendor"], sealed["vendor_confirmed"]) == (True, "confirmed by officer, not by the vendor")
    [act] = [one for one in see(audit.listing, limit=9) if one.action == "confirm a vendor's deletion"]
    assert (act.actor, act.subject, act.reason) == ("officer", f"erasure {made}", "they wrote")


def test_a_wait_is_ended_only_where_there_is_one(vendors: Vendors) -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    handle_all()
    not_begun, done = approved_with_vendor(of(GONE)), approved(of(SCANNED))
    assert erase.carry_out(done)
    for erasure_id in (not_begun, done):
        with pytest.raises(NotPossible):
            database.write(lambda connection: vendor_wait.confirm(connection, erasure_id, by=OFFICER, reason="x"))  # noqa: B023
    with pytest.raises(UnknownToUs):
        database.write(lambda connection: vendor_wait.confirm(connection, NO_ERASURE, by=OFFICER, reason="x"))


def test_what_a_person_must_ask_is_written_down_and_not_waited_for(vendors: Vendors) -> None:
    keep(about(GONE, idngo(answer="GREEN")))
    handle_all()
    made = approved_with_vendor(of_user(USER))
    assert erase.carry_out(made)
    sealed = database.read(lambda connection: certificate.certificate(connection, made))
    assert told(made)["vendor_tasks"] == sealed["vendor_tasks"] == ["idngo"]
    assert MARK not in json.dumps([told(made), sealed])
    assert deletions(vendors) == 0


def test_the_api_of_another_environment_is_not_asked(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_ENVIRONMENT", "sandbox")
    conftest.forget()
    made = approved_with_vendor(of(SCANNED))
    assert erase.carry_out(made)
    assert (told(made)["vendor_tasks"], deletions(vendors)) == (["idenfy"], 0)


def test_without_with_vendor_nobody_is_asked(vendors: Vendors) -> None:
    made = approved(of(SCANNED))
    assert erase.carry_out(made)
    assert (told(made)["vendor_tasks"], deletions(vendors)) == ([], 0)


def test_a_kill_between_the_vendors_answer_and_the_end_is_resumed_and_no_log_names_anybody(vendors: Vendors, tmp_path: Path) -> None:
    approved_with_vendor(of(SCANNED))
    refused = _in_a_process(tmp_path)
    assert refused.returncode == 0
    assert b"an erasure waits for the vendor" in refused.stdout + refused.stderr
    play(vendors, f"idenfy/{SCAN}", {"status": "APPROVED"})
    let_time_pass()
    (tmp_path / "erasure done at the vendor").write_text("kill")
    killed = _in_a_process(tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert (vendors.played["idenfy"].table[SCAN].status, row().status) == ("DELETED", Stage.APPROVED)
    database.write(lambda connection: connection.execute(update(PrivacyState).values(runner=None)))
    again = _in_a_process(tmp_path)
    assert again.returncode == 0
    assert (row().status, row().targets) == (Stage.DONE, None)
    for one in (refused, killed, again):
        assert SCAN.encode() not in one.stdout + one.stderr
    with database.reading() as connection:
        assert applicants.find(connection, SCANNED) is None


def _in_a_process(faults: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "handlers.privacy.runner", "another host", "erasures", str(os.getpid())]
    return subprocess.run(command, env=os.environ | {"FAULTS_DIR": str(faults)}, capture_output=True, check=False, timeout=60)


def test_the_pause_is_longer_than_that_of_the_process_that_erases() -> None:
    assert vendor_deletion.AGAIN.total_seconds() >= runner.LEFT_SECONDS
