"""/v1/erasures: a person's request to be erased, what another person decides about it, and its certificate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import msgspec
from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.api.privacy import subjects
from receiver.api.privacy.subjects import AboutQuery, AnyEnvironment, EntryId, InAnyEnvironment, InEnvironment, Subject
from receiver.openapi import privacy_schemas
from receiver.openapi.privacy_schemas import ErasureStatus
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, call
from receiver.web.problems import Problem
from receiver.web.queries import AwareMoment
from store.privacy import certificate, requests
from store.system import clock
from store.text.states import VendorEnvironment

blueprint = Blueprint("erasures", __name__, url_prefix="/v1")

UNKNOWN = "No erasure has this id."
Basis = Annotated[queries.Reason, Meta(description="The legal basis.")]


class ErasureRequest(Subject, kw_only=True):
    """Who asks to be erased, when, and why."""

    reason: queries.Reason
    received_at: Annotated[AwareMoment | None, Meta(description="When the person asked. Default: now.")] = None


class ErasureDecision(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why a request is approved, or refused until when. What the other decision alone takes is null or false, or left out."""

    reason: queries.Reason
    basis: Basis | None = None
    until: Annotated[AwareMoment | None, Meta(description="Of a refusal: then it is due. Default: `keep_until`.")] = None
    restrict: Annotated[bool | None, Meta(description="Of a refusal: until then only privacy officers may look.")] = False
    early: Annotated[
        bool | None, Meta(description="Of an approval: before the end of the time for which the data is kept. Needs a basis.")
    ] = False
    with_vendor: Annotated[bool | None, Meta(description="Of an approval: ask the vendor to erase, too.")] = False
    environment: AnyEnvironment = None


class ReadmitRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Why erased applicants may begin again."""

    reason: queries.Reason | None = None
    environment: AnyEnvironment = None


class ErasuresQuery(AboutQuery, forbid_unknown_fields=True):
    status: ErasureStatus | None = None


ERASURE_PAGE = PageOf(privacy_schemas.Erasure, place=lambda row: [row.id], describe=requests.describe, after=tuple[EntryId], start=(None,))
DECISION_CALL = call(
    right=Right.PRIVACY,
    query=InAnyEnvironment,
    body=ErasureDecision,
    answers=privacy_schemas.Erasure,
    status=202,
    other_statuses=(409,),
    unknown=UNKNOWN,
    writes=True,
    wakes=True,
)


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
    subject, received_at = subjects.data_subject(body, query), subjects.moment("received_at", body.received_at) or clock.now()
    if received_at > clock.now() + requests.AHEAD_MAX:
        raise Problem(400, "Invalid value for 'received_at' in the body.")
    with subjects.refusals():
        found, is_new = requests.request(connection, subject, by=caller.actor, reason=body.reason, received_at=received_at)
    return queries.answer(found, 201 if is_new else 200)


@blueprint.get("/erasures")
@call(right=Right.PRIVACY, query=ErasuresQuery, answers=ERASURE_PAGE)
def list_erasures(connection: Connection, query: ErasuresQuery, after: tuple[str | None]) -> list[Row[Any]]:
    """Erasures, in the order in which they were requested."""
    wanted: dict[str, Any] = {"environment": query.environment, "status": query.status, "about": subjects.about(query)}
    return requests.listing(connection, **wanted, after=after[0], limit=query.limit + 1)


@blueprint.get("/erasures/<name:erasure_id>")
@call(right=Right.PRIVACY, query=InAnyEnvironment, answers=privacy_schemas.Erasure, unknown=UNKNOWN)
def get_erasure(connection: Connection, erasure_id: str, query: InAnyEnvironment) -> dict[str, Any]:
    """An erasure, and its progress."""
    return requests.describe(_found(connection, erasure_id, query))


@blueprint.get("/erasures/<name:erasure_id>/certificate")
@call(right=Right.PRIVACY, query=InAnyEnvironment, answers=privacy_schemas.Certificate, other_statuses=(409,), unknown=UNKNOWN)
def get_certificate(connection: Connection, erasure_id: str, query: InAnyEnvironment) -> dict[str, Any]:
    """What was erased, when, by whose decision, and what it does not cover. 409 while the erasure is not done."""
    found = _found(connection, erasure_id, query)
    with subjects.refusals():
        return certificate.certificate(connection, found.id)


@blueprint.post("/erasures/<name:erasure_id>/approve")
@DECISION_CALL
def approve_erasure(
    connection: Connection, erasure_id: str, caller: Caller, query: InAnyEnvironment, body: ErasureDecision
) -> dict[str, Any]:
    """Approve another person's request. A worker erases. Before `keep_until` only `early`, with a basis."""
    _check_not_given(body, "until", "restrict")
    given = {"basis": body.basis, "early": bool(body.early), "with_vendor": bool(body.with_vendor)}
    return _act(requests.approve, connection, erasure_id, caller, query, body, **given)


@blueprint.post("/erasures/<name:erasure_id>/refuse")
@DECISION_CALL
def refuse_erasure(
    connection: Connection, erasure_id: str, caller: Caller, query: InAnyEnvironment, body: ErasureDecision
) -> dict[str, Any]:
    """Refuse another person's request until a time. Then it is due, as far as no hold is on it and no relationship goes on."""
    _check_not_given(body, "early", "with_vendor")
    given = {"basis": body.basis, "until": subjects.moment("until", body.until), "restrict": bool(body.restrict)}
    return _act(requests.refuse, connection, erasure_id, caller, query, body, **given)


@blueprint.post("/erasures/<name:erasure_id>/readmit")
@replace(DECISION_CALL, body=ReadmitRequest, status=200, wakes=False)
def readmit(connection: Connection, erasure_id: str, caller: Caller, query: InAnyEnvironment, body: ReadmitRequest) -> dict[str, Any]:
    """Let the erased applicants begin again, with vendor times from now on."""
    return _act(requests.readmit, connection, erasure_id, caller, query, body)


def _act(
    act: Callable[..., dict[str, Any]],
    connection: Connection,
    erasure_id: str,
    caller: Caller,
    query: InAnyEnvironment,
    body: ErasureDecision | ReadmitRequest,
    **given: Any,
) -> dict[str, Any]:
    """Return an erasure after an act of the caller. Raises a problem where the act is refused."""
    found = _found(connection, erasure_id, query, body.environment)
    with subjects.refusals():
        return act(connection, found.id, by=caller.actor, reason=body.reason, **given)


def _found(connection: Connection, erasure_id: str, query: InAnyEnvironment, named: VendorEnvironment | None = None) -> Row[Any]:
    """Return an erasure's row. Raises a problem where there is none in the environment that the query or the body names."""
    where = subjects.any_environment(named, query)
    with subjects.refusals():
        row = requests.find(connection, subjects.known(erasure_id))
        subjects.check_environment(row, where)
    return row


def _check_not_given(body: ErasureDecision, *names: str) -> None:
    """Check that a decision says nothing that the other one alone takes. Raises a problem that names it."""
    given = [name for name in names if getattr(body, name)]
    if given:
        raise Problem(400, f"Only the other decision takes this in the body: {', '.join(given)}.")
