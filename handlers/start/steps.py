"""The steps of a verification at its vendor. Each one is found from what the row says, so that a process that dies leaves no doubt.

Before a request that may begin something, the row says that it was sent. Where its answer was lost, the next attempt asks the vendor:
IFCGATE by the same key, IDnGO by the person's id (which it takes once), iDenfy by looking the person's id up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection

from handlers import config
from handlers.clients.pacing import Pacing
from handlers.start.idenfy import ACTIVE, EXPIRED, IdenfyStart, Token
from handlers.start.idngo import IdngoStart
from handlers.start.ifcgate import IfcgateStart
from handlers.start.outcomes import Again, Refused
from store import database
from store.applicants import table as applicants
from store.starts import carrying, requests
from store.starts.carrying import Claimed, LeaseLost
from store.starts.requests import FailureKind, StartMode, StartStatus
from store.system import clock, fault_points
from store.text.states import ApplicantKey

#: When iDenfy shows a session to whoever looks it up, also one that began after its answer was given up.
SHOWN_AFTER = timedelta(seconds=60)

#: A step is one attempt: the row decides about retries.
ONCE = Pacing(attempts_max=1)


class NotConfigured(Exception):
    """The vendor's API is not configured in this process."""


class SetAside(Exception):
    """Another verification was forced in its place, and the vendor has nothing of this one."""


def carry_on(one: Claimed) -> None:
    """Do what comes next for a verification, as far as it can be done without images. Raises Again, Refused, SetAside and LeaseLost."""
    STEPS[one.row.vendor](one)


def _ifcgate(one: Claimed) -> None:
    _sending(one)
    api, row = ifcgate(), one.row
    case = api.verify(workflow=row.level, applicant_id=row.external_user_id, documents=one.secrets.documents, key=idempotency_key(row.id))
    fault_points.reach("start answered")
    _link(one, case, lambda connection: _submitted_at_ifcgate(connection, one, case))
    fault_points.reach("start linked")


def _submitted_at_ifcgate(connection: Connection, one: Claimed, case: str) -> None:
    carrying.linked(connection, one, case)
    carrying.reached(connection, one, StartStatus.SUBMITTED, says="IFCGATE has it")


def _idngo(one: Claimed) -> None:
    if one.row.reference is None:
        one = create_at_idngo(one)
    if one.row.mode == StartMode.HOSTED:
        url = idngo().link(user=one.row.external_user_id, level=one.row.level)
        _reached(one, StartStatus.LINKED, says="the person is to go to IDnGO's pages", redirect_url=url, person=None)
    elif one.row.uploads or one.row.status == StartStatus.LINKED:
        ask_idngo_for_the_check(one)
    else:
        _wait_for_images(one, "IDnGO waits for the images")


def create_at_idngo(one: Claimed) -> Claimed:
    """Create the person's applicant, or take the one that is there; return the verification with its reference."""
    _sending(one)
    created = idngo().create(user=one.row.external_user_id, level=one.row.level, person=one.secrets.person)
    fault_points.reach("start answered")
    if created.adopted and one.secrets.person is not None:
        idngo().fixed_info(created.reference, one.secrets.person)
    return _linked(one, created.reference, person=None)


def ask_idngo_for_the_check(one: Claimed) -> None:
    """Ask for a verdict about what the vendor has. Where steps are missing, the row says which, and waits."""
    try:
        idngo().request_check(one.row.reference)
    except Refused as refused:
        if not refused.missing:
            raise
        _wait_for_images(one, refused.says, missing=refused.missing)
        return
    fault_points.reach("start submitted")
    _reached(one, StartStatus.SUBMITTED, says="IDnGO was asked for a verdict")


def _idenfy(one: Claimed) -> None:
    if one.row.mode == StartMode.DOCUMENTS:
        # A token is burnt by one call and runs out within the hour: it is bought when the images are here.
        _wait_for_images(one, "iDenfy's session begins with the images")
        return
    one = begin_at_idenfy(one) if one.row.reference is None else one
    _reached(one, StartStatus.LINKED, says="the person is to go to iDenfy's pages", person=None, options=None)


