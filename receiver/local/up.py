"""`standing up`: everything on one machine. Generates what is missing, starts what the Procfile names, and keeps it running."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import click
from redis import RedisError

from receiver import config
from receiver.local import generated_secrets, ports, valkey
from receiver.simulator.played import access
from store import config as store_config
from store.config import embedded_socket, up_lock
from store.database.engine import engine
from store.database.migrations import upgrade
from store.database.sessions import Unfit, WrongEncoding
from store.privacy.restoring import index_key
from store.system import backoff, file_locks, processes, queue_client
from store.system.environment import Environment, secrets_dir, without
from store.system.logs import announce as say
from store.system.logs import describe_error
from store.system.processes import ChildProcess, end_with_parent
from store.text import database_urls, queue_urls
from store.text.hints import typed

#: The folder of the project has a link to it. It lies here so that an installed package has it, too.
PROCFILE = Path(__file__).parent / "Procfile"

#: A process that ended is restarted after a pause, which doubles until the process has run for a minute.
FIRST_PAUSE, LONGEST_PAUSE, PROVEN_SECONDS = timedelta(seconds=0.5), timedelta(seconds=30), 60.0

#: How long a process may take to finish its current work.
GRACE_SECONDS = 30.0

#: The process of the Procfile that signs the log. No other is given the key.
SIGNER = "worker"


@dataclass
class Process:
    """A process that is to run, and is restarted when it ends."""

    name: str
    command: list[str]
    environment: dict[str, str]
    #: It is started once deliveries are accepted, and takes no time from that.
    waits: bool = False
    _child: ChildProcess = field(default_factory=ChildProcess)
    _started_at: float = 0.0
    _due_at: float = 0.0
    _crashes: int = 0

    def look_after(self) -> None:
        """Start the process if it is due; notice if it ended."""
        if (status := self._child.take_exit()) is not None:
            self._ended(status)
        elif not self._child.runs() and time.monotonic() >= self._due_at:
            self._start()

    def stop(self) -> None:
        """Ask the process to end, and wait until it has finished its claimed work."""
        if not self._child.end(GRACE_SECONDS):
            say(f"{self.name} did not end; it was killed")

    def _start(self) -> None:
        self._started_at = time.monotonic()
        # A session of its own: Ctrl-C is for us, and we end them in order.
        self._child.start(self.command, env=self.environment, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=end_with_parent)

    def _ended(self, status: int) -> None:
        proven = time.monotonic() - self._started_at > PROVEN_SECONDS
        self._crashes = 1 if proven else self._crashes + 1
        seconds = backoff.pause(FIRST_PAUSE, self._crashes, LONGEST_PAUSE).total_seconds()
        say(f"{self.name} ended with status {status}; it is started again in {seconds:g} s")
        self._due_at = time.monotonic() + seconds


def run(*, played: bool = False) -> None:
    """Run until SIGTERM or Ctrl-C. `played`: ask the played vendors, and no others. Raises Misconfigured and NoValkey."""
    began = time.monotonic()
    processes.begin()
    environment = Environment()
    os.environ["VAR_DIR"] = str(environment.var_dir)
    _provide(environment)
    if played:
        _lead_to_the_played_vendors(environment)
    settings, stored = _settings()
    stopping = _until_asked_to_end()
    with _alone(environment.var_dir):
        ports.refuse_taken(settings.host, settings.port)
        running: list[Process] = []
        try:
            if not environment.text("REDIS_URL"):
                running.append(_start_valkey(environment.var_dir))
            _migrate()
            index_key.look()
            left_out = () if ports.has_room_for_the_console(settings) else ("console",)
            running = [*_of_the_procfile(environment.var_dir, left_out=left_out), *running]
            address = f"http://{settings.address}"
            say(f"database {database_urls.shown(stored.database_url)}, queue {_shown(stored.redis_url)}, web {address}")
            if not left_out:
                say(f"console http://{settings.console_address}/console. Sign in with {generated_secrets.whose_token(environment)}")
            _keep_running(running, stopping, address=address, began=began, trial="simulate --whole" if played else "simulate")
        finally:
            say("ending")
            for process in running:
                process.stop()


def _provide(environment: Environment) -> None:
    try:
        _tell_what_was_made(generated_secrets.provide(environment), secrets_dir(environment.var_dir))
    except OSError as error:
        named = f"VAR_DIR {environment.var_dir} cannot be written ({type(error).__name__})"
        raise click.ClickException(f"{named}. Set it to a folder of yours.") from error


def _lead_to_the_played_vendors(environment: Environment) -> None:
    try:
        os.environ.update(access.settings_of_a_service(environment))
    except ValueError as error:
        raise click.ClickException(f"--played leads to played vendors alone: {error}.") from error


def _settings() -> tuple[config.Settings, store_config.Settings]:
    """Check every process's settings, so that all problems are reported at once, and nothing starts."""
    environment = Environment()
    stored, web = store_config.read(environment), config.read(environment)
    for read in store_config.registered():
        read(environment)
    environment.check()
    return web, stored


