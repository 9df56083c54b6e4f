"""The version before this one: its code, taken from the repository, and services that run it in the environment of this one."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

from tests.support.service import Service, eventually

ROOT = Path(__file__).parent.parent.parent

#: The commit that is the version before as long as no version has a tag.
COMMIT = ROOT / "tests" / "journeys" / "upgrades" / "before.txt"

#: How each program starts. The first line of its log says whose code it runs.
PROGRAMS = {
    "standing": "import store; print(store.__file__, flush=True); from store.cli.root import main; main()",
    "gunicorn": "import store; print(store.__file__, flush=True); from gunicorn.app.wsgiapp import run; run()",
}


class NoVersionBefore(Exception):
    """The repository does not have the version before. The message says why."""


def unpack(folder: Path) -> None:
    """Write the packages of the version before into a folder: of the newest tag before this commit, else of the commit in `before.txt`.
    Raises NoVersionBefore."""
    tag = _git("describe", "--tags", "--abbrev=0", "HEAD^")
    version = tag.stdout.decode().strip() if tag.returncode == 0 else COMMIT.read_text().strip()
    archive = _git("archive", version, "receiver", "handlers", "store")
    if archive.returncode != 0:
        raise NoVersionBefore(f"git cannot give {version}: {archive.stderr.decode().strip()}")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as packed:
        packed.extractall(folder, filter="data")


def is_shallow() -> bool:
    """Whether this clone has only the newest commits."""
    return _git("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise NoVersionBefore("there is no git") from error


class ServiceBefore(Service):
    """Processes that run the version before."""

    def __init__(self, folder: Path, settings: dict[str, str], *, code: Path) -> None:
        super().__init__(folder, settings | {"PYTHONPATH": str(code)}, worker=False, cwd=code)

    def run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(self._command(program, *arguments), env=self.environment, cwd=self.cwd, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def start_web(self, *, ready: bool = True) -> subprocess.Popen[bytes]:
        process = super().start_web(ready=False)
        if ready:  # It starts cold.
            eventually(self.is_up, "the web process of the version before to answer", seconds=60)
        return process

    def standing(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = self._command("standing", *arguments)
        return subprocess.run(command, env=self.environment, cwd=self.cwd, capture_output=True, text=True, timeout=120, check=False)

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [sys.executable, "-c", PROGRAMS[program], *arguments]

    def runs_its_own_code(self) -> bool:
        """Whether every program that was started says that it runs the version before."""
        begun = [line for line in self.logged().splitlines() if line.endswith(f"{os.sep}store{os.sep}__init__.py")]
        return bool(begun) and set(begun) == {str(Path(str(self.cwd), "store", "__init__.py"))}
