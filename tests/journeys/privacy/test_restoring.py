"""A backup from before an erasure is restored: who was erased is erased again before anything is shown. Deliveries are kept meanwhile."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support import payloads
from tests.support.privacy.calls import OFFICER, erased, is_erased
from tests.support.service import PATIENCE_SECONDS, Service, eventually

Restore = Callable[[], None]

#: Commands that show, export or change what is kept.
BLOCKED = [
    ["applicants", "list"], ["applicants", "show", "idngo", "REFERENCE"], ["applicants", "explain", "idngo", "REFERENCE"],
    ["export", "applicants"], ["export", "changes"], ["events", "list"], ["review"], ["audit", "list"], ["erasures", "list"],
    ["decide", "idngo", "REFERENCE", "reject", "--reason", "x", "--yes"], ["rebuild", "--check"],
]  # fmt: skip


@pytest.fixture
def restore(service: Service, tmp_path: Path) -> Callable[[], Restore]:
    """Takes a backup; what it gives restores it, while nothing runs."""
    url, file = make_url(service.environment["DATABASE_URL"]), tmp_path / "backup"

    def run(*command: str) -> None:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def back_up() -> Restore:
        if url.get_backend_name() == "sqlite":
            assert service.standing("backup", str(file)).returncode == 0
            return lambda: _succeeded(service.standing("restore", str(file), "--yes"))
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        run("pg_dump", "--clean", "--if-exists", f"--file={file}", plain)
        return lambda: run("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={file}", plain)

    return back_up


def _succeeded(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr


def test_who_was_erased_since_a_backup_is_erased_again_before_anything_is_shown(service: Service, restore: Callable[[], Restore]) -> None:
    mine, other, late = (payloads.new_applicant() for _ in range(3))
    for who in (mine, other):
        service.told("idngo", payloads.idngo(who, answer="GREEN"))
    before = service.applicant("idngo", other)
    put_back = restore()
    erasure_id = erased(service, vendor="idngo", reference=mine)
    service.end()
    put_back()

    service.start_web()
    refused = [service.get(path).status for path in (f"/v1/applicants/idngo/{mine}", "/v1/changes", "/v1/events", "/v1/changes/stream")]
    assert refused == [503] * 4
    assert b"done again" in service.get("/v1/changes").body
    assert service.kept("idngo", payloads.idngo(late, answer="GREEN"))
    assert service.kept("idngo", payloads.idngo(mine, answer="RED", reject="FINAL"))
    ready = eventually(lambda: _degraded(service), "it to be told")
    assert "erasures: 1 erasure of the ledger are done again" in " ".join(ready["attention"])
    assert service.get("/readyz").status == 200
    eventually(lambda: "done again" in service.standing("status").stdout, "status to tell it")
    for words in BLOCKED:
        done = service.standing(*(mine if word == "REFERENCE" else word for word in words))
        assert (done.returncode, done.stdout) == (1, ""), words
        assert "Nothing is shown yet: 1 erasures of the ledger are done again" in done.stderr, words
    for words in (["keys", "list"], ["applicants", "show", "--help"], ["refusals"]):
        assert service.standing(*words).returncode == 0, words

    service.start_worker()
    answers = {503}

    def is_open() -> bool:
        """Whether all web processes answer; each looks by itself."""
        found = [service.get(f"/v1/applicants/idngo/{mine}").status for _ in range(20)]
        answers.update(found)
        return found == [410] * 20

    eventually(is_open, "reads to be answered")
    assert service.standing("applicants", "list").returncode == 0
    assert answers == {503, 410}
    assert service.applicant("idngo", other) == before
    eventually(lambda: service.get(f"/v1/applicants/idngo/{late}").status == 200, "what was kept to be handled")
    eventually(lambda: not service.get("/v1/events", status="pending").json["data"], "everything to be handled")
    assert is_erased(service, "idngo", mine)
    again = service.get(f"/v1/erasures/{erasure_id}", token=OFFICER).json
    assert (again["status"], again["cause"]) == ("done", "ledger")
    rebuilt = service.standing("rebuild", "--check")
    assert rebuilt.returncode == 0, rebuilt.stdout


def _degraded(service: Service) -> dict[str, list[str]] | None:
    told: dict[str, list[str]] = service.get("/readyz").json
    return told if any("done again" in one for one in told["attention"]) and told["status"] == "degraded" else None  # type: ignore[comparison-overlap]


def test_a_lost_ledger_blocks_reads_until_an_operator_accepts_it(service: Service) -> None:
    mine, other = payloads.new_applicant(), payloads.new_applicant()
    for who in (mine, other):
        service.told("idngo", payloads.idngo(who, answer="GREEN"))
    erased(service, vendor="idngo", reference=mine)
    ledger = service.folder / "var" / "erasures.ledger"
    ledger.rename(ledger.with_suffix(".lost"))
    eventually(lambda: service.get(f"/v1/applicants/idngo/{other}").status == 503, "reads to be refused")
    assert service.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
    doctor = service.standing("doctor")
    assert doctor.returncode == 1
    assert "is missing, and the database knows of 1 lines" in doctor.stdout
    assert service.standing("erasures", "accept-ledger", "--reason", "the disk is lost").returncode == 1, "it asks"
    assert service.standing("erasures", "accept-ledger", "--reason", "the disk is lost", "--yes").returncode == 0
    eventually(lambda: service.get(f"/v1/applicants/idngo/{other}").status == 200, "reads to be answered")
    assert is_erased(service, "idngo", mine)
    assert len(ledger.read_text().splitlines()) == 1


def test_another_index_key_starts_no_process(service: Service) -> None:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN"))
    erased(service, vendor="idngo", reference=who)
    service.end()
    service.environment["INDEX_KEY"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    for process in (service.start_web(ready=False), service.start_worker()):
        assert process.wait(PATIENCE_SECONDS) != 0
    assert service.logged().count("INDEX_KEY is not the key that the digests of this database were made with") >= 2
    assert "INDEX_KEY is not the key" in service.standing("doctor").stdout
