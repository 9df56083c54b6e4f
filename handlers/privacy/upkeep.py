"""What is done every hour beside the erasures: notices are emptied, rules of retention and the master keys are looked after, and the
embedded database lets go of what was deleted."""

from __future__ import annotations

import structlog

from handlers.privacy.pace import Pace, Stopped
from store import config, database
from store.access.operators import Actor
from store.privacy import master_keys
from store.privacy.erasing import leftovers, trace_erasure
from store.privacy.keeping import retention
from store.privacy.restoring import gate
from store.system import clock
from store.system.logs import describe_error

log = structlog.get_logger()

#: Notices that one transaction empties.
NOTICES_AT_ONCE = 200

#: Who acts.
BY = Actor("standing", by_token=False)


def run(pace: Pace) -> None:
    """Do all of it. A part that fails does not keep the others from being done. Raises Stopped, and what the database raises."""
    for part in (_empty_notices, _catch_up, _look_after_keys, _run_retention, _clear):
        try:
            part(pace)
        except (Stopped, *database.Failure):
            raise
        except Exception as error:
            log.error("a part of the upkeep failed", place=part.__name__, error=describe_error(error))


def _catch_up(_: Pace) -> None:
    database.write(gate.catch_up)


def _clear(_: Pace) -> None:
    leftovers.clear_once()


def _look_after_keys(_: Pace) -> None:
    if said := master_keys.upkeep(clock.now()):
        log.info("the master keys were looked after", cause=said)


def _run_retention(pace: Pace) -> None:
    """Write down the erasures that the rules of RETENTION ask for, if there are any. They are carried out like all others."""
    if not config.settings().privacy.retention:
        return
    for _ in retention.run(by=BY, reason="as scheduled"):
        pace.give_way()


def _empty_notices(pace: Pace) -> None:
    before, emptied = clock.now() - config.settings().privacy.notice, 0
    while count := database.write(lambda connection: trace_erasure.empty_notices(connection, before=before, limit=NOTICES_AT_ONCE)):
        emptied += count
        pace.give_way()
    if emptied:
        log.info("notices of erasures are emptied", count=emptied)
