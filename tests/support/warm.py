"""Programs that start warm: forked from a process that has loaded their modules, instead of loading them each time.

A program that tests start is a real process of its own, a child of the test's: it has its own environment, arguments, folder, signals
and exit status. Only its imports are done already; they cost most of a start. So it is with the modules that a worker runs beside itself:
they are children of the worker. What other programs start is not warm, nor is what `tests.faults` and `.ci/run` start.

Run as a module it is such a process: it waits for requests at a socket, forks for each, and ends with its parent.
"""

from __future__ import annotations

import array
import atexit
import ctypes
import gc
import io
import json
import os
import resource
import runpy
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import POLLHUP, POLLIN
from typing import Any

PROGRAMS = Path(sys.executable).parent

#: What an interpreter reads from the environment as it starts: with another of these a program starts cold.
INTERPRETER = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "GEVENT", "COVERAGE")

#: Modules of ours that a worker runs beside itself, as `python -m` would.
BESIDE_A_WORKER = ("handlers.notify.dispatcher", "handlers.reconcile.scheduler", "handlers.replay.runner")

#: An argument in whose place those of a program are written, so that others see what runs.
ROOM = "-" * 600

_SET_PARENT_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_LENGTH = struct.Struct("!I")
_FDS_MAX = 16

_libc = ctypes.CDLL(None, use_errno=True)
_cold_start: Callable[..., None] = subprocess.Popen._execute_child  # type: ignore[attr-defined]
_servers: dict[str, _Server | _Nest] = {}

#: The interpreter's own, before gevent may put others in their place.
_Socket, _fork, _waitpid, _poll, _sleep = socket.socket, os.fork, os.waitpid, select.poll, time.sleep


# in the tests' process ------------------------------------------------------------------------------------------


def install() -> None:
    """From now on, let this process start the project's programs warm."""
    if sys.platform == "linux" and not os.environ.get("STANDING_COLD"):
        subprocess.Popen._execute_child = _execute_child  # type: ignore[attr-defined]


@contextmanager
def cold() -> Iterator[None]:
    """Within this, programs start as they do anywhere else."""
    subprocess.Popen._execute_child = _cold_start  # type: ignore[attr-defined]
    try:
        yield
    finally:
        install()


def uninstall() -> None:
    """Start programs as they do anywhere else, and end what was forked from."""
    subprocess.Popen._execute_child = _cold_start  # type: ignore[attr-defined]
    while _servers:
        _servers.popitem()[1].end()


class _Server:
    """A process to be forked, of which each process that runs tests has its own."""

    def __init__(self, kind: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="standing-warm-"))
        self._path = self._folder / "socket"
        self._process = subprocess.Popen([sys.executable, "-m", __name__, kind, str(self._path), ROOM], stdin=subprocess.PIPE)
        self.environment = _interpreters(os.environ)
        deadline = time.monotonic() + 60
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
        with _Socket(socket.AF_UNIX) as connection:
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
    _libc.prctl(_SET_CHILD_SUBREAPER, 1)
    try:
        connection.sendmsg([_LENGTH.pack(len(body)) + body], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        return int(_LENGTH.unpack(connection.recv(_LENGTH.size, socket.MSG_WAITALL))[0])
    finally:
        _libc.prctl(_SET_CHILD_SUBREAPER, 0)


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
    if words[:2] == [sys.executable, "-m"] and words[2] in BESIDE_A_WORKER:
        return "beside" if "beside" in _servers else None
    kinds = {str(PROGRAMS / "gunicorn"): "web", str(PROGRAMS / "standing"): "commands"}
    return None if "beside" in _servers else kinds.get(words[0])


def _server(kind: str) -> _Server | _Nest:
    if kind not in _servers:
        _servers[kind] = _Server(kind)
    return _servers[kind]


def _interpreters(environment: Any) -> dict[str, str]:
    """What of an environment an interpreter reads as it starts. A test runner's own are no part of it."""
    return {name: value for name, value in environment.items() if name.startswith(INTERPRETER)}


# in the process that is forked ----------------------------------------------------------------------------------


def serve(kind: str, path: str) -> None:
    """Load what programs of a kind need, and fork one for each request, until the parent ends."""
    _load(kind)
    gc.collect()
    gc.freeze()
    with _Socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen()
        Path(f"{path}.new").rename(path)
        wait = _poll()
        wait.register(listener, POLLIN)
        wait.register(0, POLLHUP)
        while all(one == listener.fileno() for one, _ in wait.poll()):
            fd, _ = listener._accept()  # type: ignore[attr-defined]
            with _Socket(fileno=fd) as connection, suppress(OSError, EOFError):
                _answer(connection, listener)


def _answer(connection: socket.socket, *others: socket.socket) -> None:
    text, fds = _receive(connection)
    reader, writer = os.pipe()
    between = _fork()
    if not between:
        between = os.getpid()
        child = _fork()
        if child:
            os.write(writer, _LENGTH.pack(child))
            os._exit(0)
        while os.getppid() == between:  # Whose child it will be must be so before it looks.
            _sleep(0.0005)
        for one in (connection, *others):
            one.close()
        os.close(reader), os.close(writer)
        _become(json.loads(text), fds)
    _waitpid(between, 0)
    for fd in fds:
        os.close(fd)
    connection.sendall(os.read(reader, _LENGTH.size))
    os.close(reader), os.close(writer)


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    room = socket.CMSG_LEN(_FDS_MAX * array.array("i").itemsize)
    first, ancillary, _, _ = connection.recvmsg(65536, room)
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data)
    if not first:
        raise EOFError
    length = _LENGTH.unpack(first[: _LENGTH.size])[0]
    text = first[_LENGTH.size :]
    while len(text) < length:
        text += connection.recv(65536)
    return text, list(fds)


