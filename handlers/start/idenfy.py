"""iDenfy: a verification is a token, which costs a credit; its person is sent to iDenfy's pages, or the images are sent to it.

https://documentation.idenfy.com/kyc/generate-token and /kyc/direct-processing. No call has an idempotency key: after a token whose answer
is lost, `find` says whether there is one. Images are taken once for each token, whatever the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct, field

from handlers.clients import idenfy
from handlers.clients.exchange import Question
from handlers.clients.pacing import Pacing
from handlers.clients.request_body import Pieces, as_json
from handlers.config import IdenfyApi
from handlers.start import outcomes
from handlers.start.calls import Api, Calls, understood
from handlers.start.images import REQUEST_BYTES_MAX, Base64, Image, Joined
from handlers.start.outcomes import Again, Refused
from handlers.start.words import idenfy_person
from store.starts.requests import FailureKind
from store.starts.wanted.person import Document, DocumentType, Options, Person
from store.text.names import is_name

#: A third of the vendor's 10,000 an hour.
CALLS_PER_MINUTE = 60

#: https://documentation.idenfy.com/kyc/id-error-messages. A token limit is PERMISSIONS_ERROR: the credits are used up.
WORDS: Mapping[str | int, FailureKind | None] = {
    "INTERNAL_ERROR": None,
    "TOO_MANY_REQUESTS": None,
    "UNAUTHORIZED": FailureKind.CONTRACT,
    "PERMISSIONS_ERROR": FailureKind.CONTRACT,
    "PARTNER_CONTRACT_ERROR": FailureKind.CONTRACT,
    "BAD_VALUE": FailureKind.CALLER,
    "MISSING_VALUE": FailureKind.CALLER,
    "VALIDATION_ERROR": FailureKind.CALLER,
    "JSON_ERROR": FailureKind.CALLER,
    "ENCODING_ERROR": FailureKind.CALLER,
    #: The token is used up: another one is needed.
    "TOKEN_NOT_VALID": FailureKind.PERSON,
    "PARTNER_ERROR": FailureKind.PERSON,
    "METHOD_NOT_ALLOWED": FailureKind.PERSON,
}

#: A token that is not used up.
ACTIVE = "ACTIVE"

#: What is said of a session that was not used in time.
EXPIRED = ("EXPIRED", "EXPIRED-DELETED", "DELETED")

#: Where a person goes whose token came without an address.
PAGES_URL = "https://ui.idenfy.com/"

#: Verifications of one user: so many a page, and no more pages than that.
_PAGE, _PAGES_MAX = 100, 20

#: What is not in the photo is said in a success.
NOT_SEEN = "the document was not seen in the photo (a better photo, or skip_analysis)"


class Token(Struct, frozen=True, kw_only=True):
    """A verification that was begun."""

    #: With it images can be sent, and the person's pages be opened: it is a secret.
    auth_token: str
    reference: str
    redirect_url: str

    def __repr__(self) -> str:
        return f"Token({self.reference})"


class Found(Struct, frozen=True, kw_only=True):
    """A verification of a user. Its token is never shown again."""

    reference: str
    status: str


class _Made(Struct):
    reference: str = field(name="scanRef")
    auth_token: str = field(name="authToken")
    user: str = field(name="clientId")
    redirect_url: str | None = field(name="redirectUrl", default=None)


class _Entry(Struct):
    reference: str = field(name="scanRef")
    status: str
    user: str | None = field(name="clientId", default=None)


class _Page(Struct):
    results: list[_Entry]
    next: str | int | None = None


class _Status(Struct):
    reference: str = field(name="scanRef")
    status: str


class IdenfyStart:
    """Begins verifications at iDenfy. One attempt a call."""

    def __init__(self, api: IdenfyApi, *, private_hosts: frozenset[str], patience: Pacing) -> None:
        self._api = api
        made = Api(url=api.url, dialect=idenfy.dialect(api), words=WORDS, per_minute=CALLS_PER_MINUTE)
        self._calls = Calls(made, patience=patience, private_hosts=private_hosts)

    def token(
        self,
        *,
        user: str,
        person: Person | None = None,
        types: Sequence[DocumentType] = (),
        countries: Sequence[str] = (),
        options: Options | None = None,
    ) -> Token:
        """Begin a verification; return its token. Raises Again, Refused. Each call may cost a credit: after Again, ask `find` first.

        `types` and `countries` are the only documents that are taken; none: all."""
        content = idenfy_person.token(user, person or Person(), types=types, countries=countries, options=options or Options())
        personal = idenfy_person.personal(person, options)
        reply = self._calls.done(Question(method="POST", path="/api/v2/token", body=as_json(content), personal=personal))
        made = understood(reply, _Made)
        if not (is_name(made.reference) and is_name(made.auth_token) and made.user == user):
            raise outcomes.not_understood(reply)
        return Token(auth_token=made.auth_token, reference=made.reference, redirect_url=self._pages(made))

    def _pages(self, made: _Made) -> str:
        """Return the address of the person's pages: the vendor's own, if the token's is none for a browser."""
        schemes = ("https://", "http://") if self._api.url.startswith("http://") else ("https://",)
        if made.redirect_url and made.redirect_url.startswith(schemes):
            return made.redirect_url
        return f"{PAGES_URL}?authToken={quote(made.auth_token, safe='')}"

    def find(self, user: str) -> list[Found]:
        """Return the verifications of a user, whatever their status. Raises Again, Refused."""
        found: list[Found] = []
        for number in range(1, _PAGES_MAX + 1):
            query = urlencode({"clientId": user, "page": number, "perPage": _PAGE})
            page = understood(self._calls.done(Question(method="GET", path=f"/kyc/identifications/?{query}")), _Page)
            found += (Found(reference=entry.reference, status=entry.status) for entry in page.results if entry.user in (None, user))
            if not page.next or not page.results:
                return found
        raise Again(f"the user has more than {_PAGE * _PAGES_MAX} verifications", may_have_arrived=False)

    def process(
        self,
        *,
        auth_token: str,
        country: str,
        document_type: DocumentType | None,
        images: Mapping[str, Image],
        skip_analysis: bool = False,
    ) -> None:
        """Send the images of a verification, by the names of `image_name`. Raises Again, Refused.

        A document type of None or OTHER is recognised by the vendor. The token is used up by one call: after Again, its `status` says
        whether the images arrived; they have not while it is ACTIVE."""
        content = idenfy_person.images_head(self._api.token_field, auth_token, country, document_type, skip_analysis=skip_analysis)
        body = _with_images(content, images)
        if body.length > REQUEST_BYTES_MAX:
            raise Refused(FailureKind.CALLER, "the images are too large: iDenfy takes 15 MB in all")
        question = Question(method="POST", path="/api/v2/process", body=body, personal=(auth_token,))
        reply = self._calls.reply(question, further_seconds=body.length / self._api.upload_bytes_per_second)
        if reply.status == 200 and reply.response.body == b"":
            return
        if outcomes.is_done(reply):
            raise outcomes.not_understood(reply)
        identifier = reply.complaint.identifier if reply.complaint else None
        if reply.status == 200 and WORDS.get(identifier or "", FailureKind.CALLER) == FailureKind.CALLER:
            raise Refused(FailureKind.CALLER, f"{NOT_SEEN}: {reply.says}", code=200, identifier=identifier)
        raise self._calls.trouble(reply)

    def status(self, reference: str) -> str:
        """Return the status of a verification, in the vendor's word. Raises Again, Refused."""
        reply = self._calls.done(Question(method="POST", path="/api/v2/status", body=as_json({"scanRef": reference})))
        found = understood(reply, _Status)
        if found.reference != reference:
            raise outcomes.not_understood(reply)
        return found.status


def image_name(document: Document) -> str:
    """Return what iDenfy calls the image of a document."""
    if document.type == DocumentType.SELFIE:
        return "FACE"
    if document.type == DocumentType.UTILITY_BILL:
        return "UTILITY_BILL"
    return document.side.value if document.side else "FRONT"


def _with_images(content: Mapping[str, object], images: Mapping[str, Image]) -> Joined:
    """Return a JSON body, in which each image becomes base64 text while it is sent."""
    parts: list[Pieces | Base64] = [Pieces((msgspec.json.encode(content)[:-1] + b',"images":{',))]
    for place, (name, image) in enumerate(images.items()):
        comma = b"," if place else b""
        parts += [Pieces((comma + msgspec.json.encode(name) + b':"',)), Base64(image), Pieces((b'"',))]
    return Joined((*parts, Pieces((b"}}",))))
