"""GET /healthz and /readyz: whether the process lives, and whether a delivery could be kept."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from flask import Blueprint, Response, jsonify
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from receiver import secrets
from store import attention, database, doorbell, health, inbox
from store.deadline import Crew, Overdue
from store.sessions import Unfit
from store.spool import Spool, SpoolUnavailable

#: Everyone may ask, and asking writes a row: the answer is remembered for a moment. What moves slowly is remembered longer.
REMEMBERED_SECONDS, SLOW_SECONDS = 1.0, 15.0
ANSWER_SECONDS = 1.5

T = TypeVar("T")

_askers = Crew("ready", 2)

blueprint = Blueprint("health", __name__)


class Remembered(Generic[T]):
    """An answer that is asked for anew only now and then, however many want it."""

    def __init__(self, ask: Callable[[], T], *, seconds: float) -> None:
        self._ask, self._seconds = ask, seconds
        self._lock = threading.Lock()
        self._told: tuple[float, T] | None = None

    def tell(self) -> T:
        with self._lock:
            if self._told is None or time.monotonic() - self._told[0] > self._seconds:
                self._told = time.monotonic(), self._ask()
            return self._told[1]


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """503 only if a delivery could not be kept; `degraded` if it would not be handled soon."""
    told = _readiness.tell()
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
    except (SQLAlchemyError, Overdue) as error:
        why = {"database_says": str(error)} if isinstance(error, Unfit) else {}
        kept = spool and parts["spool"]["status"] == "ok"
        return {"status": "degraded" if kept else "unavailable"} | parts | {"database": "unavailable"} | why
    late = parts["backlog"]["oldest_seconds"] > health.WAIT_MAX_SECONDS
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
    told = {"workers": health.workers(), "backlog": {"pending": backlog.pending, "oldest_seconds": round(backlog.oldest_seconds, 3)}}
    found = attention_told.tell().describe()
    return told | found | {"attention": found["attention"] + secrets_told.tell()}


def _secrets(connection: Connection) -> list[str]:
    """Live secrets that are not the newest of theirs. Everyone may ask, so that none is named."""
    return [
        f"a secret of {one.vendor} is {one.says}"
        for one in secrets.look(connection)
        if one.environment == "live" and not one.newest and one.last_at
    ]


_readiness = Remembered(_ask, seconds=REMEMBERED_SECONDS)
secrets_told = Remembered(lambda: database.read(_secrets), seconds=SLOW_SECONDS)
attention_told = Remembered(lambda: database.read(attention.look), seconds=SLOW_SECONDS)
