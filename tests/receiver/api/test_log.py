"""What an auditor is given over HTTP: checkpoints, proofs, consistency, leaves and keys, verified by the program that auditors run."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, update
from sqlalchemy.pool import NullPool

from store.database.operations_tables import Act
from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR, READER
from tests.support import payloads
from tests.support.privacy.calls import OFFICER, erased, requested, restricted
from tests.support.proof import auditor
from tests.support.proof.auditor import content, opening
from tests.support.service import LOG_ORIGIN, Answer, Service, eventually

NO_ID = "01a1fbd7-3d85-709d-910b-a2b8e8a84b6e"


def settings(database_url: str, redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}


def approved(service: Service) -> tuple[str, dict[str, Any]]:
    """An applicant that is approved, and the event that said so."""
    who = payloads.new_applicant()
    return who, service.told("idngo", payloads.idngo(who, answer="GREEN"))


def proof(service: Service, *, token: str = READER, **named: object) -> Answer:
    """The answer with a proof, once what it is about is logged."""

    def look() -> Answer | None:
        answer = service.get("/v1/log/proof", token=token, **named)
        is_late = answer.status == 404 and "retry-after" in answer.headers
        return None if is_late else answer

    return eventually(look, f"the proof of {named}")


def proved(service: Service, *, token: str = READER, **named: object) -> str:
    answer = proof(service, token=token, **named)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8"), answer.body
    return answer.body.decode()


def text(service: Service, path: str, **query: object) -> str:
    answer = service.get(path, **query)
    assert answer.status == 200, answer.body
    return answer.body.decode()


def verified(service: Service, folder: Path, **files: str) -> tuple[int, str]:
    """What the auditor's program says of files, with the keys that the service gives."""
    return auditor.verified(folder, text(service, "/v1/log/keys").split(), files)


def recorded(service: Service) -> list[dict[str, Any]]:
    acts: list[dict[str, Any]] = service.get("/v1/audit", token=OPERATOR, order="newest", limit=20).json["data"]
    return acts


def test_what_the_log_gives_is_verified_offline(running: Service, tmp_path: Path) -> None:
    who, event = approved(running)
    proved(running, event=event["id"])
    old = text(running, "/v1/log/checkpoint")
    [change] = running.history("idngo", who)
    assert running.request("POST", f"/v1/events/{event['id']}/replay", token=OPERATOR).status == 202
    act = next(one for one in recorded(running) if one["action"] == "replay")
    files = {
        "old": old,
        "event": proved(running, event=event["id"]),
        "change": proved(running, change=change["number"]),
        "act": proved(running, act=act["id"], token=OPERATOR),
        "new": text(running, "/v1/log/checkpoint"),
    }
    sizes = {name: files[name].splitlines()[1] for name in ("old", "new")}
    grown = running.get("/v1/log/consistency", **{"from": sizes["old"]})
    status, said = verified(running, tmp_path, **files, grown=grown.body.decode())
    assert status == 0, said
    assert files["new"].splitlines()[0] == f"{LOG_ORIGIN}/1"
    assert text(running, "/v1/log/checkpoint", origin=f"{LOG_ORIGIN}/1").splitlines()[0] == f"{LOG_ORIGIN}/1"
    assert content(files["change"])["applicant"]["status"] == "approved"


def test_the_whole_tree_is_recomputed_from_the_leaves(running: Service, tmp_path: Path) -> None:
    _, event = approved(running)
    proved(running, event=event["id"])
    leaves: list[dict[str, Any]] = []
    while True:
        checkpoint = text(running, "/v1/log/checkpoint")
        page = running.get("/v1/log/entries", start=len(leaves), limit=7).json
        leaves += page["data"]
        assert page["next_cursor"] == (str(len(leaves)) if page["has_more"] else None)
        if not page["has_more"] and len(leaves) == int(checkpoint.splitlines()[1]):
            break
    assert [leaf["number"] for leaf in leaves] == list(range(len(leaves)))
    lines = "".join("{version} {kind} {at} {commitment}\n".format(**leaf) for leaf in leaves)
    status, said = verified(running, tmp_path, export=f"standing-log@v1\n{lines}\n{checkpoint}", checkpoint=checkpoint)
    assert status == 0, said


