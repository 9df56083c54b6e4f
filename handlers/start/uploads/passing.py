"""Passing images on: how each vendor gets the images of a verification, and what its row says afterwards.

What the row does not say yet is asked of the vendor: IDnGO knows an image that it has, and iDenfy says whether a session got images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from handlers.start import steps
from handlers.start.idenfy import ACTIVE, EXPIRED, image_name
from handlers.start.outcomes import Again, Refused
from handlers.start.uploads.attached import Attached, title
from handlers.start.uploads.incoming import NotTaken
from handlers.start.words.idngo_answers import SendAgain
from store import database
from store.starts import carrying, sealed
from store.starts.carrying import Claimed
from store.starts.relay.protocol import Answer
from store.starts.requests import StartStatus
from store.starts.wanted.person import BESIDE_IDENTITY, MAY_HAVE_SIDES, TWO_SIDED, DocumentType
from store.system import fault_points

#: IDnGO takes no image while a verdict is awaited.
UNDER_REVIEW = 1006


def to_idngo(one: Claimed, attached: Sequence[Attached], *, skip_analysis: bool) -> None:
    """Send each image; ask for the verdict once IDnGO has all that was asked for.

    Raises Again, Refused, NotTaken, LeaseLost, AlreadyOpen."""
    if one.row.submitted_at is not None:
        _refuse_what_is_not_asked_for(attached, steps.idngo().to_send_again(one.row.reference), one.row.uploads)
    one = _reopened(one)
    if one.row.reference is None:
        one = steps.create_at_idngo(one)
    try:
        rejected = _upload_all(one, attached)
    except Refused as refused:
        if refused.code != UNDER_REVIEW or missing(one.row.documents, one.row.uploads):
            raise
        # The verdict was asked for before, and that was not recorded.
        steps.ask_idngo_for_the_check(_again(one))
        return
    one = _again(one)
    if lacking := missing(one.row.documents, one.row.uploads):
        says = "; ".join(rejected) or "IDnGO waits for further images"
        database.write(lambda connection: carrying.waits_for_images(connection, one, says, missing=lacking))
        return
    steps.ask_idngo_for_the_check(one)


def _refuse_what_is_not_asked_for(attached: Sequence[Attached], asked: Sequence[SendAgain], uploads: Sequence[Mapping[str, Any]]) -> None:
    """Raise NotTaken unless the images are exactly those that the vendor asks for again.

    Where the vendor's word for a document is none of ours, any document may be sent for it."""
    if not asked:
        raise NotTaken(Answer(status=409, detail="IDnGO asks for no document again."))
    wanted = [title(again.type, side) for again in asked if again.type for side in _sides(again, uploads)]
    given = [title(each.document.type, each.document.side if each.document.type in MAY_HAVE_SIDES else None) for each in attached]
    is_all_known = all(again.type for again in asked)
    if (is_all_known and set(given) - set(wanted)) or set(wanted) - set(given):
        raise NotTaken(Answer(status=422, detail=f"IDnGO asks for these again, and for no others: {', '.join(wanted)}."))


def _sides(again: SendAgain, uploads: Sequence[Mapping[str, Any]]) -> Sequence[str | None]:
    """Return which sides of a document are to be sent again: of one that may have sides, those that were sent."""
    if again.type in TWO_SIDED or again.type not in MAY_HAVE_SIDES:
        return again.sides
    return list(dict.fromkeys(upload["side"] for upload in uploads if upload["type"] == again.type)) or again.sides


def _upload_all(one: Claimed, attached: Sequence[Attached]) -> list[str]:
    """Send the images; return which ones the vendor rejects, and why."""
    rejected: dict[DocumentType, str] = {}
    for each in attached:
        # A side that is rejected makes the other one inactive: both are sent again.
        if each.document.side and each.document.type in rejected:
            continue
        if errors := _upload(one, each):
            rejected[each.document.type] = f"{each.title}: {'; '.join(errors)}"
    return list(rejected.values())


def _upload(one: Claimed, each: Attached) -> tuple[str, ...]:
    """Send an image, and record it; return why the vendor rejects it, if it does."""
    told = steps.idngo().upload(one.row.reference, each.document, each.image)
    fault_points.reach("image sent")
    record = each.record([*told.errors, *told.warnings], taken=not told.errors, image_id=told.image_id, known=told.known)
    database.write(lambda connection: carrying.uploaded(connection, one, record))
    fault_points.reach("image recorded")
    return told.errors


