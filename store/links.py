"""Whose applicant it is, where the vendor's events carry no user: what was linked from outside."""

from __future__ import annotations

from msgspec.structs import replace
from sqlalchemy import Connection

from store import applicants, clock, feed
from store.applicants import Key


def link(connection: Connection, key: Key, *, external_user_id: str) -> bool:
    """Say whose applicant this is; return whether that is news. Of a known applicant it is told like any other change."""
    before = applicants.lock(connection, [key])[key]
    if before.linked_user_id == external_user_id:
        return False
    after = replace(before, linked_user_id=external_user_id, external_user_id=external_user_id)
    if before.version and before.external_user_id != external_user_id:
        after = replace(after, version=before.version + 1, updated_at=clock.now())
        change = feed.transition(before, after, ["external_user_id"], None)
        applicants.save(connection, [after])
        feed.append(connection, [change])
    else:
        applicants.save(connection, [after])
    return True
