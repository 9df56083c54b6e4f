"""What a forked process does to be a program, as though it had just been started."""

from __future__ import annotations

import atexit
import ctypes
import gc
import io
import os
import resource
import runpy
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import reload
from pathlib import Path
from typing import Any

from tests.support.warm.starting import PROGRAMS, SAFE_PATH, UNBUFFERED


def become(request: dict[str, Any], fds: list[int], *, in_a_workers_child: Callable[[], None]) -> None:
    """Be the program that is asked for, as though it had just been started; of a worker, each child calls a function. Does not return."""
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
    sys.argv = words[2:] if module else words
    sys.path[:1] = [] if request["environment"].get(SAFE_PATH) else [request["cwd"] if module else str(PROGRAMS)]
    main = sys.modules["__main__"]
    main.__spec__ = main.__package__ = None
    main.__file__ = sys.argv[0]
    _open_standard_files()
    gc.unfreeze()
    status = 1
    try:
        status = _run_module(module) if module else _run(Path(sys.argv[0]).name, in_a_workers_child)
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


def _run(program: str, in_a_workers_child: Callable[[], None]) -> int:
    from store.system import fault_points

    reload(fault_points)  # It reads the environment as it is loaded.
    if sys.argv[1:2] == ["worker"]:
        os.register_at_fork(after_in_child=in_a_workers_child)
    if program == "gunicorn":
        from gunicorn.app.wsgiapp import run

        return run() or 0
    from store.cli.root import main

    return main() or 0


def _run_module(module: str) -> int:
    sys.modules.pop(module, None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    return 0


def _open_standard_files() -> None:
    """The interpreter's own three, on the descriptors that are there now."""
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, "rb", closefd=False)), errors=sys.stdin.errors)
    for number, name in ((1, "stdout"), (2, "stderr")):
        written = io.BufferedWriter(io.FileIO(number, "wb", closefd=False))
        at_once = number == 2 or bool(os.environ.get(UNBUFFERED))
        lines = at_once or os.isatty(number)
        made = io.TextIOWrapper(written, errors=getattr(sys, name).errors, line_buffering=lines, write_through=at_once)
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)


def _end(status: int) -> None:
    """End as an interpreter does."""
    with suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
    with suppress(BaseException):
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BaseException):
            stream.flush()
    os._exit(status)