def begin_at_idenfy(one: Claimed) -> Claimed:
    """Begin a session; return the verification with its reference and the session's token. Each session costs a credit.

    Raises Refused where the answer to an earlier request was lost and that request began a session, and SetAside."""
    if one.row.sent_at is not None and (lost := _session_of_a_lost_answer(one)):
        database.write(lambda connection: carrying.linked(connection, one, lost))
        raise Refused(
            FailureKind.PERSON,
            f"iDenfy began session {lost}, its answer was lost, and no person can use it: `retry` begins another, for another credit",
        )
    if one.row.ended_at is not None:
        raise SetAside
    _sending(one)
    token = _token(one)
    fault_points.reach("start answered")
    return _linked(one, token.reference, redirect_url=token.redirect_url, auth_token=token.auth_token)


def _token(one: Claimed) -> Token:
    """Buy a session. Raises Again: where it may have begun, not before iDenfy must show it to whoever looks it up."""
    documents = one.secrets.documents
    try:
        return idenfy().token(
            user=one.row.external_user_id,
            person=one.secrets.person,
            types=[document.type for document in documents],
            countries=[document.country for document in documents if document.country],
            options=one.secrets.options,
        )
    except Again as again:
        if not again.may_have_arrived:
            raise
        raise Again(again.says, again_at=max(again.again_at or clock.now(), clock.now() + SHOWN_AFTER)) from again


def _session_of_a_lost_answer(one: Claimed) -> str | None:
    """Return the session of this person that is known to iDenfy and not here. No person used it: it is active, or ran out."""
    unused = [found.reference for found in idenfy().find(one.row.external_user_id) if found.status in (ACTIVE, *EXPIRED)]
    keys = [ApplicantKey("idenfy", one.row.environment, reference) for reference in unused]
    known = database.read(lambda connection: requests.references_among(connection, keys) | set(applicants.among(connection, keys)))
    return next((key.reference for key in keys if key not in known), None)


STEPS: dict[str, Callable[[Claimed], None]] = {"ifcgate": _ifcgate, "idngo": _idngo, "idenfy": _idenfy}


def idempotency_key(request_id: str) -> str:
    """Return the key that a vendor gets with each attempt of a request, always the same."""
    return f"standing-{request_id}"


def _sending(one: Claimed) -> None:
    database.write(lambda connection: carrying.sending(connection, one))
    fault_points.reach("start sent")


def _linked(one: Claimed, reference: str, **secrets: Any) -> Claimed:
    _link(one, reference, lambda connection: carrying.linked(connection, one, reference, **secrets))
    fault_points.reach("start linked")
    return database.read(lambda connection: carrying.held(connection, one.id, one.holder))


def _link(one: Claimed, reference: str, work: Callable[[Connection], None]) -> None:
    """Record the reference that a vendor answered with, also if the verification was called off meanwhile. Raises LeaseLost."""
    try:
        database.write(work)
    except LeaseLost:
        database.write(lambda connection: carrying.linked_although_cancelled(connection, one, reference))
        raise


def _reached(one: Claimed, status: StartStatus, *, says: str, **secrets: Any) -> None:
    database.write(lambda connection: carrying.reached(connection, one, status, says=says, **secrets))


def _wait_for_images(one: Claimed, says: str, *, missing: tuple[str, ...] = ()) -> None:
    database.write(lambda connection: carrying.waits_for_images(connection, one, says, missing=missing))


# the vendors' APIs, each with one pace in this process --------------------------------------------------------


@cache
def ifcgate() -> IfcgateStart:
    api = config.settings().ifcgate_api
    if api is None:
        raise NotConfigured("IFCGATE's API is not configured here")
    return IfcgateStart(api, private_hosts=config.settings().private_hosts, patience=ONCE)


@cache
def idngo() -> IdngoStart:
    api = config.settings().idngo_api
    if api is None:
        raise NotConfigured("IDnGO's API is not configured here")
    return IdngoStart(api, private_hosts=config.settings().private_hosts, patience=ONCE)


@cache
def idenfy() -> IdenfyStart:
    api = config.settings().idenfy_api
    if api is None:
        raise NotConfigured("iDenfy's API is not configured here")
    return IdenfyStart(api, private_hosts=config.settings().private_hosts, patience=ONCE)
