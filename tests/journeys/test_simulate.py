"""`standing simulate`: the three vendors in a box, against a service that really runs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import KEY
from tests.service import Service

SANDBOX = {
    "IFCGATE_SANDBOX_SECRETS": "whsec_c2FuZGJveCBzZWNyZXQgb2YgaWZjZ2F0ZQ==",
    "IDENFY_SANDBOX_SECRETS": "idenfy's sandbox key",
}


def simulated(service: Service, *options: str) -> tuple[int, dict[str, object]]:
    """Run the simulator with every sandbox secret; give its exit status and its account."""
    done = service.standing("simulate", "--json", "--rate", "0", *options)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def test_every_applicant_stands_where_its_story_says_whatever_goes_wrong_on_the_way(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    with Service(tmp_path, {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY} | SANDBOX) as service:
        status, account = simulated(
            service, "--count", "60", "--seed", "7", "--duplicates", "0.3", "--reordered", "0.5", "--forgeries", "0.3"
        )
    assert status == 0, account
    assert (account["as_told"], account["kept_twice"], account["pending"], account["left_out"]) == (True, 0, 0, {})


def test_an_applicant_that_is_not_as_told_is_reported(database_url: str, redis_url: str, tmp_path: Path) -> None:
    # The rules are told that GREEN approves at another level alone; the simulator is not.
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    with Service(tmp_path, settings, worker=False) as service:
        service.environment |= {"IDNGO_APPROVING_LEVELS": "another-level"}
        service.start_worker()
        del service.environment["IDNGO_APPROVING_LEVELS"]
        status, account = simulated(service, "--count", "10", "--timeout", "20")
    assert status == 1
    assert account["as_told"] is False


def test_a_service_that_is_not_there_is_told_so(running: Service) -> None:
    done = running.standing("simulate", "--base", "http://127.0.0.1:9")
    assert done.returncode == 2
    assert "Nothing answers" in done.stderr


def test_a_vendor_without_a_secret_is_left_out_and_named(running: Service) -> None:
    status, account = simulated(running, "--count", "5")
    assert status == 0
    assert set(account["left_out"]) == {"ifcgate", "idenfy"}  # type: ignore[call-overload]
