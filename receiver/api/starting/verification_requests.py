"""What the calls of /v1/verifications take: their bodies, and the `Idempotency-Key`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from flask import request
from msgspec import Meta, Struct

from receiver.openapi.schemas import VendorName
from receiver.web import queries
from receiver.web.problems import Problem
from receiver.web.queries import StoredName
from store.starts.requests import StartMode
from store.starts.wanted import checks
from store.starts.wanted.checks import Wanted
from store.starts.wanted.person import DOCUMENTS_MAX, Document, Options, Person
from store.starts.wanted.problems import Problem as Wrong
from store.system import clock
from store.text.names import is_name
from store.text.states import VendorEnvironment

#: The longest `Idempotency-Key`.
KEY_CHARS_MAX = 200


class StartRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which verification to start: at which vendor, of which person, and how."""

    vendor: VendorName
    external_user_id: Annotated[StoredName, Meta(min_length=1, description="Your own id of the person.", examples=["customer-4711"])]
    mode: Annotated[StartMode, Meta(description="`hosted`: the person goes through the vendor's pages. `documents`: you send them.")]
    environment: VendorEnvironment = VendorEnvironment.LIVE
    level: Annotated[StoredName | None, Meta(description="IDnGO's level.")] = None
    workflow: Annotated[StoredName | None, Meta(description="IFCGATE's workflow.")] = None
    person: Annotated[Person | None, Meta(description="What the vendor compares the documents with.")] = None
    documents: Annotated[list[Document], Meta(max_length=DOCUMENTS_MAX, description="Which images there are.")] = []
    options: Annotated[Options | None, Meta(description="What else iDenfy takes.")] = None
    force: Annotated[bool, Meta(description="Start it although another of this person is open. Needs a reason.")] = False
    reason: queries.Reason | None = None


class DocumentsRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """Which images are sent."""

    documents: Annotated[list[Document], Meta(min_length=1, max_length=DOCUMENTS_MAX, description="Each with the name of its part.")]
    skip_analysis: Annotated[bool, Meta(description="iDenfy: take photos that it does not see the document in.")] = False


class ActRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """Why something is done about a verification."""

    reason: queries.Reason | None = None


def key() -> str:
    """Return the request's `Idempotency-Key`. Raises a problem."""
    given = request.headers.get("Idempotency-Key", "")
    if not given.strip():
        raise Problem(400, "This call needs the header Idempotency-Key: any text that is new for each verification.")
    if len(given) > KEY_CHARS_MAX or not given.isprintable():
        raise Problem(400, f"Invalid Idempotency-Key: at most {KEY_CHARS_MAX} printable characters.")
    return given


def wanted(body: StartRequest) -> Wanted:
    """Return what is asked for. Raises a problem that names what the vendor would refuse."""
    if not is_name(body.external_user_id):
        raise Problem(400, "Invalid value for 'external_user_id' in the body.")
    if body.force and body.reason is None:
        raise Problem(400, "Invalid value for 'reason' in the body: 'force' needs one.")
    found = Wanted(
        vendor=body.vendor.value,
        environment=body.environment.value,
        external_user_id=body.external_user_id,
        mode=body.mode,
        level=body.level,
        workflow=body.workflow,
        person=body.person,
        documents=body.documents,
        options=body.options,
        force=body.force,
        reason=body.reason,
    )
    refuse(checks.problems(found, today=clock.now().date()))
    return found


def refuse(wrong: Sequence[Wrong]) -> None:
    """Raise a problem that names each wrong field, if there is one."""
    if wrong:
        raise Problem(400, " ".join(f"'{one.field}' {one.says}." for one in wrong))
