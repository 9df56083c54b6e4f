"""Where a program is started: `subprocess.Popen` asks a process to fork instead of starting an interpreter."""

from __future__ import annotations

import array
import ctypes
import json
import os
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = Path(sys.executable).parent

#: The module that runs as the process to fork from.
FORKING = "tests.support.warm.forking"

#: What an interpreter reads from the environment as it starts: with another of these a program starts cold.
INTERPRETER = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "GEVENT", "COVERAGE")

#: Of these, a forked process obeys the first two itself, and the others change nothing that a program does.
SAFE_PATH, UNBUFFERED = "PYTHONSAFEPATH", "PYTHONUNBUFFERED"
OBEYED = (SAFE_PATH, UNBUFFERED, "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")

#: What is loaded for the modules of ours that a worker runs beside itself, as `python -m` would.
BESIDE_A_WORKER = (
    "handlers.notify.dispatcher",
    "handlers.privacy.runner",
    "handlers.reconcile.scheduler",
    "handlers.replay.runner",
    "handlers.worker.sequencer",
)

#: An argument in whose place those of a program are written, so that others see what runs.
ROOM = "-" * 600

LENGTH = struct.Struct("!I")
SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None, use_errno=True)
_cold_start: Callable[..., None] = subprocess.Popen._execute_child  # type: ignore[attr-defined]
_servers: dict[str, _Server | _Nest] = {}

#: The interpreter's own, before gevent may put another in its place.
Socket = socket.socket


def install() -> None:
    """From now on, let this process start the project's programs warm."""
    if sys.platform == "linux" and not os.environ.get("STANDING_COLD"):
        subprocess.Popen._execute_child = _execute_child  # type: ignore[attr-defined]


@contextmanager
def cold() -> Iterator[None]:
    """Within this, programs start as they do anywhere else."""
    start_cold()
    try:
        yield
    finally:
        install()


def uninstall() -> None:
    """Start programs as they do anywhere else, and end what was forked from."""
    start_cold()
    while _servers:
        _servers.popitem()[1].end()


def start_cold() -> None:
    """From now on, let this process start programs as any other does."""
    subprocess.Popen._execute_child = _cold_start  # type: ignore[attr-defined]


# in a worker's child --------------------------------------------------------------------------------------------


def has_nest() -> bool:
    """Whether this process has one to fork from for what runs beside a worker."""
    return "beside" in _servers


def use_nest(connection: socket.socket) -> None:
    """From now on, fork what runs beside a worker from the process at the other end."""
    _servers["beside"] = _Nest(connection)
    subprocess.Popen._execute_child = _execute_child  # type: ignore[attr-defined]


# in both --------------------------------------------------------------------------------------------------------


class _Server:
    """A process to be forked, of which each process that runs tests has its own."""

    def __init__(self, kind: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="standing-warm-"))
        self._path = self._folder / "socket"
        self._process = subprocess.Popen([sys.executable, "-m", FORKING, kind, str(self._path), ROOM], stdin=subprocess.PIPE)
        self.environment = _interpreters(os.environ)
        deadline = time.monotonic() + 300  # A busy machine takes long to load what it is to load.
        while not self._path.exists():
            assert self._process.poll() is None, "the process to fork from ended"
            assert time.monotonic() < deadline, "the process to fork from did not start"
            time.sleep(0.01)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)

    def fork(self, request: dict[str, Any], fds: list[int]) -> int:
        """Start a child of this process; return its id."""
        with Socket(socket.AF_UNIX) as connection:
            connection.connect(str(self._path))
            return _ask(connection, request, fds)


class _Nest:
    """A process to be forked that is a worker's child, as is what is forked from it. It ends with the worker."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.environment = _interpreters(os.environ)

    def end(self) -> None:
        self._connection.close()

    def fork(self, request: dict[str, Any], fds: list[int]) -> int:
        return _ask(self._connection, request, fds)


def _ask(connection: socket.socket, request: dict[str, Any], fds: list[int]) -> int:
    body = json.dumps(request).encode()
    # The child's first parent ends at once; then the nearest of its forebears that asks for orphans is its parent.
    libc.prctl(SET_CHILD_SUBREAPER, 1)
    try:
        connection.sendmsg([LENGTH.pack(len(body)) + body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        return int(LENGTH.unpack(connection.recv(LENGTH.size, socket.MSG_WAITALL))[0])
    finally:
        libc.prctl(SET_CHILD_SUBREAPER, 0)


def _execute_child(self: Any, args: Any, executable: Any, preexec_fn: Any, close_fds: Any, pass_fds: Any, cwd: Any, env: Any,
                   startupinfo: Any, creationflags: Any, shell: Any, p2cread: int, p2cwrite: int, c2pread: int, c2pwrite: int,
                   errread: int, errwrite: int, *rest: Any) -> None:  # fmt: skip
    """`subprocess.Popen`'s own step, for our programs alone; all else is left to it."""
    kind = _kind(args)
    environment = dict(os.environ if env is None else env)
    plain = not (executable or preexec_fn or shell or pass_fds) and rest[1:] == (None, None, None, -1, False, -1)
    if kind is None or not plain or (server := _server(kind)).environment != _interpreters(environment):
        _cold_start(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, env, startupinfo, creationflags, shell,
                    p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, *rest)  # fmt: skip
        return
    request = {"arguments": [os.fspath(one) for one in args], "environment": environment, "cwd": os.fspath(cwd or Path.cwd())}
    request["data"] = resource.getrlimit(resource.RLIMIT_DATA)
    fds = [given if given != -1 else own for own, given in enumerate((p2cread, c2pwrite, errwrite))]
    self.pid = server.fork(request, fds)
    self._child_created = True
    self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)


def _kind(args: Any) -> str | None:
    """Which process to fork for a command; None for one that starts cold."""
    if isinstance(args, (str, bytes)) or not args:
        return None
    words = [os.fspath(word) for word in args]
    if has_nest():
        return "beside" if words[:2] == [sys.executable, "-m"] and words[2].startswith("handlers.") else None
    kinds = {str(PROGRAMS / "gunicorn"): "web", str(PROGRAMS / "standing"): "commands"}
    return kinds.get(words[0])


def _server(kind: str) -> _Server | _Nest:
    if kind not in _servers:
        _servers[kind] = _Server(kind)
    return _servers[kind]


def _interpreters(environment: Any) -> dict[str, str]:
    """What of an environment an interpreter reads as it starts. A test runner's own are no part of it."""
    return {name: value for name, value in environment.items() if name.startswith(INTERPRETER) and name not in OBEYED}
