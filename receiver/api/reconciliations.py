"""Reconciliations over HTTP: how far each vendor's is, what drifts, and asking for a run, which a worker makes."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.api.replays import ChangesMax
from receiver.openapi import acting_schemas
from receiver.openapi.schemas import VendorName
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import ListOf, PageOf, call
from receiver.web.problems import Problem
from receiver.web.queries import AwareMoment, One, Page, StoredName
from store.access import audit
from store.operations import reconciliations
from store.operations.reconciliations import Wanted
from store.system import clock
from store.text.names import is_name
from store.text.states import VendorEnvironment

blueprint = Blueprint("reconciliations", __name__, url_prefix="/v1")

#: How many applicants a run may be asked to name.
REFERENCES_MAX = 100


class ReconcileRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """About which of a vendor's applicants it is to be asked. Without `references` and `since`: those that a scheduled run asks about."""

    vendor: VendorName
    reason: queries.Reason
    environment: VendorEnvironment = VendorEnvironment.LIVE
    repair: Annotated[bool, Meta(description="Keep an answer that drifts as an event of its own kind, to be handled as any other.")] = False
    references: Annotated[tuple[StoredName, ...], Meta(max_length=REFERENCES_MAX, description="About these.")] = ()
    since: Annotated[AwareMoment | None, Meta(description="About those that a webhook lost since then may be about.")] = None
    max_changes: Annotated[ChangesMax, Meta(description="It stops before more applicants than that are changed.")] = 100


FINDINGS = PageOf(
    acting_schemas.ReconciliationFindingModel,
    place=lambda row: [row.reference],
    describe=reconciliations.describe_finding,
    after=tuple[StoredName],
)


@blueprint.get("/reconciliations")
@call(right=Right.READ, query=One, answers=ListOf(acting_schemas.ReconciliationModel))
def list_reconciliations(connection: Connection, query: One) -> list[dict[str, Any]]:
    """The last run in which each vendor was asked, and how far it is."""
    return reconciliations.overview(connection, query.environment)


@blueprint.get("/reconciliations/<name:vendor>/findings")
@call(
    right=Right.READ,
    query=Page,
    answers=FINDINGS,
    audit_subject=lambda path, query: audit.list_subject("findings", {**path, **queries.filters(query)}),
)
def list_findings(connection: Connection, vendor: str, caller: Caller, query: Page, after: tuple[str] | None) -> list[Row[Any]]:
    """What the last run of a vendor found: the applicants of which its answer drifts from ours, or is not clear. Restricted ones are left
    out, but for privacy officers."""
    if not is_name(vendor):
        return []
    return reconciliations.findings(
        connection,
        vendor,
        query.environment,
        with_restricted=caller.is_privacy_officer,
        after=after,
        limit=query.limit + 1,
    )


@blueprint.post("/reconciliations")
@call(
    right=Right.OPERATE,
    body=ReconcileRequest,
    answers=acting_schemas.ReconciliationModel,
    status=202,
    other_statuses=(409,),
    writes=True,
)
def ask_for_reconciliation(connection: Connection, caller: Caller, body: ReconcileRequest) -> dict[str, Any]:
    """Have a worker ask a vendor for the current status of applicants and, if wanted, repair what drifts."""
    if not all(map(is_name, body.references)) or (body.references and body.since):
        raise Problem(400, "Invalid value for 'references' in the body.")
    wanted = Wanted(
        by=caller.name,
        at=clock.now(),
        reason=body.reason,
        repair=body.repair,
        changes_max=body.max_changes,
        references=body.references,
        since=body.since,
    )
    if not reconciliations.request(connection, body.vendor, body.environment, wanted):
        raise Problem(409, "This vendor is being asked, or somebody has asked for it already.")
    subject, action = f"{body.vendor} {body.environment}", "ask for a reconciliation"
    audit.write(connection, actor=caller.name, action=action, subject=subject, reason=body.reason, touched=len(body.references) or None)
    return next(one for one in reconciliations.overview(connection, body.environment) if one["vendor"] == body.vendor)
