"""The process to fork from: it loads what programs need, waits for requests at a socket, forks for each, and ends with its parent."""

from __future__ import annotations

import array
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from select import POLLHUP, POLLIN

from tests.support.warm import becoming, starting
from tests.support.warm.starting import BESIDE_A_WORKER, LENGTH, Socket, libc

_FDS_MAX = 16
_SET_PARENT_DEATH_SIGNAL = 1

#: The interpreter's own, before gevent may put others in their place.
_fork, _waitpid, _poll, _sleep = os.fork, os.waitpid, select.poll, time.sleep


def serve(kind: str, path: str) -> None:
    """Load what programs of a kind need, and fork one for each request, until the parent ends."""
    _load(kind, Path(path).parent)
    gc.collect()
    gc.freeze()
    with Socket(socket.AF_UNIX) as listener:
        listener.bind(f"{path}.new")
        listener.listen()
        Path(f"{path}.new").rename(path)
        wait = _poll()
        wait.register(listener, POLLIN)
        wait.register(0, POLLHUP)
        while all(one == listener.fileno() for one, _ in wait.poll()):
            fd, _ = listener._accept()  # type: ignore[attr-defined]
            with Socket(fileno=fd) as connection, suppress(OSError, EOFError):
                _answer(connection, listener)


def _answer(connection: socket.socket, *others: socket.socket) -> None:
    text, fds = _receive(connection)
    reader, writer = os.pipe()
    between = _fork()
    if not between:
        between = os.getpid()
        child = _fork()
        if child:
            os.write(writer, LENGTH.pack(child))
            os._exit(0)
        while os.getppid() == between:  # Whose child it will be must be so before it looks.
            _sleep(0.0005)
        for one in (connection, *others):
            one.close()
        os.close(reader), os.close(writer)
        becoming.become(json.loads(text), fds, in_a_workers_child=_leave_a_nest)
    _waitpid(between, 0)
    for fd in fds:
        os.close(fd)
    connection.sendall(os.read(reader, LENGTH.size))
    os.close(reader), os.close(writer)


def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    room = socket.CMSG_LEN(_FDS_MAX * array.array("i").itemsize)
    first, ancillary, _, _ = connection.recvmsg(65536, room)
    fds = array.array("i")
    for _, _, data in ancillary:
        fds.frombytes(data)
    if not first:
        raise EOFError
    length = LENGTH.unpack(first[: LENGTH.size])[0]
    text = first[LENGTH.size :]
    while len(text) < length:
        text += connection.recv(65536)
    return text, list(fds)


def _leave_a_nest() -> None:
    """In a worker's child, which has just been forked: have a process to be forked for what runs beside it."""
    if starting.has_nest():
        return
    ours, theirs = socket.socketpair()
    starting.use_nest(ours)
    worker = os.getpid()
    if _fork():
        theirs.close()
        return
    libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ours.close()
    starting.start_cold()
    with suppress(OSError, EOFError):
        while os.getppid() == worker:
            _answer(theirs)
    os._exit(0)


def _load(kind: str, folder: Path) -> None:
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
        # It says how values are kept. A forked process counts into files of its own, where its own environment says.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        importlib.import_module("receiver").load()
    else:
        names = [
            "rq",
            "alembic.command",
            "store.cli.root",
            "store.cli.maintenance",
            "handlers.cli.commands",
            "handlers.worker.rq_worker",
            "receiver.cli",
            *BESIDE_A_WORKER,
        ]
    for name in names:
        importlib.import_module(name)


if __name__ == "__main__":
    serve(*sys.argv[1:3])
