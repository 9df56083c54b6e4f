"""The canary: somebody whose every field carries a mark goes through every path there is, and is erased. The mark is to be found nowhere.

Searched are every row of the database (and a dump of it), every file, the log, and problems: plain, as base64, as JSON escapes it, as hex,
and as SHA-256."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from receiver.simulator.vendor_server import Vendors
from tests.conftest import KEY
from tests.journeys.operation.marks import MARK, found_in, mark, marked
from tests.support import payloads
from tests.support.downstream import Downstream, Message, Reply
from tests.support.outages import databases
from tests.support.payloads import after
from tests.support.privacy import calls
from tests.support.service import Answer, Service, eventually
from tests.support.vendors import played, starts
from tests.support.vendors.asking import CREDENTIALS, LATER

READER, LINKER, OPERATOR = "read-me-if-you-may", "link-me-if-you-may", "operate-me-if-you-may"


@dataclass
class Watched:
    """A service, and where it keeps what."""

    service: Service
    folder: Path
    faults: Path
    vendors: Vendors

    @property
    def is_sqlite(self) -> bool:
        return self.service.environment["DATABASE_URL"].startswith("sqlite")

    def run(self, *command: str, token: str | None = None, fails: bool = False) -> str:
        """What a command prints. It must succeed, unless it fails on purpose."""
        if token:
            self.service.environment["STANDING_TOKEN"] = token
        done = self.service.standing(*command)
        self.service.environment.pop("STANDING_TOKEN", None)
        assert fails or done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout


def refusing(message: Message) -> Reply:
    """The answer of an endpoint that repeats what it refuses."""
    return Reply(422, body=mark("comment").encode() if MARK.encode() in message.body else b"no")


@pytest.fixture
def watched(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Watched]:
    (faults := tmp_path / "faults").mkdir()
    with ExitStack() as outside:
        vendors = outside.enter_context(played.playing(CREDENTIALS))
        endpoint = outside.enter_context(Downstream(refusing))
        settings = {
            "DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "FAULTS_DIR": str(faults),
            "SPOOL_DIR": str(tmp_path / "spool"), "ATTEMPTS_MAX": "1", "REACTION_ATTEMPTS_MAX": "1", "ERASURE_NOTICE_DAYS": "0",
            "NOTIFY_URLS": endpoint.url(), "NOTIFY_SECRETS": f"whsec_{base64.b64encode(b'a secret for our downstream').decode()}",
            "NOTIFY_ON": "all", "NOTIFY_PRIVATE_HOSTS": "127.0.0.1", "NOTIFY_PLAIN_HTTP": "yes", "KEEP_EXPIRY": "yes", "AUDIT_READS": "yes",
            "OPERATOR_TOKENS": f"night={OPERATOR},day=confirm-me-if-you-may",
        }  # fmt: skip
        with Service(tmp_path, settings | CREDENTIALS | vendors.settings()) as service:
            eventually(lambda: service.get("/readyz").json["workers"], "the worker to be up")
            # An endpoint is told of what changes once it is known.
            eventually(lambda: any("127.0.0.1" in name for name in service.subscribers()), "the endpoint to be known")
            yield Watched(service, tmp_path, faults, vendors)


# everything that can be said of somebody ----------------------------------------------------------------------


def verdicts(name: Callable[[str], str], service: Service) -> None:
    """Deliveries of all vendors that name somebody in every field."""
    person = {"externalUserId": name("user"), "levelName": name("level"), "note": name("name")}
    service.told("idngo", payloads.idngo(name("idngo"), answer="GREEN") | person)
    refusal = payloads.idngo(name("idngo"), answer="RED", reject="FINAL", labels=["SANCTIONS", name("label")], at=after(minutes=1))
    refusal["reviewResult"] |= {"moderationComment": name("comment"), "clientComment": name("comment")}
    service.told("idngo", refusal | person)
    service.told("ifcgate", payloads.ifcgate(name("case"), "approved", workflow=name("workflow"), note=name("name")))
    data = {"docFirstName": name("name"), "docNumber": name("document"), "docExpiry": "2031-01-01"}
    for overall in ("APPROVED", "SUSPECTED"):
        result = payloads.idenfy(name("scan"), overall, tags=[name("tag")] if overall == "SUSPECTED" else [])
        service.told("idenfy", result | {"clientId": name("user"), "data": data})
    service.told("idenfy", payloads.idenfy_document(name("scan")) | {"clientId": name("user")}, event_type="DOCUMENT_EXPIRATION")


def somebody_else(field: str) -> str:
    return f"somebodyelse{field}"


def shared(service: Service, mine: str, other: str) -> None:
    """Bodies that name both: an alert, then its repetition, and one that names nobody as far as we read it."""
    alert = payloads.idenfy_monitoring([mine, other], "ALERT", monitoring="shared-1") | {"name": mark("name")}
    other_alert = payloads.idenfy_monitoring([other], "CLEAR", monitoring="shared-1")
    for body in (alert, other_alert, alert):
        service.told("idenfy", body, event_type="AML_MONITORING")
    service.told("idenfy", payloads.idenfy_monitoring([mine], "ALERT", monitoring=mark("monitoring")), event_type="AML_MONITORING")
    service.told("idenfy", alert, event_type="AML_MONITORING_EXPIRATION")


def broken(watched: Watched, *, unhandled: str) -> None:
    """Bodies that are refused, cannot be read, cannot be handled and end as `unhandled`, or come while the database takes none."""
    service, person = watched.service, {"externalUserId": mark("user"), "note": mark("broken")}
    assert service.deliver("idngo", payloads.idngo(mark("idngo"), answer="GREEN"), secret="not theirs").status == 401
    service.kept("idngo", f'{{"applicantId": "{mark("idngo")}", "type": '.encode())
    service.told("idngo", {"applicantId": mark("idngo"), "name": mark("name"), "reviewResult": 7})
    poison = json.dumps(payloads.idngo(mark("idngo"), answer="GREEN", at=after(hours=1)) | person).encode()
    (watched.faults / f"interpret.{hashlib.sha256(poison).hexdigest()}").write_text("raise")
    assert service.told("idngo", poison)["status"] == unhandled
    (watched.faults / f"interpret.{hashlib.sha256(poison).hexdigest()}").unlink()
    with databases.unwritable(service.environment["DATABASE_URL"]):
        kept = service.deliver("idngo", payloads.idngo(mark("idngo"), "applicantPending", at=after(hours=2)) | person)
        assert (watched.folder / "spool" / "appended").exists()
    service.settled(kept.json["event_id"])


def refused(watched: Watched, erasure_id: str) -> set[int]:
    """The statuses of calls about somebody who is restricted or erased. No answer has a mark, nor has what is logged of it."""
    service, statuses = watched.service, set()

    def send(path: str, *, method: str = "GET", token: str = READER, ask: Callable[..., Answer] = calls.send, **body: Any) -> None:
        answer = ask(service, path, token=token, method=method, **body)
        assert answer.headers["content-type"] == "application/problem+json", (path, answer)
        assert found_in(repr(answer).encode() + answer.body) == [], path
        assert found_in(service.log.read_bytes()) == [], path
        statuses.add(answer.status)

    applicant, user = f"/v1/applicants/idngo/{mark('idngo')}", mark("user")
    for path in (applicant, f"{applicant}/history", f"{applicant}/explanation", f"/v1/users/{user}", f"/v1/events/{user}", f"/{user}"):
        send(path)
    for query in (f"external_user_id={user}&nonsense={user}", f"cursor={user}", f"{user}=1"):
        send(f"/v1/applicants?{query}")
    send(f"{applicant}/decisions", method="POST", token=OPERATOR, decision="approve", reason=mark("comment"))
    send(f"/v1/links/ifcgate/{mark('case')}", method="PUT", token=LINKER, external_user_id=mark("tag"))
    send(f"/v1/users/{mark('tag')}/access-exports", method="POST", token=calls.OFFICER, reason=mark("comment"))
    for token in (user, READER, OPERATOR):
        send("/v1/erasures", method="POST", token=token, external_user_id=user, vendor=mark("label"), reason=mark("comment"))
    with databases.unwritable(service.environment["DATABASE_URL"]):
        send(f"/v1/erasures/{erasure_id}/approve", method="POST", token=calls.DEPUTY, reason=mark("comment"), ask=calls.send_once)
    eventually(lambda: all(service.get("/v1/events").status == 200 for _ in range(20)), "every process to reach the database")
    return statuses


def said_by_people(watched: Watched) -> None:
    """What people say: links, decisions, imports, reviews, questions, replays, and files that they make."""
    service, case = watched.service, mark("case")
    body = json.dumps({"external_user_id": mark("user")}).encode()
    assert service.request("PUT", f"/v1/links/ifcgate/{case}", body, token=LINKER).status in (200, 201)
    decision = json.dumps({"decision": "reject", "reason": f"{mark('comment')} about {mark('idngo')}"}).encode()
    service.request("POST", f"/v1/applicants/idngo/{mark('idngo')}/decisions", decision, token=OPERATOR)
    known = watched.folder / "known.csv"
    known.write_text(
        "vendor,reference,status,at,source,external_user_id\n"
        f"idngo,{mark('import')},approved,2025-01-02T03:04:05Z,old-crm,{mark('user')}\n",
    )
    watched.run("import", str(known), "--yes")
    played.play(watched.vendors, f"idngo/{mark('idngo')}", {"status": "RED:FINAL", "at": LATER})
    watched.run("reconcile", "idngo", mark("idngo"), "--repair", "--yes", "--reason", f"a call about {mark('idngo')}", fails=True)
    watched.run("review", "claim", f"idenfy/{mark('scan')}", "--yes", fails=True)
    watched.run("applicants", "explain", "idngo", mark("idngo"))
    watched.run("applicants", "show", "--user", mark("user"))
    looked_for(watched)
    event_id = json.loads(watched.run("events", "list", "--reference", mark("idngo"), "--json").splitlines()[0])["id"]
    watched.run("events", "show", event_id, "--body", "--reveal", "--reason", f"for {mark('user')}", fails=True)
    service.get(f"/v1/applicants/idngo/{mark('idngo')}/explanation")
    service.get("/v1/applicants", external_user_id=mark("user"), nonsense=mark("user"))
    watched.run("replay", "--reference", mark("idngo"), "--yes", "--reason", f"for {mark('idngo')}", fails=True)
    watched.run("rebuild", "--check", fails=True)


def started_here(watched: Watched) -> None:
    """Verifications that are started: one at each vendor, one that is refused, and one that is never sent."""
    person = {"middle_name": MARK, "address": mark("comment"), "document_number": mark("document"), "email": f"{mark('tag')}@example.com"}
    files = [{"type": "PASSPORT", "url": f"https://files.example.com/{mark('document')}"}]
    vendors: list[tuple[str, dict[str, Any]]] = [
        ("idngo", {"mode": "hosted", "level": mark("level")}),
        ("idenfy", {"mode": "hosted", "options": {"external_ref": mark("tag")}}),
        ("ifcgate", {"mode": "documents", "workflow": mark("workflow"), "documents": files}),
    ]
    for vendor, wanted in vendors:
        key = f"{mark('user')} {vendor}"
        body = wanted | {"vendor": vendor, "external_user_id": mark("user"), "person": person}
        answer = starts.start(watched.service, body, token=OPERATOR, key=key)
        assert answer.status == 202, answer.body
        there = {"idngo": "linked", "idenfy": "linked", "ifcgate": "submitted"}[vendor]
        starts.until(watched.service, answer.json["id"], there, token=OPERATOR)
        assert starts.start(watched.service, body | {"reason": mark("comment")}, token=OPERATOR, key=key).status == 422
        assert starts.start(watched.service, body, token=OPERATOR).status == 409
    played.play(watched.vendors, "ifcgate", {"fault": "402", "times": 1})
    again = vendors[2][1] | {"vendor": "ifcgate", "external_user_id": mark("user"), "force": True, "reason": mark("comment")}
    starts.until(watched.service, starts.start(watched.service, again, token=OPERATOR).json["id"], "failed", token=OPERATOR)
    watched.run("start", "list", "--user", mark("user"))
    watched.service.request("GET", f"/v1/verifications?external_user_id={mark('user')}", token=OPERATOR)


def looked_for(watched: Watched) -> None:
    """Lists that people narrow to somebody. AUDIT_READS has look-ups recorded."""
    watched.service.get("/v1/applicants", external_user_id=mark("user"))
    watched.service.get("/v1/events", reference=mark("idngo"))
    watched.run("applicants", "list", "--user", mark("user"))
    watched.run("events", "list", "--reference", mark("idngo"))


def files_of_the_operator(watched: Watched) -> list[Path]:
    """Files that somebody made, whom they belong to."""
    export, backup = watched.folder / "export.jsonl", watched.folder / "backup.sqlite3"
    watched.run("export", "applicants", "-o", str(export))
    if watched.is_sqlite:
        watched.run("backup", str(backup))
    return [export, backup, watched.folder / "known.csv"]


def others(watched: Watched) -> list[Any]:
    """What is shown of somebody else, field by field."""
    service = watched.service
    keys = [("idngo", somebody_else("idngo")), ("ifcgate", somebody_else("case")), ("idenfy", somebody_else("scan"))]
    return [
        (service.applicant(*key), service.history(*key), service.get(f"/v1/applicants/{'/'.join(key)}/explanation").json) for key in keys
    ]


# the test -----------------------------------------------------------------------------------------------------


def test_whose_every_field_is_marked_leaves_no_mark_anywhere(watched: Watched) -> None:
    service = watched.service
    for name in (somebody_else, mark):
        verdicts(name, service)
    shared(service, mark("scan"), somebody_else("scan"))
    eventually(lambda: service.get("/v1/reactions", status="failed").json["data"], "the endpoint to have refused")
    broken(watched, unhandled="failed")
    said_by_people(watched)
    started_here(watched)
    eventually(lambda: not service.get("/v1/events", status="pending").json["data"], "everything to be handled")
    theirs, before = files_of_the_operator(watched), others(watched)
    assert {place for place, _ in marked(service, [])} >= {"applicants.registers", "mentions.said", "acts.reason", "reactions.answers"}

    erasure_id = calls.restricted(service, external_user_id=mark("user"))
    assert refused(watched, erasure_id) == {400, 401, 403, 404, 503}
    calls.until_done(service, calls.approve(service, erasure_id))
    calls.erased(service, vendor="idngo", reference=mark("import"))
    assert marked(service, theirs) == set()
    assert others(watched) == before

    verdicts(mark, service)
    shared(service, mark("scan"), somebody_else("scan"))
    broken(watched, unhandled="ignored")
    assert refused(watched, erasure_id) == {400, 401, 403, 404, 410, 503}
    looked_for(watched)
    eventually(lambda: not service.get("/v1/events", status="pending").json["data"], "what came later to be handled")
    assert marked(service, theirs) == set()
    rebuilt = service.standing("rebuild", "--check")
    assert rebuilt.returncode == 0, rebuilt.stdout
