"""What a fault breaks: `standing up` with a database, a Valkey and a folder of its own, and the ways to get at its processes."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError

from redis import Redis
from sqlalchemy import make_url

from store.config import embedded_socket
from store.system.environment import secrets_dir
from tests.faults import processes
from tests.support.servers import Postgres
from tests.support.service import PROGRAMS, free_port

ROOT = Path(__file__).parent.parent.parent

READY_SECONDS = 60.0

#: What the machine has, as far as these processes can tell: one that eats memory must not take the machine along.
ADDRESS_SPACE_BYTES = 4 * 1024**3


class NotInflicted(Exception):
    """The fault could not be brought about, so that nothing is proved. The message says why."""


@dataclass
class Ground:
    """A service that runs, and may be broken."""

    folder: Path
    database_url: str
    #: The server that holds the database; None for SQLite.
    cluster: Postgres | None
    settings: dict[str, str]
    port: int = field(default_factory=free_port)
    console_port: int = field(default_factory=free_port)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def var_dir(self) -> Path:
        return self.folder / "var"

    @property
    def server(self) -> Postgres:
        assert self.cluster, "this ground stands on SQLite"
        return self.cluster

    @property
    def database(self) -> str:
        """The database's name."""
        return str(make_url(self.database_url).database)

    def token(self, right: str) -> str:
        """A token that `standing up` made: READ or OPERATOR."""
        return (secrets_dir(self.var_dir) / f"{right}_TOKENS").read_text().strip().partition("=")[2]

    def redis(self) -> Redis:
        return Redis.from_url(f"unix://{embedded_socket(self.var_dir)}", socket_timeout=2, retry=None)

    # its life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        (self.folder / "faults").mkdir()
        self._up = subprocess.Popen(
            [str(PROGRAMS / "standing"), "up"],
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES)),
        )
        assert self._up.stdout
        # Through a pipe, which has no size: a limit on files is meant for what is kept, not for what is said.
        threading.Thread(target=_copy, args=(self._up.stdout, self.folder / "up.log"), daemon=True).start()
        until(lambda: self.readiness().get("status") == "ok", "the service to be ready", seconds=READY_SECONDS)

    def end(self) -> None:
        """Kill all of it: what it leaves behind is thrown away."""
        family = [self._up.pid, *processes.descendants(self._up.pid)]
        for pid in family:  # The supervisor first, so that it starts nothing again.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._up.wait()

    def environment(self) -> dict[str, str]:
        kept = ("PATH", "HOME", "LANG", "PYTHONPATH")
        own = {
            "VAR_DIR": str(self.var_dir), "PORT": str(self.port), "CONSOLE_PORT": str(self.console_port), "DATABASE_URL": self.database_url,
            "FAULTS_DIR": str(self.folder / "faults"),
        }  # fmt: skip
        return {name: os.environ[name] for name in kept if name in os.environ} | own | self.settings

    def standing(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line to its end."""
        calm = {name: value for name, value in self.environment().items() if name != "FAULTS_DIR"}
        command = [str(PROGRAMS / "standing"), *arguments]
        return subprocess.run(command, cwd=self.folder, env=calm, capture_output=True, text=True, timeout=300, check=False)

    def readiness(self) -> dict[str, Any]:
        """What `/readyz` says; empty if it says nothing."""
        try:
            with _asked(f"{self.base}/readyz", self.token("READ")) as answer:
                told: dict[str, Any] = json.load(answer)
                return told
        except (OSError, ValueError):
            return {}

    # its processes ----------------------------------------------------------------------------------------------

    def web(self) -> int:
        """The web processes' parent."""
        return self._child("gunicorn")

    def worker(self) -> int:
        """What `standing worker` runs: the process that works, or its parent."""
        return self._child("standing", "worker")

    def valkey(self) -> int:
        return self._child("valkey-server|redis-server")

    def _child(self, *words: str) -> int:
        """The supervisor's child whose command line has these words; waited for, since one that died is started again."""

        def find() -> int | None:
            return next((pid for pid in processes.children(self._up.pid) if processes.runs(pid, *words)), None)

        pid: int = until(find, f"{' '.join(words)} to run", seconds=30)
        return pid

    # faults in its own code -------------------------------------------------------------------------------------

    def arm(self, point: str, deed: str) -> None:
        """See store/system/fault_points.py."""
        beside = self.folder / "faults" / f".{point}"
        beside.write_text(deed)
        beside.rename(self.folder / "faults" / point)

    def is_armed(self, point: str) -> bool:
        return (self.folder / "faults" / point).exists()

    def disarm(self, point: str) -> None:
        (self.folder / "faults" / point).unlink(missing_ok=True)


@contextmanager
def ground(folder: Path, cluster: Postgres | None, settings: dict[str, str]) -> Iterator[Ground]:
    """A service on a fresh database, of PostgreSQL's if there is a cluster. Ready; thrown away at the end."""
    with _fresh_database(folder, cluster) as url:
        made = Ground(folder, url, cluster, settings)
        try:
            made.start()
            yield made
        finally:
            made.end()


@contextmanager
def _fresh_database(folder: Path, cluster: Postgres | None) -> Iterator[str]:
    if cluster is None:
        yield f"sqlite:///{folder / 'standing.sqlite3'}"
        return
    with cluster.database() as url:
        yield url


def until(look: Callable[[], Any], what: str, *, seconds: float) -> Any:
    """What `look` gives once it gives something. Raises NotInflicted when it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise NotInflicted(f"waited {seconds:g} s in vain for {what}")
        time.sleep(0.02)
    return found


def _asked(url: str, token: str) -> IO[bytes]:
    """An answer, whatever its status."""
    try:
        answer: IO[bytes] = urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"}), timeout=5)
        return answer
    except HTTPError as error:
        return error


def _copy(pipe: IO[bytes], path: Path) -> None:
    with pipe, path.open("wb") as log:
        while text := pipe.read1(65536):  # type: ignore[attr-defined]
            log.write(text)
            log.flush()
