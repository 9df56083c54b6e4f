"""GET /healthz and /readyz: whether the process lives, and whether a delivery could be kept."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import Any

from flask import Blueprint, Response, jsonify
from sqlalchemy.exc import SQLAlchemyError

from store import doorbell, health, inbox
from store.deadline import Crew, Overdue
from store.spool import Spool, SpoolUnavailable

#: Everyone may ask, and asking writes a row: the answer is remembered for a moment.
REMEMBERED_SECONDS = 1.0
ANSWER_SECONDS = 1.5

#: A backlog older than this is worth a look.
WAIT_MAX_SECONDS = 60.0

_askers = Crew("ready", 2)

blueprint = Blueprint("health", __name__)


class Readiness:
    """What `/readyz` tells, asked anew at most once a second in a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._told: dict[str, Any] = {}

    def tell(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() - self._asked_at > REMEMBERED_SECONDS:
                self._told = _ask()
                self._asked_at = time.monotonic()
            return self._told


readiness = Readiness()


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """503 only if a delivery could not be kept; `degraded` if it would not be handled soon."""
    told = readiness.tell()
    response = jsonify(told)
    response.status_code = 503 if told["status"] == "unavailable" else 200
    return response


def _ask() -> dict[str, Any]:
    parts: dict[str, Any] = {"database": "ok", "queue": "ok" if doorbell.hears() else "unavailable", "workers": None, "backlog": None}
    spool = inbox.spool()
    if spool:
        parts["spool"] = _ask_spool(spool)
    try:
        parts |= _askers.within(ANSWER_SECONDS, _ask_database)
    except (SQLAlchemyError, Overdue):
        kept = spool and parts["spool"]["status"] == "ok"
        return {"status": "degraded" if kept else "unavailable"} | parts | {"database": "unavailable"}
    late = parts["backlog"]["oldest_seconds"] > WAIT_MAX_SECONDS
    spooled = spool and (parts["spool"]["bytes"] or parts["spool"]["status"] != "ok")
    fine = parts["queue"] == "ok" and parts["workers"] and not late and not spooled
    return {"status": "ok" if fine else "degraded"} | parts


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
    return {"workers": health.workers(), "backlog": {"pending": backlog.pending, "oldest_seconds": round(backlog.oldest_seconds, 3)}}
