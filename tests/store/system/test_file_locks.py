"""Locks of all processes of a host: one holds it, the others wait only so long, and nobody else of their process waits along."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from store.system.file_locks import HostLock

#: In the web process each connection has a greenlet: one holds the lock over work that gives way, the other wants it meanwhile.
GREENLETS = """
from gevent import monkey
monkey.patch_all()
import sys, threading, time
from pathlib import Path
from store.inbox.spool import spool as spools
from store.inbox.spool.spool import Spool

spools.LOCK_SECONDS = 20.0  # How long a delivery may wait is not the matter here.
spool = Spool(Path(sys.argv[1]), bytes_max=10_000)
spool.append(b"first")

def take_in(records, is_last):
    appends.start()
    time.sleep(0.1)
    print("taken in", *records, flush=True)

def append():
    spool.append(b"second")
    print("appended", flush=True)

appends = threading.Thread(target=append)
spool.empty(take_in, most=10)
appends.join()
"""

HOLDER = """
import sys
from pathlib import Path
from store.system.file_locks import HostLock

with HostLock(Path(sys.argv[1])).held(seconds=0) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


def test_a_greenlet_that_waits_for_the_spool_lets_the_one_that_empties_it_go_on(tmp_path: Path) -> None:
    """The story: the database is back, the last of the spool is brought in, and a delivery comes to the same process."""
    played = subprocess.run(
        [sys.executable, "-c", GREENLETS, str(tmp_path / "spool")], capture_output=True, text=True, timeout=120, check=True
    )
    assert played.stdout.splitlines() == ["taken in b'first'", "appended"]


def test_one_process_at_a_time_holds_it_and_a_killed_one_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = HostLock(path)
    other = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout
    assert other.stdout.readline() == "True\n"
    with lock.held(seconds=0.05) as mine:
        assert not mine
    other.kill()
    other.communicate()
    with lock.held(seconds=0) as mine:
        assert mine


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_a_thread_that_waits_in_vain_is_told_and_the_next_has_it(tmp_path: Path, seconds: float) -> None:
    lock, told = HostLock(tmp_path / "lock"), []

    def want() -> None:
        with lock.held(seconds=seconds) as mine:
            told.append(mine)

    with lock.held(seconds=0) as mine:
        assert mine
        waiter = threading.Thread(target=want)
        waiter.start()
        waiter.join(60)
    want()
    assert told == [False, True]


def test_whoever_waits_has_it_as_soon_as_it_is_free(tmp_path: Path) -> None:
    lock, order = HostLock(tmp_path / "lock"), []

    def want() -> None:
        with lock.held(seconds=60) as mine:
            order.append(("waiter", mine))

    with lock.held(seconds=0):
        waiter = threading.Thread(target=want)
        waiter.start()
        time.sleep(0.05)
        order.append(("holder", True))
    waiter.join(60)
    assert order == [("holder", True), ("waiter", True)]


def test_a_folder_that_is_not_there_is_the_callers_to_make(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), HostLock(tmp_path / "none" / "lock").held(seconds=1):
        pass
