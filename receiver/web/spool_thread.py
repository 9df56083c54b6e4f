"""The spool's thread: imports what was spooled into the database as soon as it is available again, beside the requests."""

from __future__ import annotations

import threading
import time

import structlog

from store.inbox import wakeup
from store.inbox.spool import spool_import
from store.inbox.spool.spool import host_spool
from store.system.logs import describe_error

log = structlog.get_logger()

LOOK_SECONDS = 0.5


def begin() -> None:
    """Import this host's spool, if there is one, as long as the process runs. One process of the host does so at a time."""
    if host_spool():
        threading.Thread(target=_look_after, name="spool", daemon=True).start()


def _look_after() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            count = spool_import.take_in_spooled()
        except Exception as error:  # Whatever it is, what is spooled is not forgotten, and this goes on.
            log.warning("what is spooled cannot be brought into the database yet", error=describe_error(error))
            continue
        if count:
            wakeup.notify()
            log.info("what was spooled is in the database", count=count)
