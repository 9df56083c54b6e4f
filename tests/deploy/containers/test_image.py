"""The image: what it holds, and everything in one container of it, as its user on a read-only root."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.containers import composed
from tests.deploy.containers.building import CONTAINERFILE, VERSION, Image
from tests.deploy.containers.running import running, until

#: An image needs nothing that compiles or downloads, nor what it was built with.
NOT_NEEDED = ("gcc", "cc", "make", "uv", "git", "curl")


def test_the_containerfile_is_clean() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    checked = subprocess.run([hadolint, "--failure-threshold", "style", CONTAINERFILE], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_image_says_how_it_is_run(image: Image) -> None:
    config = image.config
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["standing"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "healthcheck"]
    assert config["Volumes"] == {"/var/lib/standing": {}}
    assert config["Labels"]["org.opencontainers.image.version"] == VERSION
    assert [name for name in image.environment if name.startswith(("PIP", "UV"))] == []


def test_the_image_holds_the_program_and_nothing_that_built_it(image: Image) -> None:
    programs = [image.root / folder / name for folder in ("usr/bin", "usr/local/bin", "opt/standing/bin") for name in NOT_NEEDED]
    assert [program for program in programs if program.exists()] == []
    left = ("source", "wheels/*", "uv", "root/.cache", "tmp/*", "opt/standing/lib/python*/site-packages/setuptools")
    assert [found for pattern in left for found in image.root.glob(pattern)] == []
    installed = {path.name for path in image.root.glob("opt/standing/lib/python*/site-packages/*")}
    assert {"receiver", "handlers", "store"} <= installed
    assert "tests" not in installed


def test_nothing_of_the_image_can_be_changed_by_its_user(image: Image) -> None:
    owned = [path for path in image.root.rglob("*") if not path.is_symlink() and path.stat().st_uid == 10001]
    assert {f"/{path.relative_to(image.root)}" for path in owned} == {"/var/lib/standing", "/var/spool/standing", "/run/standing"}


@pytest.mark.parametrize("command", [("--version",), ("migrate", "--help")])
def test_any_command_runs_where_nothing_can_be_written(image: Image, tmp_path: Path, command: tuple[str, ...]) -> None:
    compose = composed.load("compose.minimal.yml")
    with running(image, composed.as_container(image, compose, "standing", tmp_path, command=command), tmp_path / "log") as container:
        assert container.wait(240) == 0, container.log.read_text()


def test_one_container_runs_everything(image: Image, tmp_path: Path) -> None:
    compose = composed.load("compose.minimal.yml")
    grace = composed.seconds(compose["services"]["standing"]["stop_grace_period"])
    with running(image, composed.as_container(image, compose, "standing", tmp_path), tmp_path / "log") as container:
        container.signal(signal.SIGSTOP)  # Before it answers, however slow the check is.
        assert not container.is_healthy()
        container.signal(signal.SIGCONT)
        until(container)
        simulated = container.execute("standing", "simulate", "--count", "12", "--timeout", "120")
        assert simulated.returncode == 0, simulated.stdout + simulated.stderr
        container.signal(signal.SIGSTOP)
        assert not container.is_healthy()
        container.signal(signal.SIGCONT)
        assert container.stop(grace) == 0, container.log.read_text()


def test_a_container_has_no_rights(image: Image, tmp_path: Path) -> None:
    compose = composed.load("compose.minimal.yml")
    with running(image, composed.as_container(image, compose, "standing", tmp_path), tmp_path / "log") as container:
        until(container, "test", "-d", "/var/lib/standing/secrets")
        status = Path(f"/proc/{container.pid}/status").read_text()
        assert re.search(r"^Uid:\s+10001\s+10001\s+10001\s+10001$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
        refused = container.execute("touch", "/opt/standing/new", "/etc/new", "/var/new")
        assert refused.stderr.count("Read-only file system") == 3
