"""The health check's choice of a role. Whether it tells healthy from frozen is tried with containers that run."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.deploy.containers.building import ROOT


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthcheck", ROOT / "deploy" / "healthcheck.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("/opt/standing/bin/python /opt/standing/bin/standing worker", "worker"),
        ("/opt/standing/bin/python /opt/standing/bin/gunicorn --config python:receiver.gunicorn_config", "web"),
        ("/opt/standing/bin/python /opt/standing/bin/gunicorn --config python:receiver.console.gunicorn_config", "console"),
        ("/sbin/docker-init -- standing relay", "relay"),
        ("/usr/bin/tini -- standing web", "web"),
        ("/opt/standing/bin/python /opt/standing/bin/standing up", "up"),
        ("/opt/standing/bin/python /opt/standing/bin/standing migrate", ""),
    ],
)
def test_the_first_process_says_the_role(healthcheck: ModuleType, line: str, role: str) -> None:
    assert healthcheck.role(line.split()) == role


def test_what_started_a_worker_is_no_worker(healthcheck: ModuleType) -> None:
    assert healthcheck.is_worker(["/opt/standing/bin/python", "/opt/standing/bin/standing", "worker", ""])
    assert not healthcheck.is_worker(["/sbin/docker-init", "--", "standing", "worker", ""])


def test_a_role_that_does_not_answer_is_unhealthy_and_a_command_is_not(
    healthcheck: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv("PORT", "1")
    monkeypatch.setenv("CONSOLE_PORT", "1")
    monkeypatch.setenv("RELAY_SOCKET", f"{tmp_path}/relay.sock")
    assert [healthcheck.main([role]) for role in ("web", "up", "console", "relay", "migrate")] == [1, 1, 1, 1, 0]
