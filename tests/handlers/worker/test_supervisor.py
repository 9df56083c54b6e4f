"""The worker's parent: it ends a child that hangs, wherever it hangs, and lets the next one work in peace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from store.system.processes import FROZEN_SECONDS
from tests.support.service import eventually

#: The first child hangs at a step of one of its threads; every other works, and says so.
SCRIPT = """
import os, sys, threading, time
from pathlib import Path
from handlers.worker.pulse import pulse
from handlers.worker.supervisor import Supervisor

def work(name, dead, begun):
    begun()
    with Path(sys.argv[1]).open("a") as started:
        started.write(f"{os.getpid()} {dead.pid if dead else None}\\n")
    pulse.beat_as(int(sys.argv[2]) if dead is None else 0)
    if sys.argv[3] == "raises" and dead is None:
        raise ValueError("nobody's data")
    if sys.argv[3] == "hangs" and dead is None:
        with pulse:
            time.sleep(60)
    while True:
        with pulse:
            pass
        time.sleep(0.01)

Supervisor(work, event_seconds_max=3, bytes_max=2**30).run()
"""


@pytest.mark.parametrize(("thread", "deed"), [("0", "hangs"), ("1", "hangs"), ("0", "raises")])
def test_a_child_that_hangs_or_fails_is_replaced_once_and_the_next_works_in_peace(tmp_path: Path, thread: str, deed: str) -> None:
    starts = tmp_path / "starts"
    with (tmp_path / "log").open("wb") as log:
        parent = subprocess.Popen([sys.executable, "-c", SCRIPT, str(starts), thread, deed], stdout=log, stderr=log)
    try:
        eventually(lambda: starts.exists() and len(starts.read_text().splitlines()) == 2, "the second child")
        with pytest.raises(subprocess.TimeoutExpired):
            parent.wait(6)
        assert len(starts.read_text().splitlines()) == 2
        assert ("ValueError at" in (tmp_path / "log").read_text()) == (deed == "raises")
        assert "nobody" not in (tmp_path / "log").read_text()
    finally:
        parent.send_signal(signal.SIGTERM)
        parent.wait(60)


def test_a_child_that_is_stopped_is_replaced(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    with (tmp_path / "log").open("wb") as log:
        parent = subprocess.Popen([sys.executable, "-c", SCRIPT, str(starts), "0", "works"], stdout=log, stderr=log)
    try:
        first = int(eventually(lambda: starts.exists() and starts.read_text(), "the first child").split()[0])
        os.kill(first, signal.SIGSTOP)
        eventually(lambda: starts.read_text().splitlines()[1:], "the second child", seconds=FROZEN_SECONDS + 60)
        assert starts.read_text().splitlines()[1].endswith(f" {first}")
        assert "the working process is frozen" in (tmp_path / "log").read_text()
    finally:
        parent.send_signal(signal.SIGTERM)
        parent.wait(60)
