"""Holds, relationships and retention over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conftest import KEY
from tests.support import payloads
from tests.support.privacy.calls import DEPUTY, OFFICER, OPERATOR, requested, send
from tests.support.service import Service, eventually

REVIEW = {"reason": "a lawsuit", "review_at": "2030-01-01T00:00:00Z"}


def holds(service: Service, **query: object) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = service.get("/v1/holds", token=OFFICER, **query).json["data"]
    return data


def test_a_hold_stops_an_erasure_until_another_person_lifts_it(service: Service) -> None:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN", externalUserId="user-1"))
    hold = send(service, "/v1/holds", token=OFFICER, external_user_id="user-1", **REVIEW)
    assert (hold.status, hold.json["lifted_at"], hold.json["environment"]) == (201, None, "live")
    seen = service.get(f"/v1/applicants/idngo/{who}", token=OFFICER).json
    assert (seen["held"], service.get("/v1/applicants", token=OFFICER).json["data"]) == (True, [seen])
    made = requested(service, vendor="idngo", reference=who)
    assert send(service, f"/v1/erasures/{made}/approve", reason="nothing keeps it").status == 409
    assert send(service, f"/v1/holds/{hold.json['id']}/lift", token=OFFICER, reason="it is over").status == 403
    assert [one["id"] for one in holds(service)] == [hold.json["id"]]
    lifted = send(service, f"/v1/holds/{hold.json['id']}/lift", token=DEPUTY, reason="it is over")
    assert (lifted.status, lifted.json["lifted_by"]) == (200, "deputy")
    assert send(service, f"/v1/holds/{hold.json['id']}/lift", token=DEPUTY, reason="it is over").status == 409
    assert (holds(service), len(holds(service, lifted=True)), holds(service, lifted=True, environment="sandbox")) == ([], 1, [])
    assert send(service, f"/v1/erasures/{made}/approve", reason="nothing keeps it").status == 202
    eventually(lambda: service.get(f"/v1/applicants/idngo/{who}").status == 410, "it to be erased", seconds=60)


def test_a_hold_is_lifted_without_a_reason_but_not_with_a_blank_one_nor_in_another_environment(service: Service) -> None:
    for body in (b"", b"{}"):
        made = send(service, "/v1/holds", token=OPERATOR, external_user_id="user-1", environment="sandbox", **REVIEW).json["id"]
        path = f"/v1/holds/{made}/lift"
        assert send(service, path, reason=" ").status == 400
        assert [send(service, f"{path}?environment=live").status, send(service, path, environment="live").status] == [404, 404]
        assert send(service, f"{path}?environment=sandbox", environment="live").status == 400
        lifted = service.request("POST", f"{path}?environment=sandbox", body, token=OFFICER)
        assert (lifted.status, lifted.json["lifted_by"], lifted.json["lift_reason"]) == (200, "officer", None)


def test_holds_page_to_their_end(service: Service) -> None:
    made = [send(service, "/v1/holds", token=OPERATOR, external_user_id=f"user-{number}", **REVIEW).json["id"] for number in range(3)]
    first = service.get("/v1/holds", token=OFFICER, limit=2).json
    rest = service.get("/v1/holds", token=OFFICER, limit=2, cursor=first["next_cursor"]).json
    assert ([one["id"] for one in first["data"] + rest["data"]], rest["has_more"]) == (made, False)
    assert service.get("/v1/holds", token=OFFICER, cursor="bm9uc2Vuc2U").status == 400


def test_holds_and_erasures_are_found_by_whom_they_name(service: Service) -> None:
    one, other = payloads.new_applicant(), payloads.new_applicant()
    whose = ({"external_user_id": "user-1"}, {"vendor": "idngo", "reference": one}, {"vendor": "idngo", "reference": other})
    placed = [send(service, "/v1/holds", token=OPERATOR, **named, **REVIEW).json["id"] for named in whose]
    wanted = [requested(service, **named) for named in whose]
    for named, hold, erasure in zip(whose, placed, wanted, strict=True):
        assert [row["id"] for row in holds(service, **named)] == [hold]
        assert [row["id"] for row in service.get("/v1/erasures", token=OFFICER, **named).json["data"]] == [erasure]
    assert [row["id"] for row in holds(service, vendor="idngo")] == placed[1:]
    assert service.get("/v1/erasures", token=OFFICER, reference=one, vendor="idenfy").json["data"] == []


def test_what_is_due_is_told_and_erased_never_more_than_allowed(database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "RETENTION": "approved:90d,sandbox:5y"}
    with Service(tmp_path, settings) as service:
        whose = [payloads.new_applicant() for _ in range(3)]
        for number, who in enumerate(whose):
            service.told("idngo", payloads.idngo(who, answer="GREEN", externalUserId=f"user-{number}"))
        kept = service.applicant("idngo", whose[0])["keep_until"]
        assert kept is not None
        path = "/v1/users/user-{}/relationship"
        for number in range(2):
            ended = send(service, path.format(number), method="PUT", ended_at="2020-02-29T00:00:00Z", basis="the account was closed")
            assert (ended.status, ended.json["said_by"]) == (200, "officer")
        assert [service.applicant("idngo", who)["keep_until"] for who in whose[:2]] == ["2020-05-29T00:00:00Z"] * 2
        assert send(service, path.format(2), method="PUT", ended_at=None, basis="it goes on").json["ended_at"] is None
        assert service.applicant("idngo", whose[2])["keep_until"] is None
        rules = service.get("/v1/retention", token=OFFICER).json["data"]
        assert [(one["rule"], one["period"], one["due"], one["oldest"]) for one in rules] == [
            ("approved", "90d", 2, "2020-05-29T00:00:00Z"),
            ("sandbox", "5y", 0, None),
        ]
        named = [(one["vendor"], one["environment"], one["reference"], one["external_user_id"]) for one in rules[0]["applicants"]]
        assert sorted(named) == sorted(("idngo", "live", who, f"user-{number}") for number, who in enumerate(whose[:2]))
        assert {one["since"] for one in rules[0]["applicants"]} == {"2020-05-29T00:00:00Z"}
        told = [service.get("/v1/retention", token=OFFICER, environment=one).json for one in ("live", "sandbox")]
        assert [(one["environment"], one["data"][0]["due"]) for one in told] == [("live", 2), ("sandbox", 0)]
        assert service.get("/v1/retention", token=OFFICER, environment="elsewhere").status == 400
        none = send(service, "/v1/retention/runs?environment=sandbox", reason="x", max=9)
        assert (none.status, none.json["environment"], none.json["applicants"]) == (202, "sandbox", 0)
        assert send(service, "/v1/retention/runs?environment=sandbox", reason="x", max=9, environment="live").status == 400
        ran = send(service, "/v1/retention/runs", reason="the yearly run", max=1)
        assert ran.json["environment"] is None
        assert (ran.status, ran.json["applicants"], len(ran.json["erasures"])) == (202, 1, 1)

        def statuses() -> list[int]:
            return [service.get(f"/v1/applicants/idngo/{who}").status for who in whose]

        eventually(lambda: 410 in statuses(), "one to be erased", seconds=60)
        assert (sorted(statuses()), statuses()[2]) == ([200, 200, 410], 200)
        assert send(service, "/v1/retention/runs", reason="the yearly run", max=0).status == 400


def test_the_relationship_that_was_recorded_last_is_told(running: Service) -> None:
    path = "/v1/users/somebody-who-left/relationship"
    assert running.get(path, token=OFFICER).status == 404
    send(running, path, method="PUT", ended_at=None, basis="it goes on")
    ended = send(running, path, method="PUT", ended_at="2026-01-31T00:00:00Z", basis="the account was closed")
    assert running.get(path, token=OFFICER).json == ended.json
    assert running.get(path, token=OFFICER, environment="sandbox").status == 404
    assert running.get(path).status == 403


def test_a_time_that_nobody_can_mean_is_refused(running: Service) -> None:
    path = "/v1/users/somebody-of-no-time/relationship"
    for ended_at in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "yesterday"):
        assert send(running, path, method="PUT", ended_at=ended_at, basis="x").status == 400, ended_at
    assert send(running, path, method="PUT", basis="x").status == 400
    two = send(running, f"{path}?environment=live", method="PUT", ended_at=None, basis="x", environment="sandbox")
    assert two.status == 400
    named = send(running, f"{path}?environment=sandbox", method="PUT", ended_at=None, basis="x")
    assert (named.status, named.json["environment"]) == (200, "sandbox")
