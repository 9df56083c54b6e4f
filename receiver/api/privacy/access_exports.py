"""POST /v1/users/<external_user_id>/access-exports: what is kept about a person, as far as it may be disclosed."""

from __future__ import annotations

from typing import Annotated

import msgspec
from flask import Blueprint, Response
from msgspec import Meta

from receiver.api.privacy import subjects
from receiver.api.privacy.subjects import Environment, InEnvironment
from receiver.openapi import privacy_schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import call
from receiver.web.problems import Problem
from store.privacy import access_export
from store.privacy.access_export import Withhold
from store.privacy.acts import DataSubject

blueprint = Blueprint("access_exports", __name__, url_prefix="/v1")

UNKNOWN = "Nothing is kept about this person."


class AccessExportRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why the export is made, and what it leaves out."""

    reason: queries.Reason
    withhold: Annotated[Withhold, Meta(description="`adverse`: whatever could tip the person off. `none`: nothing.")] = Withhold.ADVERSE
    environment: Environment = None


@blueprint.post("/users/<name:external_user_id>/access-exports")
@call(right=Right.PRIVACY, query=InEnvironment, body=AccessExportRequest, answers=privacy_schemas.AccessExport, unknown=UNKNOWN)
def export_access(external_user_id: str, caller: Caller, query: InEnvironment, body: AccessExportRequest) -> Response:
    """What is kept about a person, from a list of fields that may be disclosed. The audit log records who made it, and why."""
    subject = DataSubject(environment=subjects.environment(body.environment, query), external_user_id=subjects.user(external_user_id))
    by = caller.actor
    found = queries.write_long(
        lambda connection: access_export.make(connection, subject, withhold=body.withhold, by=by, reason=body.reason)
    )
    if found is None:
        raise Problem(404, UNKNOWN)
    answer = queries.answer(found)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Disposition"] = 'attachment; filename="access-export.json"'
    return answer
