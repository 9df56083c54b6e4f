"""Links: which user an applicant belongs to, where the vendor's events carry no user."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace
from sqlalchemy import Connection

from store.access import audit
from store.applicants import erased, feed
from store.applicants import table as applicants
from store.applicants.feed import Transition
from store.applicants.table import Applicant
from store.system import clock
from store.text.states import ApplicantKey


class NeedsOperator(Exception):
    """The case has a verdict and belongs to another user. Only an operator may move it."""


def link(connection: Connection, key: ApplicantKey, *, external_user_id: str, by: str, may_move: bool) -> bool:
    """Link an applicant to a user; return whether that is new. An erased one is not linked. The audit log records the users before and
    after. Raises NeedsOperator.

    `may_move`: also move a case that has a verdict and belongs to another user."""
    if not erased.admitted(connection, [key]):
        return False
    [before] = applicants.lock(connection, [key]).values()
    moves = before.external_user_id not in (None, external_user_id) and (before.last_verdict is not None or before.ever_approved)
    if moves and not may_move:
        raise NeedsOperator
    is_news = bool(link_all(connection, {key: external_user_id}, by=by))
    if is_news:
        moved = f"{before.external_user_id or 'no user'} → {external_user_id}"
        audit.write(connection, actor=by, action="link", subject=" ".join(key), reason=moved)
    return is_news


def link_all(connection: Connection, users: Mapping[ApplicantKey, str], *, by: str) -> int:
    """Link applicants to users, but for those that were erased; return how many links are new.

    The applicants are locked together, before the feed is. Each change of a known applicant is reported, with who linked it and from
    which user."""
    before = applicants.lock(connection, erased.admitted(connection, users))
    after = [_linked(one, users[key]) for key, one in before.items() if one.linked_user_id != users[key]]
    applicants.save(connection, after)
    feed.append(connection, [_told(before[one.key], one, by) for one in after if one.version > before[one.key].version])
    return len(after)


def _linked(before: Applicant, user: str) -> Applicant:
    after = replace(before, linked_user_id=user, external_user_id=user)
    if before.version and before.external_user_id != user:
        return replace(after, version=before.version + 1, updated_at=clock.now())
    return after


def _told(before: Applicant, after: Applicant, by: str) -> Transition:
    linked = {"by": by, "from": before.external_user_id, "to": after.external_user_id}
    return feed.transition(before, after, ["external_user_id"], None, linked=linked)
