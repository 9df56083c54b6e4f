"""`./dev up --played` and `standing simulate --whole`: whole verifications, from the start to what a vendor says later."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import PROGRAMS, end, eventually, free_port

STANDING = str(PROGRAMS / "standing")


@dataclass(frozen=True)
class Stage:
    """A folder with a `standing up --played`, configured by nothing but two ports."""

    folder: Path
    environment: dict[str, str]

    def simulate(self, *options: str, **variables: str) -> tuple[int, dict[str, Any], str]:
        command = [STANDING, "simulate", "--whole", "--json", *options]
        environment = self.environment | variables
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False)
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder, port = tmp_path_factory.mktemp("played"), free_port()
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = clean | {"PORT": str(port), "CONSOLE_PORT": str(free_port()), "PLAYED_PORT": str(free_port()), "WEB_CONCURRENCY": "1"}
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen([STANDING, "up", "--played"], cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        eventually(lambda: _ready(port), "readiness")
        yield Stage(folder, environment)
    finally:
        end(process)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(json.load(answer)["status"] == "ok")
    except OSError:
        return False


def test_every_verification_comes_to_its_end_and_none_is_bought_twice(stage: Stage) -> None:
    status, account, said = stage.simulate("--count", "12", "--timeout", "120")
    assert status == 0, said or json.dumps([one for one in account["verifications"] if not one["as_told"]])
    found = account["verifications"]
    assert {(one["vendor"], one["mode"]) for one in found} == {
        ("idngo", "documents"), ("idngo", "hosted"), ("idenfy", "documents"), ("idenfy", "hosted"), ("ifcgate", "documents"),
    }  # fmt: skip
    assert (account["bought"], account["bought_twice"], account["as_told"]) == (12, [], True)
    turned = {one["vendor"]: one["status"] for one in found if one["reversals"]}
    assert turned == {"idngo": "rejected", "idenfy": "rejected", "ifcgate": "rejected"}


def test_a_verification_that_does_not_come_to_its_end_is_reported(stage: Stage) -> None:
    status, account, _ = stage.simulate("--count", "1", "--timeout", "0")
    assert (status, account["as_told"]) == (1, False)
    assert account["verifications"][0]["differences"]


def test_a_service_with_a_real_account_is_not_started_with_played_vendors(stage: Stage, tmp_path: Path) -> None:
    environment = stage.environment | {"IDENFY_API_KEY": "real", "PORT": str(free_port())}
    done = subprocess.run(
        [STANDING, "up", "--played"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "IDENFY_API_KEY" in done.stderr


def test_a_service_that_asks_other_vendors_is_reported(stage: Stage) -> None:
    # What is started here gets to no vendor: it is the last test of this service.
    status, account, said = stage.simulate("--count", "6", "--timeout", "1", "--port", "0")
    assert (status, account) == (2, {})
    assert "./dev up --played" in said
