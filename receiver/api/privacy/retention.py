"""/v1/retention, and when the relationship with a user ended, which is where the clock of retention begins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection

from receiver.api.privacy import subjects
from receiver.api.privacy.subjects import AnyEnvironment, Environment, InAnyEnvironment, InEnvironment
from receiver.openapi import privacy_schemas
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import call
from receiver.web.queries import AwareMoment
from store.access import audit
from store.inbox import wakeup
from store.privacy.keeping import relationships, retention
from store.privacy.keeping.retention import Ran

blueprint = Blueprint("retention", __name__, url_prefix="/v1")

#: The most that one run erases.
ERASED_MAX = 100_000

#: After so long it begins no further slice: the next run goes on.
RUN_SECONDS = 20.0


class RelationshipRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """When the relationship ended, and what that is based on."""

    ended_at: Annotated[AwareMoment | None, Meta(description="When it ended; null: it goes on.")]
    basis: Annotated[queries.Reason, Meta(description="What that is based on.")]
    environment: Environment = None


class RetentionRunRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why what is due is erased, and how much at most."""

    reason: queries.Reason
    max: Annotated[int, Meta(ge=1, le=ERASED_MAX, description="At most so many applicants, events and acts in all.")]
    environment: AnyEnvironment = None


@blueprint.put("/users/<name:external_user_id>/relationship")
@call(
    right=Right.PRIVACY,
    query=InEnvironment,
    body=RelationshipRequest,
    answers=privacy_schemas.Relationship,
    writes=True,
    wakes=True,
)
def put_relationship(
    connection: Connection, external_user_id: str, caller: Caller, query: InEnvironment, body: RelationshipRequest
) -> dict[str, Any]:
    """Record when the business relationship with a user ended, or that it goes on."""
    user, environment = subjects.user(external_user_id), subjects.environment(body.environment, query)
    ended_at, by = subjects.moment("ended_at", body.ended_at), caller.actor
    return relationships.end(connection, environment, user, ended_at=ended_at, basis=body.basis, by=by)


@blueprint.get("/users/<name:external_user_id>/relationship")
@call(
    right=Right.PRIVACY,
    query=InEnvironment,
    answers=privacy_schemas.Relationship,
    unknown="No relationship with this user is recorded.",
    audit_subject=lambda path, _: audit.user_subject(path["external_user_id"]),
)
def get_relationship(connection: Connection, external_user_id: str, query: InEnvironment) -> dict[str, Any] | None:
    """The business relationship with a user, as it was last recorded."""
    found = relationships.find(connection, subjects.environment(None, query), subjects.user(external_user_id))
    return relationships.describe(found) if found else None


@blueprint.get("/retention")
@call(right=Right.PRIVACY, query=InAnyEnvironment, answers=privacy_schemas.RetentionPreview)
def preview_retention(query: InAnyEnvironment) -> dict[str, Any]:
    """Each rule of RETENTION, how much is due by it, and who is. Nothing is erased."""
    found = queries.read_long(lambda connection: retention.preview(connection, environment=query.environment))
    return {"environment": query.environment, "data": found}


@blueprint.post("/retention/runs")
@call(
    right=Right.PRIVACY,
    query=InAnyEnvironment,
    body=RetentionRunRequest,
    answers=privacy_schemas.RetentionRun,
    status=202,
    other_statuses=(409,),
)
def run_retention(caller: Caller, query: InAnyEnvironment, body: RetentionRunRequest) -> dict[str, Any]:
    """Erase what is due by the rules, never more than `max`. A worker erases the applicants."""
    where = subjects.any_environment(body.environment, query)
    given: dict[str, Any] = {"by": caller.actor, "reason": body.reason, "max": body.max, "environment": where}
    with subjects.refusals():
        ran = queries.run_long(lambda: retention.total(_until_its_time_is_over(retention.run(**given))))
    wakeup.notify()
    return {"environment": where, **msgspec.structs.asdict(ran)}


def _until_its_time_is_over(parts: Iterator[Ran]) -> Iterator[Ran]:
    """Yield the slices of a run. None begins that the call's deadline could leave unanswered."""
    ends = time.monotonic() + RUN_SECONDS
    for part in parts:
        yield part
        if time.monotonic() > ends:
            return
