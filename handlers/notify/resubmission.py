"""Resubmission: after RED:RETRY, IDnGO is asked which documents had problems, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from handlers import config
from handlers.clients import idngo_documents
from handlers.clients.idngo import Idngo
from handlers.clients.pacing import Pacing
from handlers.clients.retry_after import NOT_NOW, RETRY_AFTER_MAX
from handlers.clients.vendor import Unanswered
from handlers.config import IdngoApi
from handlers.notify.subscribers import AT_ONCE, NotNow, Refused
from store import database
from store.applicants import resubmission
from store.system import clock
from store.text.counts import counted
from store.text.states import ApplicantKey, Status

#: It is not asked twice here.
ONCE = Pacing(attempts_max=1)


class ProblemDocuments:
    """Asks about each IDnGO applicant that may send again, in the environment of the API."""

    name = title = "problem documents"
    is_foreign = False
    at_once = AT_ONCE

    def wants(self, change: Any) -> bool:
        asks_again = change.vendor == "idngo" and change.to_status == Status.RESUBMISSION_REQUESTED
        mine = change.environment == config.settings().api_environment
        return asks_again and mine and bool({"status", "last_verdict"} & set(change.changed))

    def tell(self, entry: dict[str, Any]) -> str:
        api = config.settings().idngo_api
        assert api is not None
        if entry.get("applicant") is None:
            return "the applicant is erased, or restricted"
        found = problems(_ask(api, entry["reference"]))
        key = ApplicantKey(entry["vendor"], entry["environment"], entry["reference"])
        with database.begin() as connection:
            kept = resubmission.keep(connection, key, found, verdict=entry["applicant"]["last_verdict"])
        return counted(len(found), "document") if kept else "nothing that was not known, or is asked for still"


def problems(answer: bytes) -> list[dict[str, Any]]:
    """Return the documents that had problems, each with what may be shown to the applicant apart from what may not. Raises Refused."""
    try:
        return idngo_documents.problems(answer)
    except Unanswered as error:
        raise Refused(str(error)) from error


def _ask(api: IdngoApi, reference: str) -> bytes:
    """Return what the vendor says of each document. Each question has its own client, so that none waits for another's answer; the
    outbox decides about retries."""
    client = Idngo(api, patience=ONCE, private_hosts=config.settings().private_hosts)
    try:
        found = client.documents(reference)
    except Unanswered as error:
        if error.status in (None, 409, *NOT_NOW):
            rest = error.again_at - clock.now() if error.again_at else timedelta()
            raise NotNow(str(error), rest=min(rest, RETRY_AFTER_MAX)) from error
        raise Refused(str(error)) from error
    if found is None:
        raise Refused("the vendor knows no such applicant")
    return found


def subscribers() -> list[ProblemDocuments]:
    return [ProblemDocuments()] if config.settings().idngo_api else []
