"""`standing simulate`: the three vendors in a box, against a service that really runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from handlers import clients as reads
from handlers import config as handlers_config
from handlers.clients import idngo
from store.system import clock
from store.system.environment import Environment
from tests.conftest import KEY
from tests.support.service import PROGRAMS, Service

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
            service, "--count", "60", "--seed", "7", "--duplicates", "0.3", "--reordered", "0.5", "--forgeries", "0.3", "--timeout", "60"
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
    status, account = simulated(running, "--count", "5", "--timeout", "60")
    assert status == 0
    assert set(account["left_out"]) == {"ifcgate", "idenfy"}  # type: ignore[call-overload]


# the vendors' read APIs ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """What `standing simulate --vendors` prints, and the settings in it. One credential is given, the others are made up."""
    folder = tmp_path_factory.mktemp("played")
    clean = {name: value for name, value in os.environ.items() if "_API_" not in name and "_APP_" not in name}
    environment = clean | {"VAR_DIR": str(folder), "IFCGATE_API_KEY": "a key of ours"}
    command = [PROGRAMS / "standing", "simulate", "--vendors", "--port", "0"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        printed = "".join(takewhile(lambda line: not line.startswith("curl"), process.stdout))
        yield printed, dict(re.findall(r"^([A-Z_]+)=(.+)$", printed, re.MULTILINE))
        process.terminate()


def asked(method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """The status of an answer, and what it says."""
    try:
        with urlopen(Request(url, body, headers, method=method), timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_what_it_prints_is_all_that_asking_the_played_vendors_takes(played: tuple[str, dict[str, str]]) -> None:
    printed, settings = played
    assert set(settings) == {
        "IFCGATE_API_URL", "IDNGO_API_URL", "IDNGO_APP_TOKEN", "IDNGO_APP_SECRET",
        "IDENFY_API_URL", "IDENFY_API_KEY", "IDENFY_API_SECRET", "NOTIFY_PLAIN_HTTP", "NOTIFY_PRIVATE_HOSTS",
        "API_ENVIRONMENT",
    }  # fmt: skip
    # What was given is known, and may be a real one.
    assert "a key of ours" not in printed
    clients = reads.clients(handlers_config.read(Environment(settings | {"IFCGATE_API_KEY": "a key of ours"})))
    base = settings["IFCGATE_API_URL"].removesuffix("/ifcgate")
    for vendor, client in clients.items():
        assert asked("PUT", f"{base}/play/{vendor}/one-of-{vendor}", b'{"status": "approved"}') == (
            200,
            {"applicants": {f"one-of-{vendor}": "approved"}},
        )
        found = client.read(f"one-of-{vendor}")
        assert found is not None
        assert found.reference == f"one-of-{vendor}"


def test_who_comes_with_no_credentials_is_not_let_in_by_a_played_vendor(played: tuple[str, dict[str, str]]) -> None:
    _, settings = played
    assert asked("GET", f"{settings['IFCGATE_API_URL']}/v1/cases")[0] == 401
    assert asked("GET", f"{settings['IFCGATE_API_URL']}/v1/cases", Authorization="Bearer ä")[0] == 401
    assert asked("GET", f"{settings['IDNGO_API_URL']}/resources/applicants/who/one")[0] == 401
    assert asked("POST", f"{settings['IDENFY_API_URL']}/api/v2/status", b"{}", Authorization="Basic !")[0] == 401


@pytest.mark.parametrize("late", [-90, 90])
def test_a_played_idngo_takes_no_request_of_another_minute(late: int, played: tuple[str, dict[str, str]]) -> None:
    _, settings = played
    api = handlers_config.read(Environment(settings)).idngo_api
    assert api is not None
    url = f"{api.url}/resources/applicants/who/one"
    for moment, status in [(clock.now(), 404), (clock.now() + timedelta(seconds=late), 401)]:
        assert asked("GET", url, **idngo.credentials(api, method="GET", url=url, now=moment))[0] == status


@pytest.mark.parametrize(
    ("where", "told", "status"),
    [
        ("nobody", b'{"fault": null}', 404),
        ("idngo", b'{"fault": "tired"}', 400),
        ("idngo", b"nothing", 400),
        ("idngo/who", b'{"status": "GREEN", "at": "yesterday"}', 400),
        ("idngo/who", b'{"state": "GREEN"}', 400),
    ],
)
def test_what_cannot_be_played_is_told_so(where: str, told: bytes, status: int, played: tuple[str, dict[str, str]]) -> None:
    base = played[1]["IFCGATE_API_URL"].removesuffix("/ifcgate")
    assert asked("PUT", f"{base}/play/{where}", told)[0] == status
