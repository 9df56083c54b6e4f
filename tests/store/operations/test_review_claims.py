"""Claims of the review queue: of two operators at the same moment one has the entry, and the other is told so."""

from __future__ import annotations

import threading

import pytest

from store import database
from store.access.operators import Actor
from store.operations import review_claims
from store.operations.review_claims import NotClaimed
from tests.handlers.test_process import handle_all, keep, wait_until_waiting
from tests.support.telling import REFERENCE, idngo


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_claims_at_one_moment_are_one(kept: str) -> None:
    keep(idngo(answer="YELLOW"))
    handle_all()
    wanted = review_claims.entry("live", f"idngo/{REFERENCE['idngo']}")
    refused: list[str] = []

    def late() -> None:
        try:
            database.write(lambda connection: review_claims.claim(connection, wanted, by=Actor("dusk", by_token=True)))
        except NotClaimed as error:
            refused.append(str(error))

    with database.begin() as connection:
        assert review_claims.claim(connection, wanted, by=Actor("dawn", by_token=True)).claimed_by == "dawn"
        other = threading.Thread(target=late)
        other.start()
        wait_until_waiting(1)  # For the first, which has not committed.
        assert other.is_alive()
    other.join(60)
    assert refused == ["somebody else has claimed it at this moment"]
    with database.reading() as connection:
        assert review_claims._waiting(connection, wanted).claimed_by == "dawn"
