"""A privacy officer's day on the command line: a request, its refusal, a hold, an erasure, its certificate, and a run of retention."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, update
from sqlalchemy.pool import NullPool

from store.database.tables import EventRow
from store.system import clock
from tests.support import payloads
from tests.support.service import Service

#: Tokens of two privacy officers, and of an operator.
OFFICER, DEPUTY, OPERATOR = "protect-me-if-you-may", "approve-me-if-you-may", "operate-me-if-you-may"
FAR = "2099-03-31"


@contextmanager
def acting(service: Service, token: str | None, **settings: str) -> Iterator[None]:
    """Whose token the commands are given."""
    before = dict(service.environment)
    service.environment |= settings | ({"STANDING_TOKEN": token} if token else {})
    try:
        yield
    finally:
        service.environment.clear()
        service.environment.update(before)


def told(service: Service, *words: str, token: str | None = OFFICER, **settings: str) -> Any:
    """What a command prints as JSON."""
    with acting(service, token, **settings):
        done = service.standing(*words, "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[0] if len(lines) == 1 else lines


def does(service: Service, *words: str, token: str | None = OFFICER, **settings: str) -> Any:
    """The same of a command that changes something."""
    return told(service, *words, "--yes", token=token, **settings)


def refused(service: Service, *words: str, token: str | None = OFFICER, **settings: str) -> str:
    """Why a command does nothing."""
    with acting(service, token, **settings):
        done = service.standing(*words, "--yes")
    assert done.returncode in (1, 2), done.stdout
    return done.stderr


def approved(service: Service, user: str | None = None) -> str:
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN") | ({"externalUserId": user} if user else {}))
    return who


def requested(service: Service, *subject: str, token: str | None = OPERATOR) -> str:
    made: str = does(service, "erasures", "request", *subject, "--reason", "they wrote", token=token)["id"]
    return made


def received_long_ago(service: Service, *references: str) -> None:
    engine = create_engine(service.environment["DATABASE_URL"], poolclass=NullPool)
    with engine.begin() as connection:
        mine = update(EventRow).where(EventRow.reference.in_(references))
        connection.execute(mine.values(received_at=clock.parse_date("2020-02-29")))


def test_a_request_is_approved_by_another_person_and_what_is_left_names_nobody(service: Service) -> None:
    who = approved(service, "user-1")
    made = requested(service, "--user", "user-1")
    assert requested(service, "--user", "user-1") == made
    assert "privacy officer" in refused(service, "erasures", "approve", made, "--reason", "x", token=OPERATOR)
    done = does(service, "erasures", "approve", made, "--reason", "nothing keeps it")
    assert (done["status"], done["applicants"], done["events"], done["external_user_id"]) == ("done", 1, 1, None)
    assert service.get(f"/v1/applicants/idngo/{who}").status == 410
    certificate = told(service, "erasures", "certificate", made)
    assert (certificate["decided_by"], certificate["backups"]["bodies_unreadable_by"]) == ("officer", "pending")
    assert who not in json.dumps([certificate, told(service, "erasures", "list"), told(service, "erasures", "show", made)])


def test_who_requested_it_cannot_approve_it_and_an_account_cannot_either(service: Service) -> None:
    who = approved(service)
    made = requested(service, "idngo", who, token=OFFICER)
    assert "another person" in refused(service, "erasures", "approve", made, "--reason", "x")
    assert "token" in refused(service, "erasures", "approve", made, "--reason", "x", token=None)
    assert "none of OPERATOR_TOKENS or PRIVACY_TOKENS" in refused(
        service, "erasures", "approve", made, "--reason", "x", token="nobodys-token-at-all"
    )
    assert "only spaces" in refused(service, "erasures", "approve", made, "--reason", " ", token=DEPUTY)
    assert service.get(f"/v1/applicants/idngo/{who}").status == 200


def test_what_is_kept_by_a_rule_is_refused_and_by_a_hold_not_even_erased_early(service: Service) -> None:
    who, rules = approved(service, "user-1"), {"RETENTION": "approved:5y"}
    made = requested(service, "idngo", who)
    assert "kept until" in refused(service, "erasures", "approve", made, "--reason", "x", **rules)
    hold = does(service, "holds", "place", "--user", "user-1", "--reason", "a court", "--review-at", FAR, token=OPERATOR)["id"]
    assert "hold" in refused(service, "erasures", "approve", made, "--reason", "x", "--early", "--basis", "law", **rules)
    assert told(service, "holds", "list")["id"] == hold
    assert "privacy officer" in refused(service, "holds", "lift", hold, "--reason", "x", token=OPERATOR)
    assert does(service, "holds", "lift", hold, "--reason", "it ended")["lifted_by"] == "officer"
    does(service, "relationship", "end", "user-1", "--at", "2026-02-28", "--basis", "they left", **rules)
    refusal = does(service, "erasures", "refuse", made, "--reason", "x", "--basis", "AMLR art. 77", "--restrict", **rules)
    assert (refusal["status"], refusal["until"], refusal["restrict"]) == ("refused", "2031-02-28T00:00:00Z", True)
    assert service.get(f"/v1/applicants/idngo/{who}").status == 403


def test_a_run_of_retention_erases_what_is_due_and_no_more_than_it_may(service: Service) -> None:
    old = [approved(service) for _ in range(3)]
    young, rules = approved(service), {"RETENTION": "approved:5y"}
    received_long_ago(service, *old)
    preview = told(service, "retention", "preview", **rules)
    assert sorted(one["reference"] for one in preview.pop("applicants")) == sorted(old)
    assert preview == {"rule": "approved", "period": "5y", "due": 3, "oldest": "2025-03-01T00:00:00Z"}
    assert "privacy officer" in refused(service, "retention", "run", "--max", "2", "--reason", "x", token=OPERATOR, **rules)
    ran = does(service, "retention", "run", "--max", "2", "--reason", "the yearly run", **rules)
    assert ran == {"erasures": 2, "applicants": 2, "events": 0, "acts": 0}
    assert told(service, "retention", "preview", **rules)["due"] == 1
    with acting(service, OFFICER, **rules):
        asked = service.standing("retention", "run")
        table = service.standing("retention", "preview").stdout
    assert ("All that is due, 1 applicant, event or act," in asked.stdout + asked.stderr, old[0] in table) == (True, False)
    does(service, "retention", "run", **rules)
    assert [service.get(f"/v1/applicants/idngo/{who}").status for who in (*old, young)] == [410, 410, 410, 200]


def test_what_the_contract_prints_without_a_reason_is_done_without_one(service: Service, tmp_path: Path) -> None:
    approved(service, "user-1")
    assert does(service, "relationship", "end", "user-1")["basis"] is None
    assert does(service, "relationship", "reopen", "user-1")["ended_at"] is None
    with acting(service, OFFICER):
        done = service.standing("access-export", "user-1", "-o", str(tmp_path / "file.json"))
    assert (done.returncode, json.loads((tmp_path / "file.json").read_text())["external_user_id"]) == (0, "user-1"), done.stderr
    made = requested(service, "--user", "user-1")
    refusal = does(service, "erasures", "refuse", made, "--reason", "x", "--until", FAR)
    assert (refusal["status"], refusal["basis"]) == ("refused", None)


@pytest.mark.parametrize(
    "subject", [[], ["idngo"], ["idngo", "reference-1", "--user", "user-1"], ["--user", "user-1", "--sandbox", "idngo"]]
)
def test_a_command_says_whom_it_is_about_in_one_way(running: Service, subject: list[str]) -> None:
    assert "name one applicant" in refused(running, "erasures", "request", *subject, "--reason", "x")


def test_a_privacy_officers_token_is_no_operators(running: Service) -> None:
    who = approved(running)
    assert "none of OPERATOR_TOKENS" in refused(running, "decide", "idngo", who, "reject", "--reason", "x")
    assert told(running, "applicants", "show", "idngo", who, AUDIT_READS="yes")
    assert told(running, "audit", "list", "--applicant", "idngo", who)["actor"] == "officer"
