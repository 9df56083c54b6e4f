"""Proofs: one file that shows, offline, that an event, a change, an act, an erasure or a hold is as it was logged."""

from __future__ import annotations

from flask import Blueprint, Response, g
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import guard, rendering
from receiver.console.api import Refused
from receiver.console.pages.operations import event
from receiver.web.auth import Right

blueprint = Blueprint("proofs", __name__)


@blueprint.get("/events/<name:event_id>/proof")
@guard.needs(Right.READ)
def of_event(event_id: str) -> Response:
    """Return the proof of an event, in which its body is a digest."""
    return _proof("event", event_id, body="false")


@blueprint.post("/events/<name:event_id>/proof")
@guard.needs(Right.PRIVACY, proof=True)
def of_event_with_body(event_id: str) -> AnyResponse:
    """Return the proof of an event with its body. The audit log records who read it, and why."""
    return event.attempt(event_id, lambda: _proof("event", event_id, body="true", reason=event.reason_to_read()))


@blueprint.get("/changes/<name:change>/proof")
@guard.needs(Right.READ)
def of_change(change: str) -> Response:
    """Return the proof of a change, by its cursor or its number in the feed."""
    return _proof("change", change)


@blueprint.get("/audit/<name:act_id>/proof")
@guard.needs(Right.OPERATE)
def of_act(act_id: str) -> Response:
    """Return the proof of an act."""
    return _proof("act", act_id)


@blueprint.get("/erasures/<name:erasure_id>/proof")
@guard.needs(Right.PRIVACY)
def of_erasure(erasure_id: str) -> Response:
    """Return the proof of an erasure's last stage."""
    return _proof("erasure", erasure_id)


@blueprint.get("/holds/<name:hold_id>/proof")
@guard.needs(Right.PRIVACY)
def of_hold(hold_id: str) -> Response:
    """Return the proof of a hold's last stage."""
    return _proof("hold", hold_id)


def _proof(about: str, name: str, **query: str) -> Response:
    """Return a proof as a file; while it is not logged, a page that says so."""
    try:
        found = g.api.text("log", "proof", **{about: name}, **query)
    except Refused as refused:
        if refused.status != 404 or refused.retry_after is None:
            raise
        return _not_logged(about, name, refused)
    return rendering.file(found, f"{about}-{name}.tlog-proof")


def _not_logged(about: str, name: str, refused: Refused) -> Response:
    wanted = {"about": about, "name": name, "seconds": refused.retry_after, "kept": guard.typed()}
    answer = rendering.page("log/not_logged.html", refused.status, detail=refused.detail, **wanted)
    answer.headers["Retry-After"] = str(refused.retry_after)
    return answer
