"""Processor time of process trees: nothing that was spent is lost, and each kind of process has its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.measures import processor
from benchmarks.measures.processor import Meter

#: Uses 0.2 s of processor time, says so, and waits for a line.
BUSY = """
import sys, time
while time.process_time() < 0.2: pass
print("used", flush=True)
sys.stdin.readline()
"""

#: Starts a child for each line, and says when it has waited for its end.
PARENT = """
import subprocess, sys
for _ in sys.stdin:
    subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.2: pass"], check=True)
    print("ended", flush=True)
"""

TENTH = 100_000


@contextmanager
def running(program: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def go_on(process: subprocess.Popen[str]) -> None:
    """Give a process a line, and wait for what it says."""
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline()


def test_a_process_that_ended_between_two_looks_is_counted() -> None:
    with running(PARENT) as parent:
        go_on(parent)
        meter = Meter({parent.pid: "web"}).start()
        go_on(parent)
        spent = meter.stop()
    assert 2 * TENTH * 0.9 <= spent["web"] < 2 * TENTH * 3


def test_a_child_of_another_kind_that_ends_takes_nothing_from_its_kind() -> None:
    """It was there at the first look. At the second its time is in its parent's account, which is of another kind."""
    dispatcher = f'import subprocess, sys\nchild = subprocess.Popen([sys.executable, "-c", {BUSY!r}, "-m handlers.notify.dispatcher"])\n'
    with running(dispatcher + 'child.wait()\nprint("ended", flush=True)\nsys.stdin.read()', "standing worker") as worker:
        assert worker.stdout
        worker.stdout.readline()
        meter = Meter({worker.pid: None}).start()
        go_on(worker)
        spent = meter.stop()
    assert spent.keys() <= {"worker", processor.SENDER}
    assert 0 <= spent["worker"] < 2 * TENTH


def test_kinds_are_told_apart_and_a_child_is_of_its_parents_kind() -> None:
    inner = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"
    with running(inner, "standing worker") as worker, running(BUSY, "valkey-server") as valkey:
        meter = Meter({worker.pid: None, valkey.pid: None})
        for process in (worker, valkey):
            assert process.stdout
            process.stdout.readline()
        seen = meter.start()._before
        assert {one.kind for pid, one in seen.items() if pid != valkey.pid} == {"worker"}
        assert seen[valkey.pid].kind == "Valkey"
        assert sum(one.ticks for pid, one in seen.items() if pid != valkey.pid) >= 0.18 * processor.TICKS


def test_what_only_measures_is_left_out_and_the_measurer_itself_is_apart() -> None:
    with running(PARENT) as parent, running(PARENT) as reader:
        meter = Meter({parent.pid: "web", reader.pid: "web"}, besides=(reader.pid,)).start()
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
        go_on(reader)
        spent = meter.stop()
    assert spent["web"] < TENTH
    assert spent[processor.SENDER] >= TENTH
    assert processor.together(spent) == spent["web"]


def test_a_root_that_ended_is_no_zero() -> None:
    with running(BUSY) as process:
        meter = Meter({process.pid: "web"}).start()
        process.kill()
        process.wait()
        with pytest.raises(ProcessLookupError):
            meter.stop()
