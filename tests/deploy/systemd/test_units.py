"""The units for systemd: systemd takes them, they leave little exposed, and they say what the code needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from receiver import config
from store.system.environment import Environment
from tests.conftest import KEY
from tests.deploy.promises import DEPLOY, DOCUMENTED, ENDS, HEALS, may_have

FOLDER = DEPLOY / "systemd"
PROGRAM = "/opt/standing/bin/standing"

#: The role of each service, and the name of a unit that systemd can load.
SERVICES = {role: f"standing-{role}.service" for role in ("web", "console", "relay", "migrate")} | {"worker": "standing-worker@1.service"}
LASTING = [role for role in SERVICES if role != "migrate"]

#: The most that `systemd-analyze security` may find of a service, from 0 (nothing) to 10.
EXPOSURE_MAX = 2.0

#: Units of time, in seconds.
UNITS = {"": 1.0, "s": 1.0, "min": 60.0}


def lines(role: str) -> list[str]:
    """The lines of a service, with those of the files that systemd adds to it."""
    name = SERVICES[role].replace("@1", "@")
    files = [FOLDER / name, FOLDER / "standing-.service.d" / "common.conf", *sorted((FOLDER / f"{name}.d").glob("*.conf"))]
    return [line for file in files for line in file.read_text().splitlines()]


def values(role: str, name: str) -> list[str]:
    return [line.partition("=")[2] for line in lines(role) if line.startswith(f"{name}=")]


def seconds(role: str, name: str) -> float:
    number, unit = re.fullmatch(r"(\d+)(\w*)", values(role, name)[-1]).groups()  # type: ignore[union-attr]
    return float(number) * UNITS[unit]


def environment(role: str) -> dict[str, str]:
    return dict(value.split("=", 1) for value in values(role, "Environment"))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units in a folder of their own, where the program that they start exists."""
    if shutil.which("systemd-analyze") is None:
        assert not os.environ.get("CI"), "systemd-analyze is missing"
        pytest.skip("no systemd-analyze on this machine (Debian: apt install systemd)")
    folder = tmp_path_factory.mktemp("units")
    shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
    for unit in folder.glob("*.service"):
        assert PROGRAM in unit.read_text()
        unit.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    return folder


