"""The compose files, held to what compose takes, and to what Standing reads."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.containers import composed
from tests.deploy.containers.building import ROOT
from tests.deploy.promises import ENDS

FILES = ("compose.yml", "compose.minimal.yml")
ROLES = json.loads((ROOT / "store" / "cli" / "commands.json").read_text())
SETTINGS = set(re.findall(r"`([A-Z_]+)`", (ROOT / "docs" / "settings.md").read_text()))

#: What compose itself is told by variables: images, places, and where the web process is reached.
OF_COMPOSE = {"STANDING_IMAGE", "POSTGRES_IMAGE", "VALKEY_IMAGE", "SECRETS"}


def loaded(name: str) -> dict[str, Any]:
    return composed.load(name, LOG_ORIGIN="standing.example.com")


def is_ours(service: dict[str, Any]) -> bool:
    return bool(service["image"].startswith("standing:"))


SERVICES = [(file, name, service) for file in FILES for name, service in loaded(file)["services"].items()]
OURS = [(file, name, service) for file, name, service in SERVICES if is_ours(service)]
each_service = pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=[f"{file}-{name}" for file, name, _ in SERVICES])
each_of_ours = pytest.mark.parametrize(("file", "name", "service"), OURS, ids=[f"{file}-{name}" for file, name, _ in OURS])


@pytest.mark.parametrize("file", FILES)
def test_a_file_follows_the_compose_specification(file: str) -> None:
    program = Path(sys.executable).parent / "check-jsonschema"
    checked = subprocess.run(
        [program, "--builtin-schema", "vendor.compose-spec", composed.FOLDER / file], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("file", FILES)
def test_each_variable_of_a_file_is_a_setting_or_compose_s_own(file: str) -> None:
    assert composed.variables(file) - OF_COMPOSE <= SETTINGS


@each_of_ours
def test_a_command_is_a_role_and_each_variable_a_setting(file: str, name: str, service: dict[str, Any]) -> None:
    assert service["command"][0] in ROLES
    assert {setting.removesuffix("_FILE") for setting in service.get("environment", {})} <= SETTINGS


@each_service
def test_each_secret_is_read_and_each_file_that_is_read_is_a_secret(file: str, name: str, service: dict[str, Any]) -> None:
    read = {place for setting, place in service.get("environment", {}).items() if setting.endswith("_FILE")}
    assert read == {f"{composed.SECRETS}/{secret}" for secret in service.get("secrets", ())}


@each_of_ours
def test_no_secret_is_given_in_the_environment(file: str, name: str, service: dict[str, Any]) -> None:
    given = set(service.get("environment", {}))
    assert [setting for setting in given if setting.endswith(("_KEY", "_KEYS", "_SECRETS", "_TOKENS", "DATABASE_URL"))] == []


@pytest.mark.parametrize("file", FILES)
def test_each_secret_and_each_volume_of_a_file_is_used(file: str) -> None:
    compose = loaded(file)
    services = compose["services"].values()
    used = set(chain.from_iterable(service.get("secrets", ()) for service in services))
    assert used == set(compose.get("secrets", {}))
    volumes = {entry.split(":")[0] for service in services for entry in service.get("volumes", ())}
    assert volumes == set(compose["volumes"])
    networks = set(chain.from_iterable(service.get("networks", ()) for service in services))
    assert networks == set(compose.get("networks", {}))


def test_only_the_web_process_reads_signing_secrets_and_only_the_worker_signs_the_log() -> None:
    services = loaded("compose.yml")["services"]
    signing = ("IFCGATE_SECRETS", "IDNGO_SECRETS", "IDENFY_SECRETS")
    assert {name for name, service in services.items() if set(signing) & set(service.get("secrets", ()))} == {"web"}
    assert {name for name, service in services.items() if "LOG_SIGNING_KEY" in service.get("secrets", ())} == {"worker"}


@each_service
def test_a_container_can_change_nothing_but_its_volumes(file: str, name: str, service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])


@each_service
def test_only_the_web_process_is_reached_from_outside_and_only_from_this_machine(file: str, name: str, service: dict[str, Any]) -> None:
    published = service.get("ports", [])
    assert published == (["127.0.0.1:8000:8000"] if service.get("command") in (["web"], ["up"]) else [])


@each_service
def test_a_container_has_a_health_check_and_time_to_end(file: str, name: str, service: dict[str, Any]) -> None:
    if not is_ours(service):
        assert service["healthcheck"]["test"][0] == "CMD"
    assert name == "migrate" or composed.seconds(service["stop_grace_period"]) > ENDS.get(name, 0)


def test_every_role_waits_for_the_tables_and_the_tables_for_the_database() -> None:
    services = loaded("compose.yml")["services"]
    roles = [service for service in services.values() if is_ours(service) and service["command"] != ["migrate"]]
    assert len(roles) == 4
    assert all(role["depends_on"]["migrate"] == {"condition": "service_completed_successfully"} for role in roles)
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


@pytest.mark.parametrize("file", FILES)
def test_the_image_has_the_version_of_the_project(file: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    text = (composed.FOLDER / file).read_text() + (ROOT / "deploy" / "Containerfile").read_text()
    assert set(re.findall(r"standing:(\d[\w.]*)", text)) == {version}