def _become(request: dict[str, Any], fds: list[int]) -> None:
    """Be the program that is asked for, as though it had just been started. Does not return."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    os.closerange(3, 256)
    os.chdir(request["cwd"])
    for name in set(os.environ) - set(request["environment"]):
        del os.environ[name]
    os.environ.update(request["environment"])
    resource.setrlimit(resource.RLIMIT_DATA, request["data"])
    words = request["arguments"]
    _show(words if words[0] == sys.executable else [sys.executable, *words])
    module = words[2] if words[1:2] == ["-m"] else None
    sys.argv, sys.path[0] = words[2:] if module else words, request["cwd"] if module else str(PROGRAMS)
    main = sys.modules["__main__"]
    main.__spec__ = main.__package__ = None
    main.__file__ = sys.argv[0]
    _open_standard_files()
    gc.unfreeze()
    status = 1
    try:
        status = _run_module(module) if module else _run(Path(sys.argv[0]).name)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _end(status)


def _show(words: list[str]) -> None:
    """Have the system list this process by these arguments."""
    numbers = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = map(int, numbers[45:47])
    shown = b"".join(os.fsencode(word) + b"\0" for word in words)[: end - begin - 1]
    ctypes.memmove(begin, shown.ljust(end - begin, b"\0"), end - begin)


def _run(program: str) -> int:
    from importlib import reload

    from store.system import fault_points

    reload(fault_points)  # It reads the environment as it is loaded.
    if sys.argv[1:2] == ["worker"]:
        os.register_at_fork(after_in_child=_leave_a_nest)
    if program == "gunicorn":
        from gunicorn.app.wsgiapp import run

        return run() or 0
    from store.cli import main

    return main() or 0


def _run_module(module: str) -> int:
    sys.modules.pop(module, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _leave_a_nest() -> None:
    """In a worker's child, which has just been forked: have a process to be forked for what runs beside it."""
    if "beside" in _servers:
        return
    ours, theirs = socket.socketpair()
    _servers["beside"] = _Nest(ours)
    subprocess.Popen._execute_child = _execute_child  # type: ignore[attr-defined]
    worker = os.getpid()
    if _fork():
        theirs.close()
        return
    _libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ours.close()
    subprocess.Popen._execute_child = _cold_start  # type: ignore[attr-defined]
    with suppress(OSError, EOFError):
        while os.getppid() == worker:
            _answer(theirs)
    os._exit(0)


def _open_standard_files() -> None:
    """The interpreter's own three, on the descriptors that are there now."""
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "rb", closefd=False)), errors=sys.stdin.errors)
    for number, name in ((1, "stdout"), (2, "stderr")):
        written = io.BufferedWriter(io.FileIO(number, "wb", closefd=False))
        at_once = number == 2 or os.isatty(number)
        made = io.TextIOWrapper(written, errors=getattr(sys, name).errors, line_buffering=at_once, write_through=number == 2)
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)


def _end(status: int) -> None:
    """End as an interpreter does."""
    import threading

    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
    with suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(status)


def _load(kind: str) -> None:
    if kind == "web":
        from gevent import monkey

        monkey.patch_all()
        names = [
            "gunicorn.app.wsgiapp",
            "gunicorn.workers.ggevent",
            "flask",
            "store.inbox.record",
            "store.operations.anomalies",
            "receiver.config",
            "rq",
            "alembic.command",
            "prometheus_client.multiprocess",
        ]
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.devnull  # It says how values are kept, and is replaced before there is one.
    else:
        names = ["rq", "alembic.command", "store.cli", "handlers.cli", "handlers.worker.rq_worker", "receiver.cli", *BESIDE_A_WORKER]
    import importlib

    for name in names:
        importlib.import_module(name)


if __name__ == "__main__":
    serve(*sys.argv[1:3])
