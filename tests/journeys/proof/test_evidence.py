"""`standing evidence`: what an auditor or a court is handed about an applicant is verified in an empty folder, by what is in it."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from tests.receiver.connections.test_strangers import OPERATOR, OTHER_OPERATOR
from tests.support import payloads
from tests.support.payloads import after
from tests.support.privacy.calls import OFFICER, erased, restricted
from tests.support.proof import auditor
from tests.support.service import LOG_ORIGIN, Service, end, eventually

#: The key of another log.
OTHER_KEY = "other.example/1+e1dba00b+AVEN7rHqhXbDzAYYqVCcfYvx9jXcs9xOCZwHJ4x8YxZe"

LISTS = ("events.json", "history.json", "acts.json", "holds.json", "erasures.json")


class Pack:
    """A pack, unpacked into an empty folder."""

    def __init__(self, service: Service, folder: Path, *words: str, token: str = "", status: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.file, self.folder = folder / "pack.zip", folder / "unpacked"
        service.environment["STANDING_TOKEN"] = token
        if status == 0:
            eventually(lambda: is_logged(service), "everything to be logged and signed")
        self.done = service.standing("evidence", *words, "-o", str(self.file))
        assert self.done.returncode == status, self.done.stderr
        with ZipFile(self.file) as archive:
            self.names = archive.namelist()
            archive.extractall(self.folder)

    def run(self, *words: str) -> tuple[int, str]:
        """What a program of the pack says, run without anything of ours."""
        environment = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        command = [sys.executable, "-I", *words]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def verify(self, *names: str) -> tuple[int, str]:
        return self.run("verify.py", "--key", *self.text("keys.txt").split(), *names)

    def holds(self) -> bool:
        """Whether every proof holds by itself, and the lists and bodies are what the proofs hold."""
        proofs = [name for name in self.names if name.endswith(".tlog-proof")]
        alone, all_of_it = self.verify("checkpoint", *proofs), self.run("check.py")
        assert (alone[0], all_of_it[0]) == (0, 0), alone[1] + all_of_it[1]
        assert alone[1].count("ok ") == len(proofs) + 1
        return True

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def list(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.text(name))
        return found

    def opening(self, name: str) -> dict[str, Any]:
        return auditor.opening(self.text(name))


def is_logged(service: Service) -> bool:
    """Whether the log has a signed leaf of every row. The command waits for that, too, but not for a worker that is still starting."""
    text = service.get("/metrics", token=None).body.decode()
    told = {name: float(value) for name, value in re.findall(r"^standing_log_(\w+) (\S+)$", text, re.MULTILINE)}
    return bool(told) and 0 < told["leaves"] == told["signed_leaves"] and told["unlogged_age_seconds"] == 0


def acts(service: Service, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in by(service, OFFICER, "audit", "list", "--limit", "500", "--json", *words).splitlines()]


def by(service: Service, token: str, *words: str) -> str:
    service.environment["STANDING_TOKEN"] = token
    done = service.standing(*words)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def approved(service: Service, user: str = "user-9") -> str:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN", externalUserId=user))
    return who


def doubted_and_decided(service: Service, user: str = "user-1") -> str:
    """An applicant with three events of its vendor, a decision by two persons, and a hold."""
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN", externalUserId=user))
    refused = payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1), externalUserId=user)
    service.told("idngo", refused)
    by(service, OPERATOR, "decide", "idngo", who, "approve", "--reason", "a namesake", "--yes")
    service.environment["STANDING_TOKEN"] = OTHER_OPERATOR
    listed = json.loads(service.standing("decisions", "list", "--json").stdout.splitlines()[0])
    by(service, OTHER_OPERATOR, "decisions", "confirm", listed["event_id"], "--reason", "I looked, too", "--yes")
    place = ("holds", "place", "idngo", who, "--reason", "a court", "--review-at", "2099-01-01", "--yes")
    by(service, OPERATOR, *place)
    return who


def test_a_pack_is_verified_in_an_empty_folder_and_binds_all_that_it_lists(service: Service, tmp_path: Path) -> None:
    who = doubted_and_decided(service)
    pack = Pack(service, tmp_path, "idngo", who)
    assert pack.holds()
    assert pack.file.stat().st_mode & 0o777 == 0o600
    changes, events = pack.list("1-idngo/history.json"), pack.list("1-idngo/events.json")
    shown = service.history("idngo", who)
    assert [one["number"] for one in changes] == [one["number"] for one in shown]
    assert [(one["to_status"], one["changed"]) for one in changes] == [(one["to"], one["changed"]) for one in shown]
    assert changes[-1]["applicant"]["status"] == "approved"
    assert {one["action"] for one in pack.list("1-idngo/acts.json")} >= {"place a hold"}
    assert [one["reason"] for one in pack.list("1-idngo/holds.json")] == ["a court"]
    explained = json.loads(pack.text("1-idngo/explanation.json"))
    assert explained["applicant"]["status"] == "approved"
    assert {one["event_id"] for one in explained["data"]} == {one["id"] for one in events}
    assert {one["proof"] for one in explained["data"]} == {one["proof"] for one in events}
    for name in LISTS[:4]:
        for entry in pack.list(f"1-idngo/{name}"):
            proof = entry.pop("proof")
            assert entry == json.loads(pack.opening(f"1-idngo/{proof}")["content"])
    proofs = [name for name in pack.names if name.endswith(".tlog-proof")]
    assert not [name for name in pack.names if "/events/" in name]
    assert not [name for name in proofs if "body" in pack.opening(name)]
    notes = {pack.text(name).partition("\n\n")[2] for name in proofs}
    assert notes == {pack.text("checkpoint")}
    readme = pack.text("README.txt")
    assert (f"idngo {who} (live)" in readme, f"{LOG_ORIGIN}/1" in readme, readme.endswith("LEFT OUT\n\nNothing.\n")) == (True, True, True)
    assert max(len(line) for line in readme.splitlines() if not line.startswith("    ")) <= 80
    [act] = acts(service, "--action", "evidence pack")
    assert (act["subject"], act["touched"]) == (f"idngo live {who}", len(proofs))


def test_whatever_is_altered_in_a_pack_is_found(service: Service, tmp_path: Path) -> None:
    who = approved(service)
    pack = Pack(service, tmp_path, "idngo", who, "--reason", "a court asks", token=OFFICER)
    assert pack.holds()
    flipped = 0
    for name in [name for name in pack.names if name.endswith(".tlog-proof")]:
        whole = (pack.folder / name).read_bytes()
        for place in sorted({0, len(whole) - 2, *range(3, len(whole), max(len(whole) // 12, 1))}):
            (pack.folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert pack.verify("checkpoint", name)[0] != 0, (name, place)
            flipped += 1
        (pack.folder / name).write_bytes(whole)
    assert flipped > 20
    listed = [name for name in pack.names if name.rpartition("/")[2] in LISTS or "/events/" in name]
    assert len(listed) == 3
    for name in listed:
        whole = pack.text(name)
        for altered in (whole.replace(who, payloads.new_applicant()), whole.replace("GREEN", "RED"), whole.replace("approved", "rejected")):
            (pack.folder / name).write_text(altered)
            assert (pack.run("check.py")[0] == 0) == (altered == whole), name
        (pack.folder / name).write_text(whole)
    assert pack.holds()
    [_, change] = [pack.folder / name for name in pack.names if name.endswith(".tlog-proof")]
    misnamed = change.with_name("change-99.tlog-proof")
    change.rename(misnamed)
    assert "it is about another row" in pack.run("check.py")[1]
    misnamed.rename(change)
    events, history = pack.list("1-idngo/events.json"), pack.folder / "1-idngo" / "history.json"
    history.write_text(json.dumps(pack.list("1-idngo/history.json") + events))
    (pack.folder / "1-idngo" / "events.json").unlink()
    assert "an entry is not what" in pack.run("check.py")[1]
    gone = next(name for name in pack.names if "/change-" in name)
    (pack.folder / gone).unlink()
    assert pack.run("check.py")[0] == 1
    assert pack.run("check.py", OTHER_KEY)[0] == 1


def test_bodies_are_opened_for_privacy_officers_who_say_why_and_each_is_recorded(service: Service, tmp_path: Path) -> None:
    who = approved(service)
    for token, words, status, says in (
        (OPERATOR, ("--body",), 1, "only privacy officers"),
        (OFFICER, (), 2, "say with --reason"),
    ):
        service.environment["STANDING_TOKEN"] = token
        done = service.standing("evidence", "idngo", who, "-o", str(tmp_path / "pack.zip"), *words)
        assert (done.returncode, says in done.stderr, (tmp_path / "pack.zip").exists()) == (status, True, False), done.stderr
    assert not [name for name in Pack(service, tmp_path / "a", "idngo", who, "--no-body", token=OFFICER).names if "/events/" in name]
    pack = Pack(service, tmp_path / "b", "idngo", who, "--reason", "a court asks", token=OFFICER)
    assert pack.holds()
    [name] = [name for name in pack.names if "/events/" in name]
    assert json.loads(pack.text(name))["applicantId"] == who
    event_id = name.rpartition("/event-")[2].removesuffix(".body")
    assert service.get(f"/v1/events/{event_id}/body", token=OPERATOR).body == (pack.folder / name).read_bytes()
    [act] = [one for one in acts(service, "--action", "read a body") if one["reason"]]
    assert (act["actor"], act["subject"], act["reason"]) == ("officer", f"event {event_id}", "a court asks")


def test_what_names_an_erased_person_too_is_proved_as_it_is_left(service: Service, tmp_path: Path) -> None:
    gone, left = payloads.new_scan(), payloads.new_scan()
    for scan in (gone, left):
        service.told("idenfy", payloads.idenfy(scan))
    shared = service.told("idenfy", payloads.idenfy_monitoring([gone, left]), event_type="AML_MONITORING")["id"]
    made = erased(service, vendor="idenfy", reference=gone)
    pack = Pack(service, tmp_path, "idenfy", left, "--reason", "a court asks", token=OFFICER)
    assert pack.holds()
    [entry] = [one for one in pack.list("1-idenfy/events.json") if one["id"] == shared]
    assert entry["erased_at"]
    assert gone not in "".join(pack.text(name) + json.dumps(openings(pack, name)) for name in pack.names)
    nothing = Pack(service, tmp_path / "erased", "idenfy", gone, token=OPERATOR)
    assert nothing.holds()
    assert f"(erasure {made})" in nothing.done.stderr
    assert {name.rpartition("/")[2].rpartition("-")[0][:12] for name in nothing.names if name.endswith(".tlog-proof")}
    stages = {name.rpartition("/")[2].partition(f"-{made}")[0] for name in nothing.names if made in name}
    assert stages == {"erasure", "erasure-decided", "erasure-done"}
    # Each pass of the log says which leaves it emptied: what is erased between two passes is emptied by two leaves.
    assert {one["erasure_id"] for one in nothing.list("erasure/erasures.json") if "numbers" in one} == {made}
    assert gone not in json.dumps(acts(service)) + "".join(nothing.text(name) for name in nothing.names)


def openings(pack: Pack, name: str) -> dict[str, Any]:
    if not name.endswith(".tlog-proof"):
        return {}
    found = pack.opening(name)
    return found | {"body": base64.b64decode(found.get("body", "")).decode()}


def test_a_user_has_a_folder_for_each_applicant_of_every_vendor(service: Service, tmp_path: Path) -> None:
    who, case = approved(service, "user-1"), "case-1"
    approved(service, "user-2")
    service.told("ifcgate", payloads.ifcgate(case))
    linked = json.dumps({"external_user_id": "user-1"}).encode()
    assert service.request("PUT", f"/v1/links/ifcgate/{case}", linked, token="link-me-if-you-may").status in (200, 204)
    by(service, OPERATOR, "holds", "place", "--user", "user-1", "--reason", "a court", "--review-at", "2099-01-01", "--yes")
    by(service, OFFICER, "holds", "lift", json.loads(by(service, OFFICER, "holds", "list", "--json"))["id"], "--reason", "over", "--yes")
    pack = Pack(service, tmp_path, "--user", "user-1", token=OPERATOR)
    assert pack.holds()
    assert {name.partition("/")[0] for name in pack.names if "/" in name} == {"1-idngo", "2-ifcgate", "user"}
    assert {one["reference"] for one in pack.list("1-idngo/history.json")} == {who}
    assert {one["reference"] for one in pack.list("2-ifcgate/history.json")} == {case}
    assert [one["action"] for one in pack.list("user/acts.json")] == ["place a hold", "lift a hold"]
    for folder in ("1-idngo", "2-ifcgate"):
        placed, lifted = pack.list(f"{folder}/holds.json")
        assert (placed["reason"], lifted["lift_reason"]) == ("a court", "over")
    [act] = acts(service, "--action", "evidence pack")
    assert act["subject"] == "user user-1"


def test_restricted_and_unknown_applicants_are_refused_as_where_they_are_shown(service: Service, tmp_path: Path) -> None:
    who = approved(service)
    restricted(service, vendor="idngo", reference=who)
    for name in (who, payloads.new_applicant()):
        service.environment["STANDING_TOKEN"] = OPERATOR
        shown = service.standing("applicants", "show", "idngo", name)
        refused = service.standing("evidence", "idngo", name, "-o", str(tmp_path / "pack.zip"))
        assert (refused.returncode, refused.stderr) == (shown.returncode, shown.stderr)
    assert (list(tmp_path.glob("pack*")), acts(service, "--action", "evidence pack")) == ([], [])
    assert Pack(service, tmp_path, "idngo", who, "--reason", "a court asks", token=OFFICER).holds()


def test_what_is_not_logged_yet_is_left_out_and_named(service: Service, tmp_path: Path) -> None:
    who = approved(service)
    assert Pack(service, tmp_path / "a", "idngo", who).holds()
    end(service.processes[-1])
    by(service, OPERATOR, "holds", "place", "idngo", who, "--reason", "a court", "--review-at", "2099-01-01", "--yes")
    pack = Pack(service, tmp_path / "b", "idngo", who, status=1)
    assert pack.holds()
    assert "2 rows left out" in pack.done.stderr
    left_out = pack.text("README.txt").partition("LEFT OUT\n\n")[2].splitlines()
    assert [re.sub("-[0-9a-f-]{36}|-[0-9]+:", ":", line).replace("::", ":") for line in left_out] == [
        "1-idngo: act: not logged and signed yet", "1-idngo: hold: not logged and signed yet"
    ]  # fmt: skip
    assert "holds.json" not in pack.names
