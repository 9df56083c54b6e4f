"""Links are a by-product: once the vendor's answer names its reference, the applicant and its user are known, before any webhook."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row

from store.applicants import erased, links
from store.inbox import internal_events
from store.inbox.internal_events import StartBody
from store.system import clock
from store.text.states import ApplicantKey


class Erased(Exception):
    """The vendor's reference was erased here, and was not readmitted."""

    def __init__(self) -> None:
        super().__init__("the vendor's reference was erased here: readmit it, or begin with another")


def link(connection: Connection, row: Row[Any], reference: str) -> None:
    """Link an applicant to the person of a verification, and keep the event that it was started here. Raises Erased."""
    key = ApplicantKey(row.vendor, row.environment, reference)
    if not erased.admitted(connection, [key]):
        raise Erased
    links.link_all(connection, {key: row.external_user_id}, by=row.requested_by)
    body = StartBody(
        reference=reference, verification_id=row.id, by=row.requested_by, at=clock.now(), external_user_id=row.external_user_id
    )
    internal_events.keep(connection, [internal_events.started(row.vendor, row.environment, body)])
