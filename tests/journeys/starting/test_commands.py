"""`standing start` and `standing ifcgate`, run against vendors that are played."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from receiver.simulator.vendor_server import Vendors
from tests.support.service import Service, eventually
from tests.support.vendors.played import play, seen

JPEG = b"\xff\xd8\xff\xe0 a picture of "


def run(service: Service, *command: str, fails: bool = False) -> str:
    done = service.standing(*command)
    assert (done.returncode != 0) == fails, (command, done.stdout, done.stderr)
    return done.stderr if fails else done.stdout


def shown(service: Service, *command: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(service, *command, "--json"))
    return found


def test_a_hosted_one_is_started_shown_listed_and_called_off(both: tuple[Service, Vendors]) -> None:
    service, _ = both
    user = uuid.uuid4().hex
    told = shown(service, "start", "hosted", "idenfy", user, "--yes")
    assert told["status"] == "linked"
    assert told["redirect_url"].startswith("http")
    assert shown(service, "start", "show", told["id"]) == told
    [listed] = [json.loads(line) for line in run(service, "start", "list", "--user", user, "--json").splitlines()]
    assert (listed["id"], "redirect_url" in listed) == (told["id"], False)
    assert "is open" in run(service, "start", "hosted", "idenfy", user, "--yes", fails=True)
    assert shown(service, "start", "cancel", told["id"], "--reason", "not wanted any more", "--yes")["status"] == "cancelled"
    assert "cannot be cancelled" in run(service, "start", "cancel", told["id"], "--yes", fails=True)


def test_documents_are_sent_from_files(both: tuple[Service, Vendors], tmp_path: Path) -> None:
    service, vendors = both
    for name in ("front", "back", "face"):
        (tmp_path / f"{name}.jpg").write_bytes(JPEG + name.encode())
    person = tmp_path / "person.json"
    person.write_text('{"first_name": "EXAMPLE", "last_name": "PERSON"}')
    images = [f"ID_CARD:FRONT:KZ={tmp_path}/front.jpg", f"ID_CARD:BACK:KZ={tmp_path}/back.jpg", f"SELFIE:KZ={tmp_path}/face.jpg"]
    options = [part for image in images for part in ("--document", image)]
    command = ("start", "documents", "idngo", uuid.uuid4().hex, "--level", "basic-kyc-level", "--person", str(person), *options)
    told = shown(service, *command, "--yes")
    assert told["status"] == "submitted"
    assert [(one["type"], one["side"]) for one in seen(vendors, "idngo")["uploads"]] == [
        ("ID_CARD", "FRONT_SIDE"), ("ID_CARD", "BACK_SIDE"), ("SELFIE", None),
    ]  # fmt: skip


def test_two_pages_of_a_document_are_two_images(both: tuple[Service, Vendors], tmp_path: Path) -> None:
    service, vendors = both
    play(vendors, "idngo", {"requires": ["PROOF_OF_RESIDENCE"]})
    options = []
    for page in ("first", "second"):
        (tmp_path / page).with_suffix(".jpg").write_bytes(JPEG + page.encode())
        options += ["--document", f"UTILITY_BILL:KZ={tmp_path}/{page}.jpg"]
    command = ("start", "documents", "idngo", uuid.uuid4().hex, "--level", "basic-kyc-level", *options)
    assert shown(service, *command, "--yes")["status"] == "submitted"
    assert len(seen(vendors, "idngo")["uploads"]) == 2


def test_images_that_cannot_be_sent_are_sent_by_a_later_command(both: tuple[Service, Vendors], tmp_path: Path) -> None:
    service, vendors = both
    (tmp_path / "front.jpg").write_bytes(JPEG)
    (tmp_path / "face.jpg").write_bytes(JPEG + b"!")
    options = ("--document", f"PASSPORT:NL={tmp_path}/front.jpg", "--document", f"SELFIE={tmp_path}/face.jpg")
    play(vendors, "idenfy", {"fault": "down", "times": 1})
    said = run(service, "start", "documents", "idenfy", uuid.uuid4().hex, *options, "--yes", fails=True)
    verification_id = said.partition("The verification is ")[2].partition(":")[0]
    assert shown(service, "start", "show", verification_id)["status"] == "waiting_for_documents"
    without_country = ("--document", f"PASSPORT={tmp_path}/front.jpg", *options[2:])
    assert "documents[0].country is missing" in run(service, "start", "send", verification_id, *without_country, "--yes", fails=True)
    assert shown(service, "start", "send", verification_id, *options, "--reason", "ticket 9", "--yes")["status"] == "submitted"
    acts = service.get("/v1/audit", token="operate-me-if-you-may", action="send images to idenfy", limit=500).json["data"]
    assert [act["reason"] for act in acts][-1] == "ticket 9"
    assert seen(vendors, "idenfy")["credits"] == 1


def test_what_is_wrong_is_said_before_anything_is_asked(both: tuple[Service, Vendors], tmp_path: Path) -> None:
    service, _ = both
    (tmp_path / "front.jpg").write_bytes(JPEG)
    only_front = ("--level", "a", "--document", f"ID_CARD:FRONT:KZ={tmp_path}/front.jpg")
    assert "BACK" in run(service, "start", "documents", "idngo", "somebody", *only_front, fails=True)
    assert "level" in run(service, "start", "hosted", "idngo", "somebody", fails=True)
    assert "no verification has this id" in run(service, "start", "show", str(uuid.uuid4()), fails=True)


def test_ifcgate_extracts_and_routes_and_the_acts_are_recorded(both: tuple[Service, Vendors]) -> None:
    service, vendors = both
    address = f"https://files.example.com/{uuid.uuid4().hex}"
    extract = ("ifcgate", "extract", "passport", address, "--reason", "ticket 7", "--yes")
    assert json.loads(run(service, *extract))["status"] == "processed"
    case = shown(service, "start", "documents", "ifcgate", "somebody", "--workflow", "w", "--document", f"PASSPORT={address}", "--yes")
    route = ("ifcgate", "route", case["reference"], "--queue", "manual", "--reason", "ticket 8", "--yes")
    assert json.loads(run(service, *route))
    play(vendors, "ifcgate", {"fault": "429", "times": 1, "retry_after": "7"})
    assert "--key" in run(service, *extract, fails=True)
    acts = {act["action"]: act for act in service.get("/v1/audit", token="operate-me-if-you-may", limit=500).json["data"]}
    assert acts["extract a document at ifcgate"]["reason"] == "ticket 7"
    assert acts["route a case at ifcgate"]["subject"] == f"ifcgate live {case['reference']}"
    assert address not in str(acts)
    eventually(lambda: service.get(f"/v1/applicants/ifcgate/{case['reference']}").status == 200, "the applicant to be known")
