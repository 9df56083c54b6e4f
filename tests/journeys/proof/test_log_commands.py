"""`standing log`: what an operator hands to an auditor, verified in an empty folder by the program that goes with it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from tests.receiver.connections.test_strangers import OPERATOR
from tests.support import payloads
from tests.support.privacy.calls import OFFICER
from tests.support.proof import auditor
from tests.support.proof.auditor import content, opening
from tests.support.service import LOG_ORIGIN, Service, eventually


def approved(service: Service) -> tuple[str, str]:
    """An applicant that is approved, and the id of the event that said so, once all of it is logged."""
    who = payloads.new_applicant()
    event_id: str = service.told("idngo", payloads.idngo(who, answer="GREEN"))["id"]
    eventually(lambda: service.get("/v1/log/proof", event=event_id).status == 200, "the event to be logged")
    # The change may be logged in a later pass than its event.
    cursor = service.get("/v1/changes").json["data"][-1]["cursor"]
    eventually(lambda: service.get("/v1/log/proof", change=cursor).status == 200, "the change to be logged")
    return who, event_id


def run(service: Service, *words: str) -> str:
    done = service.standing("log", *words)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def verified(service: Service, folder: Path, *names: str) -> tuple[int, str]:
    """What the verifier that the log gives says of files in an empty folder."""
    run(service, "verifier", "-o", str(folder / "verify.py"))
    done = auditor.run(folder, run(service, "keys").split(), names, program="verify.py")
    return done.returncode, done.stdout + done.stderr


def last_act(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/v1/audit", token=OPERATOR, order="newest", limit=1).json["data"][0]
    return found


def test_what_is_handed_to_an_auditor_is_verified_in_an_empty_folder(service: Service, tmp_path: Path) -> None:
    folder = tmp_path / "auditor"
    folder.mkdir()
    who, event_id = approved(service)
    (folder / "old").write_text(run(service, "checkpoint"))
    approved(service)
    cursor = service.get("/v1/changes").json["data"][0]["cursor"]
    run(service, "prove", "event", event_id, "-o", str(folder / "event"))
    run(service, "prove", "change", cursor, "-o", str(folder / "change"))
    run(service, "export", str(folder / "export"))
    size = (folder / "old").read_text().splitlines()[1]
    run(service, "consistency", size, "-o", str(folder / "grown"))
    (folder / "new").write_text(run(service, "checkpoint", "--origin", f"{LOG_ORIGIN}/1"))
    status, said = verified(service, folder, "old", "event", "change", "export", "grown", "new")
    assert (status, said.count("ok ")) == (0, 6), said
    assert (folder / "event").stat().st_mode & 0o777 == 0o600
    assert content((folder / "change").read_text())["reference"] == who
    lines = (folder / "export").read_text().splitlines()
    lines[2] = lines[3]
    (folder / "export").write_text("\n".join(lines) + "\n")
    status, said = verified(service, folder, "export", "old")
    assert status == 1, said


def test_a_body_is_proved_with_a_privacy_officers_token_and_recorded(service: Service, tmp_path: Path) -> None:
    who, event_id = approved(service)
    service.environment["STANDING_TOKEN"] = OPERATOR
    assert "body" not in opening_of(service, tmp_path, "event", event_id)
    refused = service.standing("log", "prove", "event", event_id, "--body")
    assert (refused.returncode, "only privacy officers" in refused.stderr) == (1, True)
    assert (last_act(service)["action"], last_act(service)["subject"]) == ("refused", f"event {event_id}")
    service.environment["STANDING_TOKEN"] = OFFICER
    assert "body" not in opening_of(service, tmp_path, "event", event_id, "--no-body")
    found = opening_of(service, tmp_path, "event", event_id, "--reason", "the auditor asks")
    assert json.loads(base64.b64decode(found["body"]))["applicantId"] == who
    act = last_act(service)
    assert (act["actor"], act["action"], act["subject"]) == ("officer", "read a body", f"event {event_id}")
    assert act["reason"] == "the auditor asks"
    assert verified(service, tmp_path, "proof")[0] == 0


def opening_of(service: Service, folder: Path, *words: str) -> dict[str, Any]:
    run(service, "prove", *words, "-o", str(folder / "proof"))
    return opening((folder / "proof").read_text())


def test_a_plain_proof_is_recorded_where_reads_are(service: Service, tmp_path: Path) -> None:
    _, event_id = approved(service)
    service.environment["AUDIT_READS"] = "yes"
    run(service, "prove", "event", event_id, "-o", str(tmp_path / "proof"))
    assert (last_act(service)["action"], last_act(service)["subject"]) == ("look up", f"event {event_id}")


def test_what_cannot_be_given_is_said(service: Service, tmp_path: Path) -> None:
    approved(service)
    for words, says in (
        (("prove", "event", "x"), "no event has this name"),
        (("prove", "change", "latest"), "not a cursor of the feed"),
        (("consistency", "99999"), "99999 were asked about"),
        (("checkpoint", "--origin", "elsewhere/1"), "no checkpoint of this origin"),
    ):
        done = service.standing("log", *words)
        assert (done.returncode, says in done.stderr, done.stdout) == (1, True, ""), (words, done.stderr)


def test_a_new_epoch_takes_over_the_leaves_and_names_the_old_log(service: Service, tmp_path: Path) -> None:
    _, event_id = approved(service)
    old = run(service, "checkpoint")
    service.environment["STANDING_TOKEN"] = OPERATOR
    asked = service.standing("log", "new-epoch", "--reason", "the key was lost")
    assert (asked.returncode, "Begin a new epoch?" in asked.stderr) == (1, True)
    done = service.standing("log", "new-epoch", "--reason", "the key was lost", "--yes")
    assert (done.returncode, f"{LOG_ORIGIN}/2" in done.stderr) == (0, True), done.stderr
    act = last_act(service)
    assert (act["actor"], act["subject"], act["reason"]) == ("night", f"log {LOG_ORIGIN}/2", "the key was lost")
    eventually(lambda: run(service, "checkpoint").startswith(f"{LOG_ORIGIN}/2\n"), "the new log to be signed")
    (tmp_path / "old").write_text(old)
    run(service, "prove", "event", event_id, "-o", str(tmp_path / "event"))
    epoch = service.get("/v1/log/entries", start=int(old.splitlines()[1]), limit=100).json["data"]
    number = next(leaf["number"] for leaf in epoch if leaf["kind"] == "epoch")
    found = opening_of(service, tmp_path, "leaf", str(number))
    assert json.loads(found["content"])["old_size"] == int(old.splitlines()[1])
    status, said = verified(service, tmp_path, "old", "event", "proof")
    assert status == 0, said
    assert run(service, "checkpoint", "--origin", f"{LOG_ORIGIN}/1") == old
