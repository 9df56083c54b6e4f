"""GET /v1/applicants and /v1/users: the status of applicants, its history, and its explanation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from flask import Blueprint
from msgspec import Meta
from sqlalchemy import Connection, Row

from receiver.openapi import schemas
from receiver.openapi.schemas import Hit, VendorName
from receiver.web import queries
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, call
from receiver.web.queries import AwareMoment, One, OrderedPage, Page, StoredName
from store.access import audit
from store.applicants import explanations, feed, users, visibility
from store.applicants import history as store_history
from store.applicants import table as applicants
from store.applicants.table import Applicant
from store.privacy import shown
from store.system import clock
from store.text.names import is_name
from store.text.states import ApplicantKey, Flag, Status

blueprint = Blueprint("api", __name__, url_prefix="/v1")

#: An applicant, whose place in a list its description does not tell, and how it is shown.
Described = tuple[Applicant, dict[str, Any]]


class ApplicantsQuery(OrderedPage, forbid_unknown_fields=True):
    external_user_id: Annotated[queries.Text | None, Meta(description="Whose applicants: your own id.")] = None
    vendor: VendorName | None = None
    status: Status | None = None
    reference: Annotated[queries.Text | None, Meta(description="The vendor's own name for the applicant, exactly.")] = None
    hit: Annotated[Hit | None, Meta(description="What their latest verdict or an open alert names.")] = None
    flag: Annotated[Flag | None, Meta(description="What lies beside the status.")] = None
    updated_after: Annotated[queries.TimeText | None, Meta(description="RFC 3339; changed later than this.")] = None
    updated_before: Annotated[queries.TimeText | None, Meta(description="RFC 3339; last changed before this.")] = None
    expiring: Annotated[queries.Period | None, Meta(description="Whose document runs out within this time, or ran out: `30d`.")] = None


class ApplicantQuery(One, forbid_unknown_fields=True):
    at: Annotated[queries.TimeText | None, Meta(description="RFC 3339: as this service knew it at that moment.")] = None


class ExplanationQuery(Page, forbid_unknown_fields=True):
    at: Annotated[queries.TimeText | None, Meta(description="RFC 3339: as this service knew it at that moment.")] = None


APPLICANT_PAGE = PageOf(
    schemas.Applicant,
    place=lambda one: [one[0].updated_at, one[0].vendor, one[0].reference],
    describe=lambda one: one[1],
    after=tuple[AwareMoment, StoredName, StoredName],
)
CHANGES = PageOf(
    schemas.HistoryEntry, place=lambda row: [row.version], describe=feed.describe_in_history, after=tuple[queries.Version], start=(0,)
)

EXPLAINED = PageOf(
    schemas.ExplainedEvent,
    place=lambda event: list(event["place"]),
    describe=explanations.describe,
    after=explanations.Place,
    extra_fields=schemas.Explanation,
)
OF_USER = PageOf(
    schemas.Applicant,
    place=lambda one: [one[0].vendor, one[0].first_sequence or 0, one[0].reference],
    describe=lambda one: one[1],
    after=users.Place,
    extra_fields=schemas.User,
)


def _applicant_in_words(path: Mapping[str, str], query: Any) -> str:
    return audit.applicant_subject(ApplicantKey(path["vendor"], query.environment, path["reference"]))


UNKNOWN = "No applicant of this vendor has this reference here."


@blueprint.get("/applicants/<name:vendor>/<name:reference>")
@call(
    right=Right.READ,
    query=ApplicantQuery,
    answers=schemas.Applicant,
    unknown=UNKNOWN,
    audit_subject=_applicant_in_words,
    other_statuses=(304, 410),
    request_headers=("If-None-Match",),
    response_headers=("ETag",),
)
def get_applicant(connection: Connection, vendor: str, reference: str, caller: Caller, query: ApplicantQuery) -> dict[str, Any] | None:
    """The current state of an applicant. `restricted`, `keep_until` and `held` are always those of today."""
    key, at = queries.key(vendor, query.environment, reference), queries.moment("at", query.at)
    found = visibility.find(connection, key, is_officer=caller.is_privacy_officer)
    return shown.as_known(connection, found, at, with_held=caller.is_privacy_officer) if found else None


@blueprint.get("/applicants")
@call(
    right=Right.READ,
    query=ApplicantsQuery,
    answers=APPLICANT_PAGE,
    audit_subject=lambda _, query: audit.list_subject("applicants", queries.filters(query)),
)
def list_applicants(connection: Connection, caller: Caller, query: ApplicantsQuery, after: Any) -> list[Described]:
    """Applicants, in the order of their last change, or the last changed first. Restricted ones are left out."""
    found = applicants.listing(
        connection,
        environment=query.environment,
        # By every vendor's name, so that the table's own key leads to them.
        keys=[ApplicantKey(vendor, query.environment, query.reference) for vendor in VendorName] if query.reference else (),
        external_user_id=query.external_user_id,
        vendor=query.vendor,
        status=query.status,
        hit=query.hit,
        flag=query.flag,
        updated_after=queries.moment("updated_after", query.updated_after),
        updated_before=queries.moment("updated_before", query.updated_before),
        expiring_by=clock.day_in(clock.period(query.expiring)) if query.expiring else None,
        **query.portion(after),
    )
    return _described(connection, found, caller)


@blueprint.get("/applicants/<name:vendor>/<name:reference>/explanation")
@call(
    right=Right.READ, query=ExplanationQuery, answers=EXPLAINED, other_statuses=(410,), unknown=UNKNOWN, audit_subject=_applicant_in_words
)
def explain_applicant(
    connection: Connection, vendor: str, reference: str, caller: Caller, query: ExplanationQuery, after: explanations.Place | None
) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """Why an applicant has its status: its ground, and every event in the vendor's order, with its outcome."""
    key, at = queries.key(vendor, query.environment, reference), queries.moment("at", query.at)
    applicant = visibility.find(connection, key, is_officer=caller.is_privacy_officer)
    found = shown.explain(connection, applicant, at, with_held=caller.is_privacy_officer) if applicant else None
    return (explanations.events(connection, key, at=at, after=after, limit=query.limit + 1), found) if found else None


