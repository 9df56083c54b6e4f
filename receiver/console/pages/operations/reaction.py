"""A reaction: a change for one subscriber, and what was answered to each attempt."""

from __future__ import annotations

from flask import Blueprint, Response, g
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.web.auth import Right
from store.outbox.dispatch import ReactionStatus

blueprint = Blueprint("reaction", __name__)

#: What each state means.
SAYS = {
    ReactionStatus.PENDING: "The subscriber is to be notified of this change.",
    ReactionStatus.DONE: "The subscriber was notified of this change.",
    ReactionStatus.FAILED: "It gave up. Look at the last answer, repair the cause, and run it again.",
    ReactionStatus.FORGOTTEN: "It was ended, because its subscriber is configured no more.",
}


@blueprint.get("/reactions/<name:reaction_id>")
@guard.needs(Right.READ)
def show(reaction_id: str) -> Response:
    """Return a reaction, with the answer to each attempt."""
    return _page(reaction_id)


@blueprint.post("/reactions/<name:reaction_id>/run")
@guard.needs(Right.OPERATE)
def run(reaction_id: str) -> AnyResponse:
    """Run a reaction again that gave up."""

    def act() -> AnyResponse:
        g.api.post("reactions", reaction_id, "run")
        return rendering.done("reaction.show", "The reaction is run again.", reaction_id=reaction_id)

    return forms.attempt(act, lambda refused: _page(reaction_id, refused))


def _page(reaction_id: str, refused: Refused | None = None) -> Response:
    reaction = g.api.get("reactions", reaction_id)
    says = SAYS[ReactionStatus(reaction["status"])]
    return forms.page("operations/reaction.html", refused, reaction=reaction, says=says)
