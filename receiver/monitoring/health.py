"""GET /healthz and /readyz: whether the process runs, and whether a delivery could be kept."""

from __future__ import annotations

import os
import socket
from typing import Any

from flask import Blueprint, Response
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from receiver.monitoring import secret_usage
from receiver.openapi import service_schemas
from receiver.web import auth, queries
from receiver.web.cached_answers import Remembered
from receiver.web.call import call
from store import database
from store.database.sessions import Unfit
from store.inbox import wakeup
from store.inbox.spool import Spool, SpoolUnavailable, host_spool
from store.operations import anomalies, health
from store.system.deadlines import DeadlineExceeded, DeadlineExecutor

#: Everyone may ask, and asking writes a row: the answer is remembered for a moment. What moves slowly is remembered longer.
REMEMBERED_SECONDS, SLOW_SECONDS = 1.0, 15.0
ANSWER_SECONDS = 1.5

_askers = DeadlineExecutor("ready", 2)

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@call(right=None, query=None, answers=service_schemas.Alive)
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@call(right=None, query=None, shows_more=True, answers=service_schemas.Ready, same={503: "A delivery could not be kept."})
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
    shown["backlog"] = None if backlog is None else "late" if _is_late(backlog) else "ok"
    return shown | ({"spool": spool["status"]} if spool else {})


def _is_late(backlog: dict[str, Any]) -> bool:
    return bool(backlog["oldest_seconds"] > health.WAIT_MAX_SECONDS)


def _ask() -> dict[str, Any]:
    outage = queue_outage.tell()
    parts: dict[str, Any] = {
        "database": "ok",
        "queue": "unavailable" if outage else "ok",
        "workers": None,
        "backlog": None,
        "attention": [],
    }
    spool = host_spool()
    if spool:
        parts["spool"] = _ask_spool(spool)
    try:
        parts |= _askers.run(ANSWER_SECONDS, _ask_database)
    except (SQLAlchemyError, DeadlineExceeded) as error:
        why = {"database_says": str(error)} if isinstance(error, Unfit) else {}
        kept = spool and parts["spool"]["status"] == "ok"
        parts |= {"status": "degraded" if kept else "unavailable", "database": "unavailable"} | why
    else:
        spooled = spool and (parts["spool"]["bytes"] or parts["spool"]["status"] != "ok")
        fine = not outage and parts["workers"] and not _is_late(parts["backlog"]) and not spooled
        parts["status"] = "ok" if fine else "degraded"
    return parts | ({"attention": [*parts["attention"], f"the queue {outage}"]} if outage else {})


def _ask_spool(spool: Spool) -> dict[str, Any]:
    try:
        spool.prove_writable()
        status = "ok"
    except SpoolUnavailable:
        status = "unavailable"
    return {"status": status, "bytes": spool.bytes_spooled()}


def _ask_database() -> dict[str, Any]:
    health.prove_writable(f"{socket.gethostname()}:{os.getpid()}")
    backlog = health.backlog()
    told = {"workers": health.workers(), "backlog": {"pending": backlog.pending, "oldest_seconds": round(backlog.oldest_seconds, 3)}}
    found = attention_told.tell().describe()
    return told | found | {"attention": found["attention"] + secrets_told.tell()}


def _secrets(connection: Connection) -> list[str]:
    """Return the live secrets that are not the newest of their vendor, none of them named."""
    return [
        f"a secret of {one.vendor} is {one.says}"
        for one in secret_usage.look(connection)
        if one.environment == "live" and not one.newest and one.last_at
    ]


queue_outage = Remembered(wakeup.outage, seconds=REMEMBERED_SECONDS)
_readiness = Remembered(_ask, seconds=REMEMBERED_SECONDS)
secrets_told = Remembered(lambda: database.read(_secrets), seconds=SLOW_SECONDS)
attention_told = Remembered(lambda: database.read(anomalies.find), seconds=SLOW_SECONDS)