def missing(asked: Sequence[Mapping[str, Any]], uploads: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the images that were asked for and that the vendor has not, or has rejected."""
    has: dict[str, set[str | None]] = {}
    for upload in uploads:
        sides = has.setdefault(upload["type"], set())
        sides.add(_side(upload)) if upload["taken"] else sides.clear()
    return [title(one["type"], one["side"]) for one in asked if _side(one) not in has.get(one["type"], ())]


def _side(one: Mapping[str, Any]) -> str | None:
    return one["side"] if one["type"] in MAY_HAVE_SIDES else None


def to_idenfy(one: Claimed, attached: Sequence[Attached], *, skip_analysis: bool) -> None:
    """Send all images in one request. Raises Again, Refused, NotTaken, LeaseLost, AlreadyOpen.

    A session takes images once. One whose images were refused is replaced by the next upload, and that costs a credit."""
    if lacking := missing(one.row.documents, [each.record((), taken=True) for each in attached]):
        raise NotTaken(Answer(status=400, detail=f"iDenfy takes all images at once: {', '.join(lacking)} is missing."))
    one = _reopened(one)
    if one.secrets.auth_token and _arrived_before(one):
        _submitted(one, attached)
        return
    one = _again(one)
    if not one.secrets.auth_token:
        one = steps.begin_at_idenfy(one)
    try:
        _process(one, attached, skip_analysis=skip_analysis)
    except Refused as refused:
        if refused.identifier != "TOKEN_NOT_VALID":
            raise
        one = steps.begin_at_idenfy(_again(one))
        _process(one, attached, skip_analysis=skip_analysis)


def _process(one: Claimed, attached: Sequence[Attached], *, skip_analysis: bool) -> None:
    """Send the images with a session's token, and record the result. Raises Refused; Again if they did not arrive, or that is not known.

    A token is used up by one call."""
    document = next(each.document for each in attached if each.document.type not in BESIDE_IDENTITY)
    try:
        steps.idenfy().process(
            auth_token=one.secrets.auth_token or "",
            country=document.country or "",
            document_type=document.type,
            images={image_name(each.document): each.image for each in attached},
            skip_analysis=skip_analysis or bool(one.secrets.options and one.secrets.options.skip_analysis),
        )
    except Refused as refused:
        _refused(one, attached, refused.says)
        raise
    except Again as again:
        if not again.may_have_arrived or not _has_images(steps.idenfy().status(one.row.reference)):
            raise
    fault_points.reach("images sent")
    _submitted(one, attached)
    fault_points.reach("images recorded")


def _refused(one: Claimed, attached: Sequence[Attached], says: str) -> None:
    def work(connection: Connection) -> None:
        for each in attached:
            carrying.uploaded(connection, one, each.record([says], taken=False))
        sealed.change(connection, carrying.held(connection, one.id, one.holder).row, auth_token=None)

    database.write(work)


def _arrived_before(one: Claimed) -> bool:
    """Return whether the images of an earlier upload, whose answer was lost, arrived. The token of an expired session is removed."""
    status = steps.idenfy().status(one.row.reference)
    if status in EXPIRED:
        database.write(lambda connection: sealed.change(connection, one.row, auth_token=None))
    return _has_images(status)


def _has_images(status: str) -> bool:
    """Return whether iDenfy's status of a session says that its images arrived."""
    return status != ACTIVE and status not in EXPIRED


def _submitted(one: Claimed, attached: Sequence[Attached]) -> None:
    def work(connection: Connection) -> None:
        for each in attached:
            carrying.uploaded(connection, one, each.record([], taken=True))
        current = carrying.held(connection, one.id, one.holder)
        carrying.reached(connection, current, StartStatus.SUBMITTED, says="iDenfy has the images")

    database.write(work)


def _reopened(one: Claimed) -> Claimed:
    """Return a verification that takes these images, and is open again if it had ended. Raises LeaseLost, AlreadyOpen."""
    return database.write(lambda connection: carrying.reopen(connection, one)) if one.row.ended_at is not None else one


def _again(one: Claimed) -> Claimed:
    """Return a verification as it is now. Raises LeaseLost."""
    return database.read(lambda connection: carrying.held(connection, one.id, one.holder))


#: How each vendor that takes images gets them.
WAYS: dict[str, Callable[..., None]] = {"idngo": to_idngo, "idenfy": to_idenfy}
