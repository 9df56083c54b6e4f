"""A person across vendors: who approves, who blocks, every applicant, and what a privacy officer does about the person."""

from __future__ import annotations

from flask import Blueprint, Response, g, request
from werkzeug.wrappers import Response as AnyResponse

from receiver.console import forms, guard, rendering
from receiver.console.api import Refused
from receiver.console.lists import Column
from receiver.console.pages.people import addresses, commands, personal_data
from receiver.web.auth import Right

blueprint = Blueprint("person", __name__)

ROWS = 100
COLUMNS = (
    Column(name="reference", label="Reference", link=addresses.applicant),
    Column(name="vendor", label="Vendor"),
    Column(name="status", label="Status", kind="status"),
    Column(name="level", label="Level"),
    Column(name="hits", label="Hits"),
    Column(name="flags", label="Flags"),
    Column(name="reasons", label="Reasons"),
    Column(name="updated_at", label="Changed", kind="time"),
)


@blueprint.get("/persons/<name:external_user_id>")
@guard.needs(Right.READ)
def show(external_user_id: str) -> Response:
    """Return a person's applicants of all vendors."""
    return _page(external_user_id)


@blueprint.post("/persons/<name:external_user_id>/access-export")
@guard.needs(Right.PRIVACY, proof=True)
def export_access(external_user_id: str) -> AnyResponse:
    """Return what is kept about a person, as a file."""
    body = {"reason": forms.reason(), "withhold": request.form.get("withhold", "adverse")}
    segments, query = ("users", external_user_id, "access-exports"), {"environment": rendering.environment()}

    def act() -> AnyResponse:
        content = g.api.raw("POST", segments, body=body, query=query)
        return rendering.file(content, "access-export.json", "application/json")

    return forms.attempt(act, lambda refused: _page(external_user_id, refused), (400, 404))


def _page(external_user_id: str, refused: Refused | None = None) -> Response:
    query = {"environment": rendering.environment(), "limit": ROWS, "cursor": request.args.get("cursor")}
    try:
        found = g.api.get("users", external_user_id, **query)
    except Refused as unknown:
        if unknown.status != 404:
            raise
        found = None
    answer = forms.page(
        "people/person.html",
        refused,
        external_user_id=external_user_id,
        found=found,
        columns=COLUMNS,
        personal=personal_data.about(external_user_id=external_user_id),
        command=commands.about_person(external_user_id),
        typed=request.form,
    )
    if found is None:
        answer.status_code = 404
    return answer