def analyze(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def test_systemd_finds_nothing_wrong_with_any_unit(loaded: Path) -> None:
    units = [
        path.name.replace("@", "@1") for path in FOLDER.iterdir() if path.is_file() and path.suffix in (".service", ".socket", ".target")
    ]
    assert len(units) == 8
    done = analyze("verify", "--man=no", *(f"./{unit}" for unit in units), folder=loaded)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("role", SERVICES)
def test_little_of_a_service_is_exposed(loaded: Path, role: str) -> None:
    done = analyze("security", "--offline=true", "--no-pager", f"./{SERVICES[role]}", folder=loaded)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    print(f"exposure of {SERVICES[role]}: {found[1]}")
    assert float(found[1]) <= EXPOSURE_MAX


@pytest.mark.parametrize("role", SERVICES)
def test_every_setting_exists_and_every_secret_is_a_credential_that_is_loaded(role: str) -> None:
    given = environment(role)
    assert {name.removesuffix("_FILE") for name in given} - DOCUMENTED - {"PROMETHEUS_MULTIPROC_DIR"} == set()
    read = {name.removesuffix("_FILE"): value for name, value in given.items() if name.endswith("_FILE")}
    credentials = dict(value.split(":", 1) for value in values(role, "LoadCredential"))
    assert read == {name: f"%d/{name}" for name in credentials}
    assert credentials == {name: f"/etc/standing/secrets/{name}" for name in credentials}
    # The relay and the migration get what all services have.
    assert [name for name in credentials if not may_have(role, name)] == []


@pytest.mark.parametrize("role", LASTING)
def test_a_service_is_notified_about_restarted_and_given_the_time_that_its_end_takes(role: str) -> None:
    assert values(role, "Type") == ["notify"]
    assert values(role, "Restart") == ["always"]
    assert values(role, "KillMode") == ["mixed"]
    assert values(role, "StartLimitIntervalSec") == ["0"]
    assert seconds(role, "TimeoutStopSec") >= ENDS[role] + 10
    # The watchdog ends a service only once it has failed to repair itself.
    assert seconds(role, "WatchdogSec") >= HEALS[role] + 20


def test_all_services_are_of_one_account_and_share_its_folder() -> None:
    for role in SERVICES:
        shared = [values(role, name) for name in ("User", "DynamicUser", "StateDirectory", "StateDirectoryMode")]
        assert shared == [["standing"], ["yes"], ["standing"], ["0700"]], role
        assert environment(role)["VAR_DIR"] == "%S/standing"


@pytest.mark.parametrize(("unit", "address"), [("standing-web.socket", "address"), ("standing-console.socket", "console_address")])
def test_a_socket_listens_where_the_process_would(unit: str, address: str) -> None:
    default = config.read(Environment({"ENCRYPTION_KEYS": KEY, "VAR_DIR": "/nonexistent"}))
    assert f"ListenStream={getattr(default, address)}" in (FOLDER / unit).read_text().splitlines()
    assert values(unit.removeprefix("standing-").removesuffix(".socket"), "Requires") == [unit]


def test_the_target_starts_every_service_that_lasts_and_stops_it() -> None:
    wanted = " ".join(re.findall(r"^Wants=(.*)$", (FOLDER / "standing.target").read_text(), re.MULTILINE)).split()
    assert {re.sub(r"@\d", "@1", unit) for unit in wanted} == {SERVICES[role] for role in LASTING}
    assert {values(role, "PartOf")[0] for role in LASTING} == {"standing.target"}


def test_the_command_line_is_given_every_secret_that_a_service_has() -> None:
    text = (FOLDER / "standing-command-.service.d" / "secrets.conf").read_text()
    loaded = re.findall(r"^LoadCredential=(\w+):/etc/standing/secrets/(\w+)$", text, re.MULTILINE)
    named = re.findall(r"^Environment=(\w+)_FILE=%d/(\w+)$", text, re.MULTILINE)
    assert loaded == named == [(name, name) for name, _ in loaded]
    common = {value.split(":")[0] for value in values("migrate", "LoadCredential")}
    assert {value.split(":")[0] for role in SERVICES for value in values(role, "LoadCredential")} == {name for name, _ in loaded} | common


def test_the_command_line_has_the_spool_of_the_web_process() -> None:
    text = (FOLDER / "standing-command-.service.d" / "spool.conf").read_text()
    assert f"Environment=SPOOL_DIR={environment('web')['SPOOL_DIR']}" in text.splitlines()


def test_the_command_line_runs_as_a_unit_whose_name_brings_account_settings_and_secrets(tmp_path: Path) -> None:
    (tmp_path / "systemd-run").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nexit 3\n')
    (tmp_path / "systemd-run").chmod(0o700)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "STANDING_TOKEN": "operate-me-if-you-may"}
    done = subprocess.run([FOLDER / "standing", "audit", "list --x"], env=variables, capture_output=True, text=True, check=False)
    *options, program, group, words = done.stdout.splitlines()
    assert (done.returncode, program, group, words) == (3, PROGRAM, "audit", "list --x")
    assert [option for option in options if re.fullmatch(r"--unit=standing-command-\d+", option)]
    assert "--setenv=STANDING_TOKEN" in options
    assert "operate-me-if-you-may" not in done.stdout


def test_no_line_of_a_unit_is_there_twice() -> None:
    def doubled() -> Iterator[str]:
        for role in SERVICES:
            found = [line for line in lines(role) if "=" in line and not line.startswith("#")]
            yield from (f"{role}: {line}" for line in found if found.count(line) > 1)

    assert list(doubled()) == []
