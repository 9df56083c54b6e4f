"""Whose applicant it is, where the vendor's events carry no user: what was linked from outside."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace
from sqlalchemy import Connection

from store import applicants, clock, feed
from store.applicants import Applicant, Key
from store.feed import Transition


def link(connection: Connection, key: Key, *, external_user_id: str) -> bool:
    """Say whose applicant this is; return whether that is news. Of a known applicant it is told like any other change."""
    return bool(link_all(connection, {key: external_user_id}))


def link_all(connection: Connection, users: Mapping[Key, str]) -> int:
    """Say of each of some applicants whose it is; return of how many that is news. They are locked together, before the feed is."""
    before = applicants.lock(connection, users)
    after = [_linked(before[key], user) for key, user in users.items() if before[key].linked_user_id != user]
    applicants.save(connection, after)
    feed.append(connection, [_told(before[one.key], one) for one in after if one.version > before[one.key].version])
    return len(after)


def _linked(before: Applicant, user: str) -> Applicant:
    after = replace(before, linked_user_id=user, external_user_id=user)
    if before.version and before.external_user_id != user:
        return replace(after, version=before.version + 1, updated_at=clock.now())
    return after


def _told(before: Applicant, after: Applicant) -> Transition:
    return feed.transition(before, after, ["external_user_id"], None)
