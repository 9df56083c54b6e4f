"""IDnGO: create an applicant, send it every image, ask for the check. Or give the person a link to IDnGO's own pages.

https://developers.idngo.kz/api-reference/api-integration, and https://docs.sumsub.com on whose platform it runs. Your id of the user is
unique at the vendor: an applicant that exists is adopted, after a look at its level and state.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote, urlencode

from msgspec import Struct

from handlers.clients import idngo, idngo_documents
from handlers.clients.exchange import Question, VendorReply
from handlers.clients.pacing import Pacing
from handlers.clients.request_body import as_json
from handlers.clients.vendor import Unanswered
from handlers.config import IdngoApi
from handlers.start import multipart, outcomes
from handlers.start.calls import Api, Calls, segment, understood
from handlers.start.images import Image
from handlers.start.outcomes import Again, Refused
from handlers.start.words import idngo_answers, idngo_person
from handlers.start.words.idngo_answers import ASKED_FOR, Applicant, Link, SendAgain, State, Upload
from store.starts.requests import FailureKind
from store.starts.wanted.person import Document, Person
from store.system import clock
from store.text.names import as_name, is_name

#: A third of the 50 in five seconds that are allowed.
CALLS_PER_MINUTE = 200

#: https://docs.sumsub.com/reference/error-codes-description. 1006: a check is under way, and its result comes first.
DUPLICATE = 1000
WORDS: Mapping[str | int, FailureKind | None] = {
    1001: FailureKind.CALLER,
    1002: FailureKind.CALLER,
    1003: FailureKind.CALLER,
    1004: FailureKind.CALLER,
    1005: FailureKind.CALLER,
    1006: FailureKind.CALLER,
    1007: FailureKind.CALLER,
    1008: FailureKind.PERSON,
    1009: FailureKind.PERSON,
    1010: FailureKind.CALLER,
    1011: FailureKind.CALLER,
    4003: FailureKind.CONTRACT,
}

#: What is missing where IDnGO names no step.
NOT_NAMED = "documents or data"

#: How long IDnGO asks to wait while it is busy, if it names no time.
BUSY = timedelta(seconds=15)

#: How long a link is valid.
LINK_SECONDS = 24 * 60 * 60


class Created(Struct, frozen=True, kw_only=True):
    """An applicant with which a verification is begun."""

    reference: str
    #: Whether it existed.
    adopted: bool
    #: How far its check is, in the vendor's word; None if it does not say.
    status: str | None = None


class Uploaded(Struct, frozen=True, kw_only=True):
    """An image that arrived."""

    image_id: str | None = None
    #: With an error, the image is inactive, and so is the other side of its document.
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    #: Whether the same image had arrived before.
    known: bool = False


class IdngoStart:
    """Begins verifications at IDnGO and carries them through. One attempt a call."""

    def __init__(self, api: IdngoApi, *, private_hosts: frozenset[str], patience: Pacing) -> None:
        self._api = api
        made = Api(url=api.url, dialect=idngo.dialect(api), words=WORDS, per_minute=CALLS_PER_MINUTE)
        self._calls = Calls(made, patience=patience, private_hosts=private_hosts)

    def create(self, *, user: str, level: str, person: Person | None = None) -> Created:
        """Create an applicant, or adopt the one that exists. Raises Again, Refused.

        One that is deactivated, finally rejected, or on another level is not adopted."""
        path = f"/resources/applicants?levelName={quote(level, safe='')}"
        body = as_json(idngo_person.applicant(user, person))
        reply = self._calls.reply(Question(method="POST", path=path, body=body, personal=idngo_person.personal(person)))
        if outcomes.is_done(reply):
            return _created(self._applicant(reply, user), adopted=False)
        trouble = self._calls.trouble(reply)
        exists = outcomes.status_of(reply) == 409 and isinstance(trouble, Refused) and trouble.code not in WORDS
        if exists and (found := self.find(user, level=level)):
            return found
        raise trouble

    def find(self, user: str, *, level: str | None = None) -> Created | None:
        """Return the applicant with your id; None if there is none. Raises Again, Refused: also if it cannot be begun with at the level."""
        path = f"/resources/applicants/-;externalUserId={segment(user)}/one"
        reply = self._calls.known(Question(method="GET", path=path))
        if reply is None:
            return None
        applicant = self._applicant(reply, user)
        if level is not None and (objection := applicant.objection(level)):
            raise Refused(FailureKind.PERSON, objection)
        return _created(applicant, adopted=True)

    def _applicant(self, reply: VendorReply, user: str) -> Applicant:
        """Return the applicant of a reply. Raises Again if it is none, or another user's."""
        applicant = understood(reply, Applicant)
        if not is_name(applicant.reference) or applicant.user != user:
            raise outcomes.not_understood(reply)
        return applicant

    def upload(self, reference: str, document: Document, image: Image) -> Uploaded:
        """Send an image; return what the vendor says of it at once. Raises Again, Refused. The same image is known, not taken twice."""
        made = multipart.with_image(idngo_person.metadata(document), image)
        question = Question(
            method="POST",
            path=f"{_path(reference)}/info/idDoc",
            body=made.body,
            content_type=made.content_type,
            headers={"X-Return-Doc-Warnings": "true"},
        )
        reply = self._calls.reply(question, further_seconds=made.body.length / self._api.upload_bytes_per_second)
        if reply.complaint and reply.complaint.code == DUPLICATE:
            return Uploaded(known=True)
        if not outcomes.is_done(reply):
            raise self._calls.trouble(reply)
        told = understood(reply, Upload)
        errors, warnings = idngo_answers.words(told.errors), idngo_answers.words(told.warnings)
        return Uploaded(image_id=as_name(reply.response.headers.get("x-image-id")), errors=errors, warnings=warnings)

    def fixed_info(self, reference: str, person: Person) -> None:
        """Change the data that the documents are compared with, if any is given. Raises Again, Refused."""
        path, fields = f"{_path(reference)}/fixedInfo", idngo_person.fixed_info(person)
        if not fields:
            return
        reply = self._calls.done(Question(method="PATCH", path=path, body=as_json(fields), personal=idngo_person.personal(person)))
        if reply.response.body and reply.content is None:
            raise outcomes.not_understood(reply)

    def request_check(self, reference: str) -> None:
        """Ask for the check, unless it is asked for. Raises Again, Refused: `missing` names the steps that the vendor waits for."""
        if self.status(reference) in ASKED_FOR:
            return
        reply = self._calls.reply(Question(method="POST", path=f"{_path(reference)}/status/pending"))
        if not outcomes.is_done(reply):
            raise self._refused_check(reply)

    def _refused_check(self, reply: VendorReply) -> Again | Refused:
        """Sort the two kinds of conflict: one passes in a moment, and one waits for the caller."""
        trouble, said = self._calls.trouble(reply), reply.complaint.message if reply.complaint else ""
        if outcomes.status_of(reply) != 409 or isinstance(trouble, Again) or (trouble.code in WORDS):
            return trouble
        if idngo_answers.is_incomplete(said):
            return outcomes.refusal(reply, FailureKind.CALLER, missing=idngo_answers.missing(said) or (NOT_NAMED,))
        if idngo_answers.is_busy(said):
            return Again(reply.says, again_at=clock.now() + BUSY)
        return outcomes.refusal(reply, FailureKind.PERSON)

    def status(self, reference: str) -> str:
        """Return how far the check is, in the vendor's word. Raises Again, Refused."""
        return understood(self._calls.done(Question(method="GET", path=f"{_path(reference)}/status")), State).reviewStatus

    def to_send_again(self, reference: str) -> list[SendAgain]:
        """Return the documents that failed and may be sent again. Raises Again, Refused."""
        reply = self._calls.done(Question(method="GET", path=f"{_path(reference)}/requiredIdDocsStatus"))
        try:
            found = idngo_documents.problems(reply.response.body)
        except Unanswered as error:
            raise outcomes.not_understood(reply) from error
        return [wanted for problem in found if (wanted := idngo_answers.to_send_again(problem))]

    def link(self, *, user: str, level: str) -> str:
        """Return the address of the vendor's pages for a user, which is valid for a day. Raises Again, Refused."""
        query = urlencode({"ttlInSecs": LINK_SECONDS, "externalUserId": user}, quote_via=quote)
        path = f"/resources/sdkIntegrations/levels/{segment(level)}/websdkLink?{query}"
        reply = self._calls.done(Question(method="POST", path=path))
        url = understood(reply, Link).url
        if not url.startswith(("https://", "http://") if self._api.url.startswith("http://") else "https://"):
            raise outcomes.not_understood(reply)
        return url


def _created(applicant: Applicant, *, adopted: bool) -> Created:
    return Created(reference=applicant.reference, adopted=adopted, status=applicant.review.reviewStatus if applicant.review else None)


def _path(reference: str) -> str:
    return f"/resources/applicants/{segment(reference)}"
