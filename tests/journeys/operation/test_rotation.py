"""Keys for data at rest are rotated while the service runs: nothing is unreadable meanwhile, and the old key can be taken away."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.conftest import KEY
from tests.receiver.connections.test_strangers import OPERATOR
from tests.support import payloads
from tests.support.service import Service, end

NEW_KEY = base64.b64encode(b"a second key of 32 bytes, newer!").decode()


def lines(service: Service, *command: str) -> list[dict[str, object]]:
    done = service.standing(*command, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_key_is_rotated_while_deliveries_come_and_the_old_one_can_be_taken_away(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    with Service(tmp_path, settings) as service:
        bodies = {}
        for _ in range(250):
            body = json.dumps(payloads.idngo(payloads.new_applicant(), answer="GREEN")).encode()
            bodies[service.kept("idngo", body)] = body
        assert [(row["bodies"], row["seals"]) for row in lines(service, "keys", "list")] == [(250, True)]
        for process in service.processes:
            end(process)
        service.environment["ENCRYPTION_KEYS"] = f"{NEW_KEY},{KEY}"
        service.start_web()
        service.start_worker()
        service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        assert [(row["bodies"], row["seals"]) for row in lines(service, "keys", "list")] == [(1, True), (250, False)]
        service.environment["STANDING_TOKEN"] = "a token of nobody at all"
        refused = service.standing("keys", "rotate", "--yes")
        assert (refused.returncode, "none of OPERATOR_TOKENS" in refused.stderr) == (1, True)
        assert [(row["bodies"], row["seals"]) for row in lines(service, "keys", "list")] == [(1, True), (250, False)]
        del service.environment["STANDING_TOKEN"]
        rotated = service.standing("keys", "rotate", "--yes")
        assert (rotated.returncode, "Wrapped the data keys of 250 bodies with the newest key." in rotated.stderr) == (0, True), (
            rotated.stderr
        )
        assert [row["bodies"] for row in lines(service, "keys", "list")] == [251, 0]
        assert "Wrapped the data keys of 0 bodies with the newest key." in service.standing("keys", "rotate", "--yes").stderr
        [act] = lines(service, "audit", "list")
        assert (act["action"], act["touched"]) == ("rotate keys", 250)
        for process in service.processes:
            end(process)
        service.environment["ENCRYPTION_KEYS"] = NEW_KEY
        service.start_web()
        event_id, body = next(iter(bodies.items()))
        assert service.request("GET", f"/v1/events/{event_id}/body?reason=ticket+7", token=OPERATOR).body == body


def test_a_key_that_is_missing_is_named_and_nothing_is_lost(database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    with Service(tmp_path, settings) as service:
        service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        service.environment["ENCRYPTION_KEYS"] = NEW_KEY
        refused = service.standing("keys", "rotate", "--yes")
        assert refused.returncode == 1
        assert "no configured key has the id" in refused.stderr


def test_the_shell_can_complete(tmp_path: Path, redis_url: str, database_url: str) -> None:
    service = Service(
        tmp_path, {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "_STANDING_COMPLETE": "bash_source"}
    )
    assert "_standing_completion" in service.standing().stdout
