"""`standing import`, as a person sees it: what is said of a file, what stays when it is interrupted, and what is waited for."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from tests.conftest import KEY
from tests.receiver.connections.test_strangers import LINKER
from tests.support import payloads
from tests.support.service import PATIENCE_SECONDS, PROGRAMS, Service, eventually

HEADER = "vendor,reference,status,at,source\n"


def line(reference: str, status: str = "approved") -> str:
    return f"idngo,{reference},{status},2025-01-02T03:04:05Z,old-crm\n"


def counted(service: Service, where: str = "TRUE") -> int:
    """How many events are kept."""
    engine = create_engine(service.environment["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        count: int = connection.execute(text(f"SELECT count(*) FROM events WHERE {where}")).scalar_one()
    engine.dispose()
    return count


def acts(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.standing("audit", "list", "--json").stdout.splitlines()]


def first_line(rows: int, name: str = "known.csv") -> str:
    """What an import says before it asks."""
    return f"{rows:,} rows of {name} are right. Those that are not known yet are kept in the live environment."


def without_a_service(database_url: str, redis_url: str, folder: Path) -> Service:
    """A service of which nothing runs."""
    return Service(folder, {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY})


def test_one_wrong_line_and_nothing_is_written(database_url: str, redis_url: str, tmp_path: Path) -> None:
    service = without_a_service(database_url, redis_url, tmp_path)
    file = tmp_path / "known.csv"
    file.write_text(HEADER + line("Maria-1") * 3 + line("Maria-2", "verified") + line("Maria-3").replace("idngo", "acme"))
    done = service.standing("import", "--yes", str(file))
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert said[0].startswith("line 5: status must be one of created")
    assert said[1] == "line 6: vendor must be one of ifcgate, idngo, idenfy"
    assert said[2] == "2 lines are wrong: nothing was written."
    assert "Maria" not in done.stderr
    assert (counted(service), acts(service)) == (0, [])


def test_without_a_worker_it_says_what_to_do(database_url: str, redis_url: str, tmp_path: Path) -> None:
    service = without_a_service(database_url, redis_url, tmp_path)
    file = tmp_path / "known.csv"
    file.write_text(HEADER + line("ref-1") + line("ref-2"))
    done = service.standing("import", "--yes", str(file))
    assert (done.returncode, done.stderr.splitlines()[:2]) == (1, [first_line(2), "2 rows: 2 new, 0 were known."])
    assert "standing process-pending" in done.stderr
    assert "Handled 2 events." in service.standing("process-pending").stdout
    again = service.standing("import", "--yes", str(file))
    assert (again.returncode, again.stderr.splitlines()) == (0, [first_line(2), "2 rows: 0 new, 2 were known."])
    assert [(act["action"], act["subject"], act["touched"]) for act in acts(service)] == [("import", "file known.csv", 2)]


def test_interrupted_it_says_so_and_goes_on_when_it_is_run_again(database_url: str, redis_url: str, tmp_path: Path) -> None:
    service = without_a_service(database_url, redis_url, tmp_path)
    file, rows = tmp_path / "known.csv", 20_000
    file.write_text(HEADER + "".join(line(f"ref-{number}") for number in range(rows)))
    command = [str(PROGRAMS / "standing"), "import", "--yes", "--no-wait", str(file)]
    process = subprocess.Popen(command, env=service.environment, stderr=subprocess.PIPE, text=True)
    eventually(lambda: counted(service), "some rows to be kept")
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=PATIENCE_SECONDS)[1]
    assert (process.returncode, "goes on from there" in said, "Traceback" in said) == (1, True, False), said
    kept = counted(service)
    assert 0 < kept < rows
    done = service.standing("import", "--yes", "--no-wait", str(file))
    assert done.stderr.splitlines() == [first_line(rows), f"{rows:,} rows: {rows - kept:,} new, {kept:,} were known."]
    assert (counted(service), counted(service, "deliveries > 1")) == (rows, 0)


def test_links_are_made_from_a_file_and_told_of_known_cases(running: Service, tmp_path: Path) -> None:
    known, unknown = payloads.new_case(), payloads.new_case()
    running.told("ifcgate", payloads.ifcgate(known))
    file = tmp_path / "links.csv"
    file.write_text(f"case_id,external_user_id\n{known},customer-1\n{unknown},customer-2\n")
    done = running.standing("import", "--yes", str(file))
    assert (done.returncode, done.stderr.splitlines()) == (0, [first_line(2, "links.csv"), "2 rows: 2 new, 0 were known."])
    running.told("ifcgate", payloads.ifcgate(unknown))
    assert [running.applicant("ifcgate", case)["external_user_id"] for case in (known, unknown)] == ["customer-1", "customer-2"]
    assert [change["changed"] for change in running.history("ifcgate", known)][1:] == [["external_user_id"]]
    assert running.standing("import", "--yes", str(file)).stderr.splitlines()[1:] == ["2 rows: 0 new, 2 were known."]
    same = running.request("PUT", f"/v1/links/ifcgate/{known}", b'{"external_user_id": "customer-1"}', token=LINKER)
    assert same.status == 200
    assert len(running.history("ifcgate", known)) == 2


def test_what_cannot_be_asked_for_is_refused(running: Service, tmp_path: Path) -> None:
    (tmp_path / "known.xlsx").write_text("")
    (tmp_path / "known.csv").write_text(HEADER + line("ref-1"))
    refusals: list[tuple[list[str], Callable[[str], bool]]] = [
        ([str(tmp_path / "known.xlsx")], lambda said: ".csv or .jsonl" in said),
        ([str(tmp_path / "gone.csv")], lambda said: "does not exist" in said),
        ([str(tmp_path / "known.csv"), "--source", " "], lambda said: "source" in said),
    ]
    for arguments, tells in refusals:
        done = running.standing("import", "--yes", *arguments)
        assert (done.returncode, tells(done.stderr)) == (2, True), done.stderr
