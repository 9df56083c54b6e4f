"""The replay runner: a worker runs replays that were requested over HTTP, one at a time, in a process beside its own."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from typing import Any

import structlog

from handlers import config
from handlers.replay import execute, forecast
from store import database
from store.operations import replays
from store.operations.replays import Stage
from store.system import processes
from store.system.logs import describe_error
from store.system.processes import ChildProcess

log = structlog.get_logger()

ALIVE_SECONDS = 5.0

END_SECONDS = 10.0

#: A forecast names so many of the applicants that a replay would change; the command line names all.
NAMED_MAX = 100


class ReplayRunner:
    """Looks for replays that wait for a worker, and runs them in a process."""

    def __init__(self, runner: str) -> None:
        self._runner = runner
        self._child = ChildProcess()

    def look(self, *, look_seconds: float) -> None:
        """Start the next replay, unless one is running. A frozen one is killed first, and taken over by whoever looks next."""
        if self._child.kill_if_frozen(look_seconds=look_seconds):
            log.error("a replay is frozen; its process is killed")
        if self._child.runs():
            return
        with database.begin() as connection:
            row = replays.take(connection, self._runner)
        if row is not None:
            self._child.start_module("handlers.replay.runner", row.id, self._runner)

    def end(self) -> None:
        """Leave the running replay to another worker. Its pending events are handled by any worker."""
        self._child.end(END_SECONDS)


def run(replay_id: str, runner: str) -> None:
    """Forecast a replay, or run it, as its state says."""
    with database.reading() as connection:
        row = replays.find(connection, replay_id)
    assert row is not None
    threading.Thread(target=_say_alive, args=(replay_id, runner), daemon=True).start()
    if row.status == Stage.ASKED:
        _propose(row)
    else:
        stage = execute.run(replay_id, per_second=row.per_second, on_events=lambda _: None)
        log.info("a replay ended", replay_id=replay_id, stage=stage)


def _propose(row: Any) -> None:
    wanted = replays.wanted_of(row)
    found = forecast.would_do(wanted, on_events=lambda _: None)
    falling, rising = forecast.turned(found.differences)
    moves = Counter(one.move for one in found.differences)
    told = {
        "would_change": len(found.differences),
        "approvals_falling": falling,
        "approvals_rising": rising,
        "moves": [{"from": before, "to": after, "count": count} for (before, after), count in moves.most_common()],
        "cannot_be_read": len(found.failing),
        "unresolved": found.unresolved,
        "would_be_repaired": found.repaired,
        "applicants": [_brief(one) for one in map(forecast.describe, found.differences[:NAMED_MAX])],
    }
    with database.begin() as connection:
        now = replays.find(connection, row.id, lock=True)
        if now is not None and now.status == Stage.ASKED:
            count = replays.count(connection, wanted)
            replays.set_stage(connection, row.id, Stage.PROPOSED, forecast=told, events=count, runner=None)


def _brief(described: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in described.items() if name not in ("shown", "derived")}


def _say_alive(replay_id: str, runner: str) -> None:
    while True:
        try:
            mine = database.write(lambda connection: replays.heartbeat(connection, replay_id, runner))
            if not mine:
                log.warning("somebody else took the replay over", replay_id=replay_id)
                os._exit(0)
        except Exception as error:  # Whatever it is, another runner takes over a replay without a heartbeat.
            log.warning("a replay's runner could not write its heartbeat", error=describe_error(error))
        time.sleep(ALIVE_SECONDS)


if __name__ == "__main__":
    processes.begin()
    processes.live_with_parent(sys.argv[3])
    config.settings()
    run(sys.argv[1], sys.argv[2])
