"""Who reads the change feed meanwhile: each change comes once and in its place, or never."""

from __future__ import annotations

import threading

from receiver.simulator.client import Service

#: How many it asks for at a time, and how long it waits for the next.
LIMIT, WAIT_SECONDS = 500, 1

#: Before it asks again where it got no answer.
PAUSE_SECONDS = 0.2


class Reader(threading.Thread):
    """Follows the feed from its beginning, as a program downstream does; asks again when it gets no answer."""

    def __init__(self, service: Service) -> None:
        super().__init__(name="reader", daemon=True)
        #: The cursors of the changes read, in the order in which they came.
        self.cursors: list[str] = []
        self._service = service
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.is_set():
            if not self._read(wait=WAIT_SECONDS):
                self._stopping.wait(PAUSE_SECONDS)

    def finish(self) -> list[str]:
        """Read what is left; give the cursors of all that came."""
        self._stopping.set()
        self.join()
        while self._read(wait=0):
            pass
        return self.cursors

    def _read(self, *, wait: int) -> bool:
        """Whether something came."""
        after = {"after": self.cursors[-1]} if self.cursors else {}
        answer = self._service.read("changes", limit=str(LIMIT), wait=str(wait), **after)
        found = answer.content.get("data", []) if answer.status == 200 else []
        self.cursors += [change["cursor"] for change in found]
        return bool(found)
