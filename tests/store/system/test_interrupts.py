"""Ctrl-C in a command waits for the end of a transaction, so that what is said of the interruption can be written."""

from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import sys, time
from store.system import interrupts

interrupts.install()
try:
    with interrupts.held_back():
        print("open", flush=True)
        sys.stdin.readline()
        print("still open", flush=True)
    print("not here", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("at once", flush=True)
"""


def test_it_comes_at_the_end_of_the_transaction_and_outside_of_one_at_once() -> None:
    running = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdout
    assert running.stdin
    assert running.stdout.readline() == "open\n"
    running.send_signal(signal.SIGINT)
    running.stdin.write("\n")
    running.stdin.flush()
    assert [running.stdout.readline() for _ in range(3)] == ["still open\n", "interrupted\n", "waiting\n"]
    running.send_signal(signal.SIGINT)
    assert running.communicate(timeout=60) == ("at once\n", None)
