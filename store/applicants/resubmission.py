"""Resubmission: what an applicant is to send again, where the vendor's API says so document by document."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from store.applicants import erased, feed
from store.applicants import table as applicants
from store.system import clock
from store.text.states import ApplicantKey, Status


def keep(connection: Connection, key: ApplicantKey, documents: list[dict[str, Any]], *, verdict: dict[str, Any] | None) -> bool:
    """Keep what a verdict asks for, reported like any other change. Return False if it is known, another verdict has come since, or the
    applicant was erased while the vendor was asked."""
    if not erased.admitted(connection, [key]):
        return False
    before = applicants.lock(connection, [key])[key]
    if before.status != Status.RESUBMISSION_REQUESTED or before.last_verdict != verdict or before.problem_documents == documents:
        return False
    after = replace(before, problem_documents=documents, version=before.version + 1, updated_at=clock.now())
    applicants.save(connection, [after])
    feed.append(connection, [feed.transition(before, after, ["problem_documents"], None)])
    return True
