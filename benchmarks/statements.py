"""Which statements the service sends to PostgreSQL, how often each, and of which classes they are. docs/scale.md explains the classes.

python -m benchmarks.statements [--all]       --all: list every statement, too; otherwise the classes alone

The statements are those of web, worker, commands and API while the simulator plays, verifications are started at played vendors, persons
decide, applicants are erased, RETENTION is applied, and the log is verified. PostgreSQL counts them (pg_stat_statements).
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, text

from benchmarks import stage
from receiver.simulator.played import access
from store.system.environment import Environment
from tests.journeys.vendors.test_simulate import SANDBOX
from tests.support import payloads
from tests.support.service import TOKENS, Service, end, eventually, free_port

#: What distinguishes a statement for another database: a name, and how its text shows it.
CLASSES = {
    "`INSERT … ON CONFLICT`": r"\bON CONFLICT\b",
    "`RETURNING`": r"\bRETURNING\b",
    "`FOR UPDATE SKIP LOCKED`": r"\bSKIP LOCKED\b",
    "`FOR UPDATE`, waiting": r"\bFOR (NO KEY )?UPDATE\b(?!.*SKIP LOCKED)",
    "`json_to_recordset`": r"\bjson_to_recordset\b",
    "`UPDATE … FROM`": r"^UPDATE\b.* FROM json_to_recordset",
    "advisory lock": r"\bpg_advisory",
    "transaction numbers (`pg_snapshot_…`)": r"\bpg_(current_)?snapshot",
    "the one row of the feed": r"^UPDATE feed\b",
    "the one row of the log": r"^(UPDATE|SELECT)\b.*\blog_state\b.*(FOR UPDATE|SET )",
    "lookup of repeats (`events AS earlier`)": r"\bevents AS earlier\b",
    "`SET`, `set_config`": r"^SET\b|\bset_config\b",
    "JSON operators": r"->>?|\bjson_(array|each|extract|typeof)|jsonb",
    "`LIKE`": r"\bLIKE\b",
    "window functions, `DISTINCT ON`, `LATERAL`, `WITH`": r"\bOVER \(|\bDISTINCT ON\b|\bLATERAL\b|^WITH\b",
    "join of two tables": r"\bJOIN\b",
    "cursor of the server": r"^(DECLARE|FETCH|CLOSE)\b",
    "`LOCK TABLE`, temporary table, `COPY`, `LISTEN`": r"^(LOCK|COPY|LISTEN|NOTIFY)\b|\bTEMP(ORARY)? TABLE",
    "DDL": r"^(CREATE|ALTER|DROP|TRUNCATE)\b",
    "the catalogue": r"\bpg_catalog\b|\binformation_schema\b|\bpg_settings\b|\bpg_stat",
}

#: Commands that only read, and need nothing but what is there.
READING = (
    "status", "doctor", "applicants list --limit 5", "audit list", "decisions list", "erasures list", "events list", "failed list",
    "holds list", "keys list", "notify list", "reactions list", "refusals", "replays list", "reversals --current", "retention preview",
    "secrets", "sessions list", "start list", "export review", "log keys", "rebuild --check", "export changes", "export applicants",
)  # fmt: skip

OPERATOR, OTHER_OPERATOR, OFFICER, DEPUTY = (
    token.split("=")[1] for name in ("OPERATOR_TOKENS", "PRIVACY_TOKENS") for token in TOKENS[name].split(",")
)


@contextmanager
def counted() -> Iterator[tuple[stage.Stage, Engine]]:
    """Yield servers and an empty database, whose statements PostgreSQL counts from now on."""
    with stage.stage() as made:
        made.cluster.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        made.cluster.restart()
        made.cluster.execute("CREATE EXTENSION pg_stat_statements")
        with made.empty_database() as engine:
            made.cluster.execute("SELECT pg_stat_statements_reset()")
            yield made, engine


def play(service: Service) -> None:
    """Have happen what may happen. Prints what was refused."""
    run(service, "simulate --rate 0 --count 100 --seed 7 --duplicates 0.3 --reordered 0.3")
    run(service, "simulate --whole --count 10")
    first, *others = [payloads.new_applicant() for _ in range(4)]
    for who in (first, *others):
        service.told("idngo", payloads.idngo(who, answer="GREEN"))
    event_id = service.told("idngo", payloads.idngo(first, answer="RED", reject="RETRY", at=payloads.after(minutes=1)))["id"]
    run(service, f"decide idngo {first} approve --reason known --yes", token=OPERATOR)
    run(service, f"decide idngo {others[2]} reject --reason fraud --yes", token=OPERATOR)
    run(service, f"replay {event_id} --reason tried --yes", token=OPERATOR)
    run(service, f"holds place idngo {others[0]} --reason court --review-at 2099-01-01 --yes", token=OPERATOR)
    run(service, f"relationship end {others[0]} --basis mail --yes", token=OFFICER)
    erase(service, others[1])
    run(service, "retention run --max 10 --reason due --yes", token=OFFICER)
    run(service, "keys rotate --yes")
    for name in (f"applicants show idngo {first}", f"applicants explain idngo {first}", f"events show {event_id}", *READING):
        run(service, name, token=OPERATOR)
    run(service, f"evidence idngo {first} --no-body -o {service.folder / 'evidence.zip'}", token=OFFICER)
    user = service.applicant("idngo", first)["external_user_id"]
    run(service, f"access-export {user} --reason asked -o {service.folder / 'export.json'}", token=OFFICER)
    ask_all(service, first, event_id)
    eventually(lambda: service.get("/v1/log/proof", event=event_id).status == 200, "the event to be logged", seconds=60)
    run(service, "log verify")


def erase(service: Service, reference: str) -> None:
    body = {"vendor": "idngo", "reference": reference, "reason": "asked"}
    made = service.request("POST", "/v1/erasures", json.dumps(body).encode(), token=OPERATOR).json["id"]
    approval = json.dumps({"reason": "nothing keeps it", "basis": "consent withdrawn", "early": True}).encode()
    service.request("POST", f"/v1/erasures/{made}/approve", approval, token=OFFICER)
    eventually(lambda: service.get(f"/v1/erasures/{made}", token=OFFICER).json["status"] == "done", "an erasure", seconds=60)


def ask_all(service: Service, reference: str, event_id: str) -> None:
    """Call every GET of the API that the description lists."""
    for path, calls in service.get("/openapi.json", token=None).json["paths"].items():
        names = {"vendor": "idngo", "reference": reference, "event_id": event_id, "external_user_id": "unknown"}
        filled = re.sub(r"{(\w+)}", lambda found, names=names: names.get(found[1], event_id), path)  # type: ignore[misc]
        if "get" in calls and not path.endswith("/stream"):
            service.get(filled, token=OPERATOR if service.get(filled, token=OPERATOR).status != 403 else OFFICER)


def run(service: Service, words: str, *, token: str | None = None) -> None:
    service.environment |= {"STANDING_TOKEN": token} if token else {}
    done = service.standing(*words.split())
    service.environment.pop("STANDING_TOKEN", None)
    if done.returncode:
        print(f"standing {words}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)


def read(made: stage.Stage, engine: Engine) -> Counter[str]:
    """Return how often each statement came. Lists of any length are one statement."""
    query = text("SELECT query, calls FROM pg_stat_statements JOIN pg_database ON oid = dbid WHERE datname = :name")
    with stage.connect(made.cluster.url).connect() as connection:
        found = connection.execute(query, {"name": engine.url.database}).all()
    statements: Counter[str] = Counter()
    for words, calls in found:
        statements[normalised(words)] += calls
    return statements


def normalised(statement: str) -> str:
    """Return a statement in one line, with `?` for each value, and `…` for all values after the first of a list."""
    one_line = re.sub(r"\s+", " ", re.sub(r"\$\d+(::[A-Za-z]+( VARYING| WITH TIME ZONE)?)?", "?", statement)).strip()
    one_line = re.sub(r"\((\?(, \?)*)\)(, \(\?(, \?)*\))+", r"(\1), …", one_line)
    return re.sub(r"\?(, \?)+", "?, …", one_line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true")
    listed: bool = parser.parse_args().all
    with counted() as (made, engine):
        service = start(made, engine)
        try:
            play(service)
        finally:
            end(*service.processes)
        statements = read(made, engine)
    print(f"{len(statements)} statements, {statements.total():,} calls\n\n| class | statements | calls |\n|---|---:|---:|")
    for name, pattern in CLASSES.items():
        mine = {one: calls for one, calls in statements.items() if re.search(pattern, one, re.IGNORECASE)}
        print(f"| {name} | {len(mine)} | {sum(mine.values()):,} |")
    for statement, calls in statements.most_common() if listed else ():
        print(f"{calls:7,}  {statement}")


def start(made: stage.Stage, engine: Engine) -> Service:
    """Start web and worker on the counted database, which ask the vendors that the simulator plays."""
    key = base64.b64encode(stage.KEY).decode()
    folder = made.new_folder()
    played: dict[str, Any] = {"PLAYED_PORT": str(free_port()), "PLAYED_KEY": "played", "RETENTION": "sandbox:1d", "KEEP_EXPIRY": "yes"}
    servers = {"DATABASE_URL": stage.url_of(engine), "REDIS_URL": made.redis_url, "ENCRYPTION_KEYS": key}
    service = Service(folder, servers | SANDBOX | played)
    service.environment |= access.settings_of_a_service(Environment(service.environment))
    run(service, "migrate")
    service.start_web()
    service.start_worker()
    service.run("standing", "relay")
    return service


if __name__ == "__main__":
    main()
