"""A replay: its forecast, its progress, and running, resuming or cancelling it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.console.pages.operations.replays import LABELS, TIMES
from receiver.web.auth import Right
from store.operations.replays import OPEN, Stage
from store.text.counts import counted

blueprint = Blueprint("replay", __name__)

#: What each state means, and what is to be done next.
SAYS = {
    Stage.ASKED: "A worker finds out what this replay would change. Nothing is changed yet.",
    Stage.PROPOSED: "The forecast is ready. Nothing is changed yet: look at it, then run the replay or cancel it.",
    Stage.CONSENTED: "A worker is about to run it.",
    Stage.RUNNING: "It is running. Live traffic goes first.",
    Stage.INTERRUPTED: "It was interrupted before its end. Run it, and it goes on where it stopped.",
    Stage.STOPPED: "It stopped: more applicants would change than are allowed to. Look at what it changed, then allow more, or cancel it.",
    Stage.DONE: "It is done.",
    Stage.CANCELLED: "It was cancelled. What it did before is not undone.",
}

#: States in which a worker is busy with it, so that the page is read again; and those in which it may be run.
BUSY = (Stage.ASKED, Stage.CONSENTED, Stage.RUNNING)
RUNNABLE = (Stage.PROPOSED, Stage.INTERRUPTED, Stage.STOPPED)


@blueprint.get("/replays/<name:replay_id>")
@guard.needs(Right.OPERATE)
def show(replay_id: str) -> Response:
    """Return a replay: which events, why, what it would do, and how far it is."""
    return _page(replay_id)


@blueprint.post("/replays/<name:replay_id>/run")
@guard.needs(Right.OPERATE)
def run(replay_id: str) -> AnyResponse:
    """Have a worker run a replay, or go on with it; with `max_changes`, allow so many applicants to change."""
    allowed = request.form.get("max_changes", "").strip()
    return _done(replay_id, "run", {"max_changes": forms.number(allowed)} if allowed else {}, "A worker runs the replay.")


@blueprint.post("/replays/<name:replay_id>/cancel")
@guard.needs(Right.OPERATE)
def cancel(replay_id: str) -> AnyResponse:
    """End a replay for good."""
    return _done(replay_id, "cancel", None, "The replay is cancelled.")


def _done(replay_id: str, act: str, body: dict[str, Any] | None, says: str) -> AnyResponse:
    def post() -> AnyResponse:
        g.api.post("replays", replay_id, act, body=body)
        return rendering.done("replay.show", says, replay_id=replay_id)

    return forms.attempt(post, lambda refused: _page(replay_id, refused))


def _page(replay_id: str, refused: Refused | None = None) -> Response:
    replay = g.api.get("replays", replay_id)
    stage = Stage(replay["status"])
    content = {"says": SAYS[stage], "busy": stage in BUSY, "runnable": stage in RUNNABLE, "open": stage in OPEN}
    wanted = [(LABELS[name], value, "time" if name in TIMES else "text") for name, value in replay["wanted"].items()]
    return forms.page("operations/replay.html", refused, replay=replay, wanted=wanted, counted=counted, **content)
