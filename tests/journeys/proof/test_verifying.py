"""`standing log verify`, on a service that runs: nothing is wrong while it works, and whatever is altered in its database is named."""

from __future__ import annotations

import json

from sqlalchemy import create_engine, text

from tests.support import payloads
from tests.support.service import Service, eventually


def approved(service: Service) -> tuple[str, str]:
    """An applicant who is approved; gives the reference, and the id of the event."""
    who = payloads.new_applicant()
    return who, service.told("idngo", payloads.idngo(who, answer="GREEN"))["id"]


def change(service: Service, statement: str, **values: object) -> None:
    """Change the database behind the service's back."""
    engine = create_engine(service.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


def count(service: Service, query: str) -> int:
    engine = create_engine(service.environment["DATABASE_URL"])
    with engine.begin() as connection:
        found = int(connection.execute(text(query)).scalar_one())
    engine.dispose()
    return found


def test_what_is_altered_behind_the_services_back_is_named(service: Service) -> None:
    who, event_id = approved(service)
    others = [approved(service)[0] for _ in range(3)]
    logged = "SELECT count(*) FROM log_leaves WHERE kind = 'change'"
    eventually(lambda: count(service, logged) == 4 and count(service, "SELECT count(*) FROM log_checkpoints") > 0, "the log to be signed")

    found = service.standing("log", "verify")
    assert (found.returncode, found.stdout) == (0, ""), found.stdout + found.stderr
    assert "and 4 applicants: 0 faults." in found.stderr

    change(service, "UPDATE applicants SET status = 'rejected' WHERE reference = :who", who=who)
    change(service, "UPDATE applicants SET registers = '{}' WHERE reference = :who", who=others[0])
    change(service, "UPDATE transitions SET to_status = 'rejected' WHERE reference = :who", who=others[1])
    change(service, "DELETE FROM body_keys WHERE event_id = (SELECT id FROM events WHERE reference = :who)", who=others[2])
    change(service, "UPDATE acts SET actor = 'nobody'")
    found = service.standing("log", "verify", "--json")
    assert found.returncode == 1
    named = {(fault["kind"], fault["id"]) for fault in map(json.loads, found.stdout.splitlines())}
    assert {("applicant", f"idngo live {who}"), ("applicant", f"idngo live {others[0]}")} <= named
    assert {"event", "change"} <= {kind for kind, _ in named}
    assert ("event", event_id) not in named
    assert count(service, "SELECT faults FROM log_state") == len(found.stdout.splitlines())
