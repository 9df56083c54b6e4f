"""The log: how far it is signed, what is wrong with it, the newest checkpoint, the keys, and files for an auditor."""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column
from receiver.console.pages import attention
from receiver.web.auth import Right
from store.text.counts import counted

blueprint = Blueprint("log", __name__)

NEVER = "It has no checkpoint yet."

PLACES = (
    Column(name="place", label="Place"),
    Column(name="size", label="Leaves", kind="number"),
    Column(name="epoch", label="Epoch", kind="number"),
    Column(name="published_at", label="Published", kind="time"),
    Column(name="failed_at", label="The last attempt failed", kind="time"),
    Column(name="error", label="Why"),
)


@blueprint.get("/log")
@guard.needs(Right.READ)
def show() -> Response:
    """Return the state of the log, and what of it an auditor takes."""
    return _page()


@blueprint.get("/log/checkpoint")
@guard.needs(Right.READ)
def checkpoint() -> Response:
    """Return the newest checkpoint as a file."""
    note = g.api.text("log", "checkpoint")
    return rendering.file(note, f"log-{_size(note)}.checkpoint")


@blueprint.get("/log/keys")
@guard.needs(Right.READ)
def keys() -> Response:
    """Return the public keys of all epochs as a file."""
    return rendering.file(g.api.text("log", "keys"), "log.keys")


@blueprint.get("/log/consistency")
@guard.needs(Right.READ)
def consistency() -> AnyResponse:
    """Return the file that shows that the log begins with what it was, as large as the address says; without a size, the form."""
    size = request.args.get("from", "").strip()

    def act() -> Response:
        return rendering.file(g.api.text("log", "consistency", **{"from": size}), f"log-from-{size}.consistency")

    return forms.attempt(act, _page, (400, 404, 409)) if size else _page()


def _page(refused: Refused | None = None) -> Response:
    state = g.api.get("log")
    return forms.page(
        "log/log.html",
        refused,
        log=state,
        needs_a_look=attention.worst_first(line for line in state["findings"] if line["verdict"] != "ok"),
        checkpoint=_signed("checkpoint"),
        keys=_signed("keys"),
        places=PLACES,
        published=[one | {"error": one["error"] or ("" if one["published_at"] else NEVER)} for one in state["publications"]],
        size=request.args.get("from", ""),
        counted=counted,
    )


def _signed(name: str) -> str:
    """Return what only a signed log has; empty where nothing is signed."""
    try:
        found: str = g.api.text("log", name)
    except Refused as refused:
        if refused.status != 404:
            raise
        return ""
    return found


def _size(note: str) -> str:
    """Return how many leaves a checkpoint has, which is its second line."""
    return note.split("\n")[1]
