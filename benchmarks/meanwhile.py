"""What else goes on while something is measured: an act that is done again and again, and how long it takes each time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: How often it is done.
EVERY_SECONDS = 0.05


@contextmanager
def repeating(act: Callable[[int], bool]) -> Iterator[list[float]]:
    """Do an act 20 times a second, each time with its number; yields how long each took. One that returns False took for ever."""
    took: list[float] = []
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(EVERY_SECONDS):
            began = time.monotonic()
            is_done = act(len(took))
            took.append(time.monotonic() - began if is_done else float("inf"))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield took
    finally:
        ended.set()
        thread.join()
