"""GET /healthz and /readyz: whether the process runs, and whether a delivery could be kept."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError

from receiver.monitoring import status
from receiver.monitoring.findings import privacy, service
from receiver.monitoring.findings.sentence import Finding
from receiver.openapi import service_schemas
from receiver.web import auth, queries
from receiver.web.call import call
from receiver.web.remembered import Remembered
from store import database
from store.database.sessions import Unfit
from store.inbox import wakeup
from store.inbox.spool.spool import Spool, host_spool
from store.operations import anomalies, health
from store.privacy.restoring import gate
from store.system.deadlines import DeadlineExceeded, DeadlineExecutor

#: Everyone may ask, and asking writes a row: the answer is remembered for a moment. What moves slowly is remembered longer.
REMEMBERED_SECONDS, SLOW_SECONDS = 1.0, 15.0
ANSWER_SECONDS = 1.5

#: What is said of these things degrades the service, unless it is `ok`.
DEGRADING = ("queue", "spool", "processes")

NOTHING_COUNTED: dict[str, Any] = {"workers": None, "backlog": None}
NOTHING_SEEN: dict[str, Any] = {"vendors": {}, "in_review_too_long": None}

T = TypeVar("T")

_askers, _lookers = DeadlineExecutor("ready", 2), DeadlineExecutor("look", 1)

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@call(right=None, query=None, answers=service_schemas.Alive)
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@call(
    right=None, query=None, optional_token=True, answers=service_schemas.Ready, statuses_with_content={503: "A delivery could not be kept."}
)
def readyz() -> Response:
    """503 only if a delivery could not be kept; `degraded` if it would not be handled soon. Counts and details need a metrics token or a
    reader's."""
    told = _readiness.tell()
    return queries.answer(told if auth.may_see_details() else _without_details(told), 503 if told["status"] == "unavailable" else 200)


def _without_details(told: dict[str, Any]) -> dict[str, Any]:
    """Return what a stranger may know: one word for each part."""
    workers, backlog, spool = told["workers"], told["backlog"], told.get("spool")
    shown = {name: told[name] for name in ("status", "database", "queue")}
    shown["workers"] = None if workers is None else "ok" if workers else "none"
    shown["backlog"] = None if backlog is None else "late" if backlog["oldest_seconds"] > health.WAIT_MAX_SECONDS else "ok"
    return shown | ({"spool": spool["status"]} if spool else {})


def _ask() -> dict[str, Any]:
    """Return each part, and in `attention` everything that makes the service degraded, first, and what else needs a look."""
    spool, outage, deadline = host_spool(), queue_outage.tell(), time.monotonic() + ANSWER_SECONDS
    parts: dict[str, Any] = {"queue": "unavailable" if outage else "ok"} | ({"spool": _ask_spool(spool)} if spool else {})
    degrades = [service.queue(outage), *service.spool(spool, socket.gethostname())]
    try:
        _askers.run(ANSWER_SECONDS, lambda: health.prove_writable(f"{socket.gethostname()}:{os.getpid()}"))
    except (SQLAlchemyError, OSError, DeadlineExceeded) as error:
        why = {"database_says": str(error)} if isinstance(error, Unfit) else {}
        spools = spool and parts["spool"]["status"] == "ok"
        kept = {"status": "degraded" if spools else "unavailable", "database": "unavailable"} | NOTHING_COUNTED | why
        found = [service.written(error)]
    else:
        kept, found = _within(deadline, _ask_database, (NOTHING_COUNTED, [service.NOT_COUNTED()]))
        kept = {"database": "ok"} | kept | _within(deadline, lambda: attention_told.tell().describe(), NOTHING_SEEN)
        found = [*found, *_within(deadline, look_told.tell, [service.NOT_LOOKED()])]
    degrades = [one for one in [*found, *degrades] if one.verdict == "wrong" or one.about in DEGRADING]
    degrades = [one for one in degrades if one.verdict != "ok"]
    looks = [one for one in found if one.verdict != "ok" and one not in degrades]
    return {"status": "degraded" if degrades else "ok"} | kept | parts | {"attention": [str(one) for one in [*degrades, *looks]]}


def _within(deadline: float, ask: Callable[[], T], otherwise: T) -> T:
    """Return an answer if it comes in time. What takes too long to find out makes no service unready."""
    try:
        return _lookers.run(max(0.05, deadline - time.monotonic()), ask)
    except (SQLAlchemyError, DeadlineExceeded):
        return otherwise


def _ask_spool(spool: Spool) -> dict[str, Any]:
    return {"status": "ok" if service.is_writable(spool) else "unavailable", "bytes": spool.bytes_spooled()}


def _ask_database() -> tuple[dict[str, Any], list[Finding]]:
    """Return the processes and the backlog, and what was found about them. Raises what the database raises."""
    backlog, workers, closed = health.backlog(), health.workers(), list(privacy.reading(gate.tell()))
    return {"workers": workers, "backlog": backlog.describe()}, [
        *closed,
        *([] if workers else [service.NO_WORKER()]),
        *service.backlog(backlog),
    ]


queue_outage = Remembered(wakeup.outage, seconds=REMEMBERED_SECONDS)
_readiness = Remembered(_ask, seconds=REMEMBERED_SECONDS)
attention_told = Remembered(lambda: database.read(anomalies.find), seconds=SLOW_SECONDS)
look_told = Remembered(lambda: database.read(status.attention), seconds=SLOW_SECONDS)