def _keep_running(processes: list[Process], stopping: list[int], *, address: str, began: float, trial: str) -> None:
    ready = False
    while not stopping:
        for process in processes:
            if ready or not process.waits:
                process.look_after()
        if not ready and _is_ready(address):
            ready = True
            say(f"ready after {time.monotonic() - began:.1f} s. Try, in another terminal in this folder: {typed(trial)}")
        time.sleep(0.1)


def _of_the_procfile(var_dir: Path, *, left_out: tuple[str, ...]) -> Iterator[Process]:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PROMETHEUS_MULTIPROC_DIR": str(var_dir / "run" / "metrics"),
        "PYTHONPATH": processes.import_path(),
    }
    for line in PROCFILE.read_text(encoding="utf-8").splitlines():
        name, _, command = line.partition(":")
        program, *arguments = shlex.split(command)
        if name in left_out:
            continue
        own = environment if name == SIGNER else without(environment, "LOG_SIGNING_KEY")
        yield Process(name, [str(processes.program(program)), *arguments], own, waits=name == "console")


def _start_valkey(var_dir: Path) -> Process:
    """Start the embedded Valkey, and wait until it answers. One that an earlier run left behind is ended first."""
    path = embedded_socket(var_dir)
    client = queue_client.connect(queue_urls.of_socket(path), socket_timeout=1)
    with suppress(RedisError):  # Usually there is none.
        client.shutdown()
    process = Process("valkey", valkey.command(socket=path, data=var_dir / "valkey"), without(os.environ, "LOG_SIGNING_KEY"))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        process.look_after()
        try:
            client.ping()
            return process
        except RedisError:
            time.sleep(0.02)
    process.stop()
    raise click.ClickException("the embedded Valkey does not answer")


def _migrate() -> None:
    """Bring the tables up to date before anything needs them."""

    try:
        upgrade(engine())
    except WrongEncoding as wrong:
        raise click.ClickException(str(wrong)) from wrong
    except Unfit as unfit:
        say(f"the database cannot be used: {unfit}")
    except Exception as error:  # The web process keeps trying, and says meanwhile that it cannot keep anything.
        say(f"the database cannot be prepared yet ({describe_error(error)})")
    finally:
        engine().dispose()


@contextmanager
def _alone(var_dir: Path) -> Iterator[None]:
    """Hold the folder: two runs on the same data would end each other's Valkey."""
    path = up_lock(var_dir)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as lock:
        if not file_locks.locked(lock):
            raise click.ClickException(f"another `standing up` already runs on {var_dir}")
        yield


def _until_asked_to_end() -> list[int]:
    """Return a list that becomes non-empty when the process is asked to end."""
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: asked.append(received))
    return asked


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _tell_what_was_made(made: list[str], folder: Path) -> None:
    if made:
        say(
            f"made {', '.join(made)}",
            f"kept in {folder}, readable by you alone. They are for trying out:",
            "in production, give your own, and keep the keys away from the database.",
        )


def _shown(url: str) -> str:
    """Return a URL without its user and password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2].partition('?')[0]}"
