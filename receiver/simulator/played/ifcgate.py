"""IFCGATE, played: cases, verifications, extraction and routing, as on https://www.ifcgate.com/documentation.html."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from receiver.simulator.played.exchange import Refusal, Reply, Request, same
from receiver.simulator.played.records import Played, Standing
from store.system import clock

#: Cases a page: unless asked for, and at most.
PAGE, PAGE_MAX = 25, 100

QUEUE = "verification-review"

#: The codes of errors. The vendor publishes `workflow_validation_failed`; the others are assumed.
CODES = {
    400: "invalid_request",
    401: "unauthorized",
    402: "payment_required",
    404: "not_found",
    409: "conflict",
    413: "request_too_large",
    422: "workflow_validation_failed",
    429: "too_many_requests",
    500: "internal_error",
}


class Ifcgate:
    #: Every workflow takes every document, unless the play says otherwise.
    requires: tuple[str, ...] = ()
    #: The times of webhooks have whole seconds.
    resolution = timedelta(seconds=1)

    def __init__(self) -> None:
        #: By path and Idempotency-Key: the request's body and the answer.
        self._answered: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any]]] = {}
        self._documents = 770

    def lets_in(self, request: Request, credentials: Mapping[str, str]) -> bool:
        return same(request.headers.get("authorization", ""), f"Bearer {credentials['IFCGATE_API_KEY']}")

    def answer(self, request: Request, played: Played) -> Any:
        match request.method, request.parts:
            case "GET", ["v1", "cases"]:
                return self._page(request.query, played.table)
            case "GET", ["v1", "cases", *reference]:
                return self._case("/".join(reference), played.table)
            case "POST", ["v1", "verifications"]:
                return self._once(request, played, self._verify)
            case "POST", ["v1", "documents", "extract"]:
                return self._once(request, played, self._extract)
            case "POST", ["v1", "workflows", "run"]:
                return self._once(request, played, self._route)
        return None

    def error(self, status: int, message: str = "The request was not answered.", *, code: str | None = None) -> dict[str, Any]:
        return {"error": {"code": code or CODES[status], "message": message, "request_id": "req_played", "status": status}}

    def judge(self, played: Played, reference: str) -> None:
        """A verdict names no documents."""

    # reading ----------------------------------------------------------------------------------------------

    def _case(self, reference: str, table: Mapping[str, Standing]) -> dict[str, Any] | None:
        if reference not in table:
            return None
        standing = table[reference]
        # The one word of a timeline that the vendor publishes is `submitted`; the others are the statuses.
        moments = [("submitted", standing.began_at), *standing.earlier[1:], (standing.status, standing.at)]
        timeline = [{"event": word, "at": clock.rfc3339(at)} for word, at in moments]
        return {"case_id": reference, "status": standing.status, "owner": "Compliance Team", "timeline": timeline} | standing.says

    def _page(self, query: Mapping[str, str], table: Mapping[str, Standing]) -> dict[str, Any]:
        wanted = query.get("status")
        known = sorted(name for name, standing in table.items() if wanted in (None, standing.status))
        after = query.get("cursor", "").removeprefix("cur_")
        left = [name for name in known if name > after]
        limit = query.get("limit", "")
        here = left[: min(int(limit), PAGE_MAX) if limit.isdecimal() else PAGE]
        more = len(left) > len(here)
        entries = [{"case_id": name, "workflow": "onboarding-default", "status": table[name].status} for name in here]
        return {"data": entries, "next_cursor": f"cur_{here[-1]}" if more else None, "has_more": more}

    # starting ---------------------------------------------------------------------------------------------

    def _once(self, request: Request, played: Played, act: Any) -> dict[str, Any]:
        """Return the original success of an Idempotency-Key, else act. What a changed body gets is not published: here it is 422."""
        body = request.json()
        if body is None:
            raise self._refused(400, "The body is no JSON object.")
        key = (request.path, request.headers.get("idempotency-key", ""))
        before = self._answered.get(key) if key[1] else None
        if before is None:
            content: dict[str, Any] = act(body, played)
            self._answered[key] = (body, content)
            return content
        if before[0] != body:
            raise self._refused(422, "The Idempotency-Key was used with another body.", code="idempotency_key_reused")
        return before[1]

    def _verify(self, body: dict[str, Any], played: Played) -> dict[str, Any]:
        workflow, applicant_id = self._texts(body, "workflow", "applicant_id")
        types = self._document_types(body.get("documents", []))
        if not set(played.requires) <= set(types):
            raise self._refused(422, "A required document type is missing for this workflow.")
        reference = f"case_{secrets.token_hex(8)}"
        standing = played.create(reference, user=applicant_id, status="in_review", level=workflow)
        played.submit(reference)
        case = {"case_id": reference, "status": "in_review", "workflow": workflow, "queue": QUEUE}
        return case | {"submitted_at": standing.at.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _document_types(self, documents: Any) -> list[str]:
        for one in documents if isinstance(documents, list) else [documents]:
            if not isinstance(one, dict) or not one.get("type"):
                raise self._refused(422, "A required document type is missing for this workflow.")
            self._texts(one, "type", "file_url")
        return [one["type"] for one in documents]

    def _extract(self, body: dict[str, Any], played: Played) -> dict[str, Any]:
        self._texts(body, "template", "file_url")
        self._documents += 1
        fields = {"invoice_number": "INV-2041", "issue_date": "2026-03-28", "total_amount": "1250.00"}
        return {"document_id": f"doc_{self._documents}", "status": "processed", "fields": fields}

    def _route(self, body: dict[str, Any], played: Played) -> dict[str, Any]:
        """Route a case. The answer is not published."""
        reference, action, queue = self._texts(body, "case_id", "action", "queue")
        if reference not in played.table:
            raise self._refused(404, "There is no such case.")
        played.move(reference, "in_review")
        return {"case_id": reference, "status": "in_review", "action": action, "queue": queue}

    def _texts(self, body: dict[str, Any], *names: str) -> list[str]:
        """Return some fields of a body, which must be texts."""
        for name in names:
            if not isinstance(body.get(name), str) or not body[name]:
                raise self._refused(400, f"The field {name} is missing.")
        return [body[name] for name in names]

    def _refused(self, status: int, message: str, *, code: str | None = None) -> Refusal:
        return Refusal(Reply(status=status, content=self.error(status, message, code=code)))
