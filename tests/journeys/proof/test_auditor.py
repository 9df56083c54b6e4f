"""docs/proof.md, typed to the letter: an auditor proceeds in ten steps, in an empty folder, and every file holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.docs.test_proof_page import STEPS
from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy.calls import erased
from tests.support.service import PROGRAMS, Service, eventually


def logged(service: Service, **named: object) -> None:
    eventually(lambda: service.get("/v1/log/proof", **named).status == 200, f"{named} to be logged")


def run(script: str, service: Service, folder: Path, **names: str) -> subprocess.CompletedProcess[str]:
    environment = service.environment | names | {"PATH": f"{PROGRAMS}:{service.environment['PATH']}"}
    # The program of the steps is called python3.
    (folder / "python3").unlink(missing_ok=True)
    (folder / "python3").symlink_to(sys.executable)
    return subprocess.run(["bash", "-ec", script], env=environment, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_the_ten_steps_hold(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "auditor"
    folder.mkdir()
    who, gone = payloads.new_applicant(), payloads.new_applicant()
    event_id = service.told("idngo", payloads.idngo(who, answer="GREEN"))["id"]
    erased_id = service.told("idngo", payloads.idngo(gone, answer="GREEN"))["id"]
    logged(service, event=event_id)
    blocks = [block for _, block in STEPS]
    first = run("".join(blocks[:3]), service, folder)
    assert first.returncode == 0, first.stdout + first.stderr
    last = service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", at=after(minutes=1)))["id"]
    erased(service, vendor="idngo", reference=gone)
    logged(service, event=last)
    logged(service, event=erased_id)
    cursor = service.get("/v1/changes").json["data"][0]["cursor"]
    logged(service, change=cursor)
    later = run("".join(blocks[3:]), service, folder, EVENT=event_id, CHANGE=cursor, ERASED=erased_id)
    assert later.returncode == 0, later.stdout + later.stderr
    assert event_id in later.stdout
    assert "FAILED" not in later.stdout
    assert later.stdout.count("ok ") >= 11, later.stdout


def test_a_file_that_was_altered_is_named(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "auditor"
    folder.mkdir()
    event_id = service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))["id"]
    logged(service, event=event_id)
    blocks = [block for _, block in STEPS]
    assert run("".join(blocks[:3]), service, folder).returncode == 0
    other = service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))["id"]
    logged(service, event=other)
    cursor = service.get("/v1/changes").json["data"][-1]["cursor"]
    logged(service, change=cursor)
    taken = run("".join(blocks[3:9]), service, folder, EVENT=event_id, CHANGE=cursor, ERASED=other)
    assert taken.returncode == 0, taken.stdout + taken.stderr
    for name in ("march.checkpoint", "consistency", "event.tlog-proof", "change.tlog-proof", "export"):
        file = folder / name
        whole = file.read_text()
        lines = whole.splitlines(keepends=True)
        number = 2 if name == "march.checkpoint" else 1
        letter = "A" if lines[number][20] != "A" else "B"
        lines[number] = lines[number][:20] + letter + lines[number][21:]
        file.write_text("".join(lines))
        found = run(blocks[8].splitlines()[-1], service, folder)
        assert (found.returncode, f"FAILED  {name}: " in found.stdout) == (1, True), found.stdout
        file.write_text(whole)
