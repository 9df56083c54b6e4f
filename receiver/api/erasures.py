"""/v1/erasures: a person's request to be erased, what another person decides about it, and its certificate."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.api import subjects
from receiver.api.subjects import EntryId, InEnvironment, Subject
from receiver.openapi import privacy_schemas
from receiver.openapi.privacy_schemas import ErasureStatus
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, call
from receiver.web.problems import Problem
from receiver.web.queries import AwareMoment, Page
from store.privacy import certificate, requests
from store.system import clock

blueprint = Blueprint("erasures", __name__, url_prefix="/v1")

UNKNOWN = "No erasure has this id."
Basis = Annotated[queries.Reason, Meta(description="The legal basis.")]


class ErasureRequest(Subject, kw_only=True):
    """Who asks to be erased, when, and why."""

    reason: queries.Reason
    received_at: Annotated[AwareMoment | None, Meta(description="When the person asked. Default: now.")] = None


class Approval(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why a request is approved."""

    reason: queries.Reason
    basis: Basis | None = None
    early: Annotated[bool, Meta(description="Before the end of the time for which the data is kept. Needs a basis.")] = False
    with_vendor: Annotated[bool, Meta(description="Ask the vendor to erase, too.")] = False


class Refusal(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why a request is refused, and until when."""

    reason: queries.Reason
    basis: Basis
    until: Annotated[AwareMoment | None, Meta(description="Then it is due. Default: `keep_until`.")] = None
    restrict: Annotated[bool, Meta(description="Until then only privacy officers may look.")] = False


class ReadmitRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why erased applicants may begin again."""

    reason: queries.Reason


class ErasuresQuery(Page, forbid_unknown_fields=True):
    status: ErasureStatus | None = None


ERASURE_PAGE = PageOf(privacy_schemas.Erasure, place=lambda row: [row.id], describe=requests.describe, after=tuple[EntryId], start=(None,))


@blueprint.post("/erasures")
@call(
    right=Right.REQUEST,
    query=InEnvironment,
    body=ErasureRequest,
    answers=privacy_schemas.Erasure,
    status=201,
    statuses_with_content={200: "A request for the same is open."},
    writes=True,
)
def request_erasure(connection: Connection, caller: Caller, query: InEnvironment, body: ErasureRequest) -> Response:
    """Request an erasure. Another person decides about it. An open request for the same is answered with 200."""
    whom, received_at = subjects.whom(body, query), subjects.moment("received_at", body.received_at) or clock.now()
    if received_at > clock.now() + requests.AHEAD_MAX:
        raise Problem(400, "Invalid value for 'received_at' in the body.")
    with subjects.refusals():
        found, is_new = requests.request(connection, whom, by=subjects.actor(caller), reason=body.reason, received_at=received_at)
    return queries.answer(found, 201 if is_new else 200)


@blueprint.get("/erasures")
@call(right=Right.PRIVACY, query=ErasuresQuery, answers=ERASURE_PAGE)
def list_erasures(connection: Connection, query: ErasuresQuery, after: tuple[str | None]) -> list[Row[Any]]:
    """Erasures, in the order in which they were requested."""
    return requests.listing(connection, environment=query.environment, status=query.status, after=after[0], limit=query.limit + 1)


@blueprint.get("/erasures/<name:erasure_id>")
@call(right=Right.PRIVACY, answers=privacy_schemas.Erasure, unknown=UNKNOWN)
def get_erasure(connection: Connection, erasure_id: str) -> dict[str, Any]:
    """An erasure, and its progress."""
    with subjects.refusals():
        return requests.describe(requests.find(connection, subjects.known(erasure_id)))


@blueprint.get("/erasures/<name:erasure_id>/certificate")
@call(right=Right.PRIVACY, answers=privacy_schemas.Certificate, other_statuses=(409,), unknown=UNKNOWN)
def get_certificate(connection: Connection, erasure_id: str) -> dict[str, Any]:
    """What was erased, when, by whose decision, and what it does not cover. 409 while the erasure is not done."""
    with subjects.refusals():
        return certificate.certificate(connection, subjects.known(erasure_id))


@blueprint.post("/erasures/<name:erasure_id>/approve")
@call(
    right=Right.PRIVACY,
    body=Approval,
    answers=privacy_schemas.Erasure,
    status=202,
    other_statuses=(409,),
    unknown=UNKNOWN,
    writes=True,
    wakes=True,
)
def approve_erasure(connection: Connection, erasure_id: str, caller: Caller, body: Approval) -> dict[str, Any]:
    """Approve another person's request. A worker erases. Before `keep_until` only `early`, with a basis."""
    given = msgspec.structs.asdict(body)
    with subjects.refusals():
        return requests.approve(connection, subjects.known(erasure_id), by=subjects.actor(caller), **given)


@blueprint.post("/erasures/<name:erasure_id>/refuse")
@call(
    right=Right.PRIVACY,
    body=Refusal,
    answers=privacy_schemas.Erasure,
    status=202,
    other_statuses=(409,),
    unknown=UNKNOWN,
    writes=True,
    wakes=True,
)
def refuse_erasure(connection: Connection, erasure_id: str, caller: Caller, body: Refusal) -> dict[str, Any]:
    """Refuse another person's request until a time. Then it is due, as far as no hold is on it and no relationship goes on."""
    given = msgspec.structs.asdict(body) | {"until": subjects.moment("until", body.until)}
    with subjects.refusals():
        return requests.refuse(connection, subjects.known(erasure_id), by=subjects.actor(caller), **given)


@blueprint.post("/erasures/<name:erasure_id>/readmit")
@call(
    right=Right.PRIVACY,
    body=ReadmitRequest,
    answers=privacy_schemas.Erasure,
    other_statuses=(409,),
    unknown=UNKNOWN,
    writes=True,
)
def readmit(connection: Connection, erasure_id: str, caller: Caller, body: ReadmitRequest) -> dict[str, Any]:
    """Let the erased applicants begin again, with vendor times from now on."""
    with subjects.refusals():
        return requests.readmit(connection, subjects.known(erasure_id), by=subjects.actor(caller), reason=body.reason)