def test_the_state_of_the_log_says_how_far_it_is_signed(running: Service) -> None:
    _, event = approved(running)
    proved(running, event=event["id"])
    state = running.get("/v1/log").json
    assert (state["origin"], state["stopped_because"], state["stopped_for_good"]) == (f"{LOG_ORIGIN}/1", None, False)
    assert 0 < state["signed_size"] <= state["size"]
    assert state["signed_at"]
    assert state["publications"] == []


def test_the_state_of_the_log_says_where_it_was_published(database_url: str, redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with Service(tmp_path, settings(database_url, redis_url) | {"LOG_PUBLISH": str(tmp_path / "elsewhere")}) as service:
        eventually(lambda: service.get("/v1/log").json["publications"][0]["published_at"], "a checkpoint to be published")
        [place] = service.get("/v1/log").json["publications"]
        assert (place["place"], place["epoch"], place["error"]) == (str(tmp_path / "elsewhere"), 1, None)
        found = [line for line in service.get("/v1/log").json["findings"] if line["about"] == "checkpoints"]
        assert [(line["verdict"], line["look"]) for line in found] == [("ok", "")]
        assert found[0]["says"].startswith(f"{tmp_path / 'elsewhere'} got one ")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({}, 400), ({"event": NO_ID, "act": 1}, 400), ({"event": NO_ID}, 404), ({"event": "x"}, 404), ({"change": "x"}, 400),
        ({"change": "9f86d081.1"}, 400), ({"change": "latest"}, 400), ({"change": "99999999"}, 404), ({"leaf": "99999999"}, 404),
        ({"leaf": "-1"}, 404), ({"event": NO_ID, "body": "perhaps"}, 400), ({"event": NO_ID, "reason": " "}, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_proved_is_a_problem(running: Service, query: dict[str, object], status: int) -> None:
    answer = running.get("/v1/log/proof", **query)
    assert (answer.status, "retry-after" in answer.headers) == (status, False), answer.body
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("size", "status"), [("0", 200), ("1", 200), ("99999999", 409), ("-1", 400), ("x", 400), ("", 400)])
def test_consistency_is_shown_from_every_size_up_to_that_which_is_signed(running: Service, size: str, status: int) -> None:
    _, event = approved(running)
    proved(running, event=event["id"])
    answer = running.get("/v1/log/consistency", **{"from": size})
    assert answer.status == status, answer.body
    assert status != 200 or answer.body.decode().startswith(f"old {size}\n")


def test_a_checkpoint_of_an_unknown_origin_is_not_found(running: Service) -> None:
    assert running.get("/v1/log/checkpoint", origin="elsewhere/1").status == 404


@pytest.mark.parametrize("path", ["", "/checkpoint", "/proof?event=x", "/consistency?from=1", "/entries", "/keys"])
def test_each_call_needs_a_token(running: Service, path: str) -> None:
    assert running.request("GET", f"/v1/log{path}").status == 401


def test_a_row_is_proved_to_those_who_may_see_it(running: Service, tmp_path: Path) -> None:
    who, event = approved(running)
    erasure = requested(running, vendor="idngo", reference=who)
    act = next(one["id"] for one in recorded(running) if who in one["subject"])
    allowed = {"event": {READER, OPERATOR, OFFICER}, "act": {OPERATOR}, "erasure": {OFFICER}}
    for name, value in {"event": event["id"], "act": act, "erasure": erasure}.items():
        for token in (READER, OPERATOR, OFFICER):
            assert proof(running, token=token, **{name: value}).status == (200 if token in allowed[name] else 403), (name, token)
    shown = proved(running, token=OFFICER, erasure=erasure)
    assert content(shown)["reference"] == who
    leaf = shown.splitlines()[2].removeprefix("index ")
    assert [proof(running, token=token, leaf=leaf).status for token in (READER, OFFICER)] == [403, 200]
    assert verified(running, tmp_path, erasure=shown)[0] == 0


def test_the_body_of_an_event_is_shown_to_privacy_officers_and_that_is_recorded(running: Service, tmp_path: Path) -> None:
    who, event = approved(running)
    plain, bare = proved(running, event=event["id"]), proved(running, token=OFFICER, event=event["id"], body="false")
    assert set(opening(plain)) == set(opening(bare)) == {"leaf", "salt", "content"}
    subject = f"event {event['id']}"
    assert [act for act in recorded(running) if act["subject"] == subject] == []
    assert proof(running, token=OPERATOR, event=event["id"], body="true").status == 403
    whole = proved(running, token=OFFICER, event=event["id"], reason="the auditor asks")
    assert json.loads(base64.b64decode(opening(whole)["body"]))["applicantId"] == who
    assert verified(running, tmp_path, plain=plain, whole=whole)[0] == 0
    found = [(act["actor"], act["action"], act["reason"]) for act in recorded(running) if act["subject"] == subject]
    assert found[0] == ("officer", "read a body", "the auditor asks")
    assert found[1][:2] == ("night", "refused")


def test_a_proof_without_a_body_waits_for_no_other_writer(running: Service) -> None:
    who, event = approved(running)
    [change] = running.history("idngo", who)
    leaf = proved(running, event=event["id"]).splitlines()[2].removeprefix("index ")
    wanted: list[dict[str, object]] = [{"change": change["number"]}]
    wanted += [{"event": event["id"], "body": "false"}, {"leaf": leaf, "body": "false"}]
    for named in wanted:
        proved(running, token=OFFICER, **named)
    engine = create_engine(running.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.connect() as other:
        other.exec_driver_sql("LOCK TABLE acts IN EXCLUSIVE MODE" if engine.name == "postgresql" else "BEGIN IMMEDIATE")
        for named in wanted:
            assert running.get("/v1/log/proof", token=OFFICER, **named).status == 200
        other.rollback()


def test_a_plain_proof_is_recorded_where_reads_are(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with Service(tmp_path, settings(database_url, redis_url) | {"AUDIT_READS": "yes"}) as service:
        who, event = approved(service)
        proved(service, event=event["id"])
        [change] = service.history("idngo", who)
        proved(service, change=change["number"])
        looked = [act["subject"] for act in recorded(service) if act["action"] == "look up"]
        assert looked[0] == f"idngo live {who}"
        assert f"event {event['id']}" in looked


def test_an_erased_event_is_proved_and_its_body_is_gone(running: Service, tmp_path: Path) -> None:
    who, event = approved(running)
    before = proved(running, event=event["id"])
    erased(running, vendor="idngo", reference=who)

    def left() -> str | None:
        found = proved(running, token=OFFICER, event=event["id"])
        return None if found.splitlines()[2] == before.splitlines()[2] else found

    now = eventually(left, "what is left of the event to be logged")
    assert content(now)["body"] is None
    assert proof(running, token=OFFICER, event=event["id"], body="true").status == 410
    then = proved(running, leaf=before.splitlines()[2].removeprefix("index "))
    assert verified(running, tmp_path, before=before, now=now, then=then)[0] == 0


def test_what_concerns_a_restricted_applicant_is_proved_to_privacy_officers(running: Service) -> None:
    who, event = approved(running)
    [change] = running.history("idngo", who)
    proved(running, event=event["id"])
    restricted(running, vendor="idngo", reference=who)
    for named in ({"event": event["id"]}, {"change": change["number"]}):
        answer = proof(running, **named)
        assert (answer.status, answer.json["type"]) == (403, "restricted")
        assert proof(running, token=OFFICER, **named).status == 200


def test_a_row_that_was_altered_is_not_proved(running: Service) -> None:
    _, event = approved(running)
    running.request("POST", f"/v1/events/{event['id']}/replay", token=OPERATOR)
    act = next(one["id"] for one in recorded(running) if one["action"] == "replay")
    proved(running, token=OPERATOR, act=act)
    engine = create_engine(running.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(update(Act).where(Act.id == act).values(actor="somebody else"))
    answer = proof(running, token=OPERATOR, act=act)
    assert answer.status == 409
    assert "not as it was logged" in answer.json["detail"]


def test_nothing_is_signed_without_a_worker(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with Service(tmp_path, settings(database_url, redis_url), worker=False) as service:
        event_id = service.kept("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        waits = service.get("/v1/log/proof", event=event_id)
        assert (waits.status, waits.headers["retry-after"]) == (404, "5")
        for path in ("checkpoint", "keys", "consistency?from=0"):
            assert service.get(f"/v1/log/{path}").status == 404
        assert service.get("/v1/log/entries").json == {"data": [], "next_cursor": None, "has_more": False}
        assert service.get("/v1/log").json["signed_size"] == 0
        service.start_worker()
        proved(service, event=event_id)
