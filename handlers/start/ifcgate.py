"""IFCGATE: a verification is one call with an idempotency key; its documents are fetched by the vendor.

https://www.ifcgate.com/documentation.html: the answer to `POST /v1/verifications` is the only place where your id and the case meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from handlers.clients import ifcgate
from handlers.clients.exchange import Question
from handlers.clients.pacing import Pacing
from handlers.clients.request_body import as_json
from handlers.config import IfcgateApi
from handlers.start import outcomes
from handlers.start.calls import Api, Calls, understood
from store.starts.requests import FailureKind
from store.starts.wanted.document_types import IFCGATE_WORDS
from store.starts.wanted.person import Document
from store.text.names import is_name

#: What is left of the vendor's 600 beside those who read.
CALLS_PER_MINUTE = 60

#: The vendor's example waits 30 seconds for an extraction, twice as long as for other calls.
EXTRACT_FURTHER_SECONDS = 15.0

#: A conflict is not documented. The same key is never used for another body, so a person must look.
WORDS: Mapping[str | int, FailureKind | None] = {409: FailureKind.PERSON}


class _Case(Struct):
    case_id: str


class IfcgateStart:
    """Begins verifications at IFCGATE, and runs its other actions. One attempt a call."""

    def __init__(self, api: IfcgateApi, *, private_hosts: frozenset[str], patience: Pacing) -> None:
        dialect = ifcgate.dialect(api)
        made = Api(url=api.url, dialect=dialect, words=WORDS, per_minute=CALLS_PER_MINUTE)
        self._calls = Calls(made, patience=patience, private_hosts=private_hosts)

    def verify(self, *, workflow: str, applicant_id: str, documents: Sequence[Document], key: str) -> str:
        """Begin a verification; return the id of its case. Raises Again, Refused. The same key begins no second one."""
        described = [{"type": IFCGATE_WORDS[document.type], "file_url": document.url} for document in documents]
        wanted = {"workflow": workflow, "applicant_id": applicant_id} | ({"documents": described} if described else {})
        addresses = tuple(document.url for document in documents if document.url)
        reply = self._calls.done(_action("/v1/verifications", wanted, key, secret=addresses))
        case_id = understood(reply, _Case).case_id
        if not is_name(case_id):
            raise outcomes.not_understood(reply)
        return case_id

    def extract(self, *, template: str, file_url: str, key: str) -> bytes:
        """Have a document read; return the answer, to be shown and not kept. Raises Again, Refused."""
        action = _action("/v1/documents/extract", {"template": template, "file_url": file_url}, key, secret=(file_url,))
        return self._calls.done(action, further_seconds=EXTRACT_FURTHER_SECONDS).response.body

    def route(self, *, case_id: str, action: str, queue: str, key: str) -> bytes:
        """Run an action on a case; return the answer, to be shown. Raises Again, Refused."""
        return self._calls.done(_action("/v1/workflows/run", {"case_id": case_id, "action": action, "queue": queue}, key)).response.body


def _action(path: str, content: Mapping[str, object], key: str, *, secret: tuple[str, ...] = ()) -> Question:
    """Return the question of an action. Whoever has the address of a document can read it, so that no message repeats it."""
    return Question(method="POST", path=path, body=as_json(content), headers={"Idempotency-Key": key}, personal=secret)
