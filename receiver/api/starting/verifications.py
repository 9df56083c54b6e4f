"""/v1/verifications: start verifications at the vendors, and see how far each is. A job beside a worker calls the vendor."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

from flask import Blueprint, Response
from msgspec import Meta
from sqlalchemy import Connection, Row
from werkzeug.exceptions import HTTPException

from receiver.api.starting import verification_requests
from receiver.api.starting.verification_requests import ActRequest, DocumentsRequest, StartRequest
from receiver.openapi import start_schemas
from receiver.openapi.schemas import VendorName
from receiver.web import problems, queries, relay, uploads
from receiver.web.auth import Caller, Right
from receiver.web.call import PageOf, call
from receiver.web.problems import Problem, sentence
from receiver.web.queries import Nothing, OrderedPage
from receiver.web.uploads import Upload
from store.access import audit
from store.starts import acting, asking, requests
from store.starts.acting import WrongState
from store.starts.asking import AlreadyOpen, Asked, KeyReused, UnderWay
from store.starts.requests import StartStatus
from store.starts.wanted import document_checks
from store.starts.wanted.checks import Wanted
from store.starts.wanted.person import Document
from store.text.names import EVENT_ID

blueprint = Blueprint("verifications", __name__, url_prefix="/v1")

UNKNOWN = "No verification has this id."

#: The id of a verification, in a cursor.
StartId = Annotated[str, Meta(max_length=36, pattern=f"^{EVENT_ID.pattern}$")]


class StartsQuery(OrderedPage, forbid_unknown_fields=True):
    external_user_id: Annotated[queries.Text | None, Meta(description="Your own id of the person.")] = None
    vendor: VendorName | None = None
    status: StartStatus | None = None


START_PAGE = PageOf(start_schemas.StartedVerification, place=lambda row: [row.id], describe=requests.summary, after=tuple[StartId])
ACT_CALL = call(
    right=Right.START,
    body=ActRequest,
    answers=start_schemas.StartedVerificationWithPages,
    status=202,
    other_statuses=(409,),
    unknown=UNKNOWN,
    writes=True,
)


@blueprint.post("/verifications")
@call(
    right=Right.START,
    body=StartRequest,
    takes_uploads=True,
    answers=start_schemas.StartedVerificationWithPages,
    status=202,
    other_statuses=(409, 422),
    request_headers=("Idempotency-Key",),
)
def start_verification(caller: Caller, body: StartRequest | None) -> Response:
    """Start a verification, once for each `Idempotency-Key`. 409: one of this person is open at this vendor, or the first request with
    this key is under way. 422: the key was used for another request. 503 with the id: send the images again."""
    key = verification_requests.key()
    if body is not None:
        return _answer(_ask(verification_requests.wanted(body), caller, key, images_follow=False))
    with uploads.received() as upload:
        wanted = verification_requests.wanted(queries.decoded(upload.content, StartRequest))
        verification_requests.refuse(document_checks.problems_of_parts(wanted.documents))
        asked = _ask(wanted, caller, key, images_follow=True)
        if asked.answer is None and not asked.is_submitted:
            skip_analysis = bool(wanted.options and wanted.options.skip_analysis)
            _pass_on(upload, asked.id, caller, wanted.documents, skip_analysis=skip_analysis)
        return _answer(asked)


@blueprint.post("/verifications/<name:verification_id>/documents")
@call(
    right=Right.START,
    body=DocumentsRequest,
    takes_uploads=True,
    answers=start_schemas.StartedVerificationWithPages,
    status=202,
    other_statuses=(409, 422),
    unknown=UNKNOWN,
)
def send_documents(verification_id: str, caller: Caller, body: DocumentsRequest | None) -> Response:
    """Send images that the vendor waits for, or asks for again, as multipart. IDnGO is then asked for a verdict. 409 in another state."""
    found = queries.read(lambda connection: requests.describe(connection, _found(connection, verification_id)))
    if body is not None:
        raise Problem(400, "The images must be parts of this body: multipart/form-data, with the JSON as its first part.")
    with uploads.received() as upload:
        sent = queries.decoded(upload.content, DocumentsRequest)
        verification_requests.refuse(document_checks.problems(sent.documents, vendor=found["vendor"], mode=found["mode"]))
        verification_requests.refuse(document_checks.problems_of_parts(sent.documents))
        _pass_on(upload, verification_id, caller, sent.documents, skip_analysis=sent.skip_analysis)
    return queries.answer(queries.read(lambda connection: requests.describe(connection, _found(connection, verification_id))), 202)


@blueprint.get("/verifications")
@call(
    right=Right.START,
    query=StartsQuery,
    answers=START_PAGE,
    audit_subject=lambda _, query: audit.list_subject("verifications", queries.filters(query)),
)
def list_verifications(connection: Connection, query: StartsQuery, after: tuple[str] | None) -> list[Row[Any]]:
    """Verifications that were started here, in the order in which they were asked for, or the newest first. Those of restricted
    applicants are left out."""
    return requests.listing(
        connection,
        environment=query.environment,
        external_user_id=query.external_user_id,
        vendor=query.vendor,
        status=query.status,
        **query.portion(after),
    )


@blueprint.get("/verifications/<name:verification_id>")
@call(
    right=Right.START,
    query=Nothing,
    answers=start_schemas.StartedVerificationWithPages,
    unknown=UNKNOWN,
    audit_subject_of=lambda found: audit.user_subject(found["external_user_id"]),
)
def get_verification(connection: Connection, verification_id: str) -> dict[str, Any]:
    """A verification that was started here, how far it is, and where the person is to go."""
    return requests.describe(connection, _found(connection, verification_id))


@blueprint.post("/verifications/<name:verification_id>/submit")
@ACT_CALL
def submit_verification(connection: Connection, verification_id: str, caller: Caller, body: ActRequest) -> dict[str, Any]:
    """Have IDnGO asked for a verdict with what it has. 409 in another state, and at other vendors."""
    return _act(acting.submit, connection, verification_id, caller, body)


@blueprint.post("/verifications/<name:verification_id>/retry")
@ACT_CALL
def retry_verification(connection: Connection, verification_id: str, caller: Caller, body: ActRequest) -> dict[str, Any]:
    """Try a verification again that failed, or at once one that waits. 409 in another state."""
    return _act(acting.retry, connection, verification_id, caller, body)


@blueprint.post("/verifications/<name:verification_id>/cancel")
@ACT_CALL
def cancel_verification(connection: Connection, verification_id: str, caller: Caller, body: ActRequest) -> dict[str, Any]:
    """Call a verification off: nothing more is sent. The vendor keeps what it has, and its verdict still counts."""
    return _act(acting.cancel, connection, verification_id, caller, body)


def _ask(wanted: Wanted, caller: Caller, key: str, *, images_follow: bool) -> Asked:
    """Return the verification that is asked for, or the answer that the same request got. Raises a problem."""
    try:
        return queries.write(lambda connection: asking.ask(connection, wanted, by=caller.actor, key=key, images_follow=images_follow))
    except AlreadyOpen as error:
        raise Problem(409, sentence(error), id=error.request_id) from error
    except UnderWay as error:
        raise Problem(409, sentence(error)) from error
    except KeyReused as error:
        raise Problem(422, sentence(error)) from error


def _answer(asked: Asked) -> Response:
    """Return the answer to a request: the first one again, unless the applicant is restricted meanwhile. Raises Restricted."""
    if asked.answer is None:
        return queries.answer(_answered(asked.id), 202)
    queries.read(lambda connection: _found(connection, asked.id))
    return queries.answer(asked.answer, 202)


def _answered(verification_id: str) -> dict[str, Any]:
    """Return a verification as it is now, which is the answer to its request from now on."""

    return queries.write(lambda connection: asking.answered(connection, _found(connection, verification_id, lock=True)))


def _pass_on(upload: Upload, verification_id: str, caller: Caller, documents: Sequence[Document], *, skip_analysis: bool) -> None:
    """Pass the images of an upload on. Raises a problem with the verification's id: whoever sends them again goes on where this ended."""
    try:
        passed = relay.pass_on(
            verification_id,
            actor=caller.name,
            documents=documents,
            files=upload.files(),
            deadline=upload.deadline,
            skip_analysis=skip_analysis,
        )
    except HTTPException as error:
        _unanswered(verification_id)
        raise problems.about(verification_id, error) from error
    except BaseException:
        _unanswered(verification_id)
        raise
    if passed.status != 202:
        _unanswered(verification_id)
        headers = {"Retry-After": str(passed.retry_after)} if passed.retry_after else {}
        raise Problem(passed.status, passed.detail or "The images were not taken.", headers, id=verification_id)


def _unanswered(verification_id: str) -> None:
    """Record that the images of a request were not passed on. Until that is recorded, its key is under way."""
    with suppress(Exception):  # On purpose: the caller gets the result of the upload.
        queries.write(lambda connection: asking.unanswered(connection, verification_id))


def _act(act: Any, connection: Connection, verification_id: str, caller: Caller, body: ActRequest) -> dict[str, Any]:
    """Return a verification after an act of the caller. Raises a problem where the act is refused."""
    try:
        act(connection, _found(connection, verification_id, lock=True), by=caller.actor, reason=body.reason)
    except WrongState as error:
        raise Problem(409, sentence(error)) from error
    except AlreadyOpen as error:
        raise Problem(409, sentence(error), id=error.request_id) from error
    return requests.describe(connection, _found(connection, verification_id))


def _found(connection: Connection, verification_id: str, *, lock: bool = False) -> Row[Any]:
    """Return a verification's row. Raises a problem where there is none, and Restricted."""
    row = requests.find(connection, verification_id, lock=lock) if EVENT_ID.fullmatch(verification_id) else None
    if row is None:
        raise Problem(404, UNKNOWN)
    requests.refuse_restricted(connection, row)
    return row