@blueprint.get("/applicants/<name:vendor>/<name:reference>/history")
@call(right=Right.READ, query=Page, answers=CHANGES, other_statuses=(410,), unknown=UNKNOWN, audit_subject=_applicant_in_words)
def list_history(
    connection: Connection, vendor: str, reference: str, caller: Caller, query: Page, after: tuple[int]
) -> list[Row[Any]] | None:
    """An applicant's changes, oldest first."""
    key = queries.key(vendor, query.environment, reference)
    found = visibility.find(connection, key, is_officer=caller.is_privacy_officer)
    return store_history.of(connection, key, after=after[0], limit=query.limit + 1) if found else None


@blueprint.get("/users/<name:external_user_id>")
@call(
    right=Right.READ,
    query=Page,
    answers=OF_USER,
    unknown="No applicant of this person is known.",
    audit_subject=lambda path, _: audit.user_subject(path["external_user_id"]),
)
def get_user(
    connection: Connection, external_user_id: str, caller: Caller, query: Page, after: users.Place | None
) -> tuple[list[Described], dict[str, Any]] | None:
    """A person across vendors: every applicant, the newest verification first, and who approves or blocks. Restricted ones are left
    out."""
    found = users.vendors(connection, external_user_id, environment=query.environment) if is_name(external_user_id) else []
    if not found:
        return None
    rows = users.applicants_of(connection, external_user_id, environment=query.environment, after=after, limit=query.limit + 1)
    return _described(connection, rows, caller), {
        "external_user_id": external_user_id,
        "environment": query.environment,
        "approving_vendors": [one.vendor for one in found if one.newest_status == Status.APPROVED],
        "blocking_vendors": [one.vendor for one in found if one.has_hits or one.newest_status == Status.REJECTED],
    }


def _described(connection: Connection, found: Sequence[Applicant], caller: Caller) -> list[Described]:
    """Return applicants, each beside how the caller sees it."""
    return list(zip(found, shown.describe_all(connection, found, with_held=caller.is_privacy_officer), strict=True))
