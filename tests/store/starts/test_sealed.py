"""What is sealed of a verification, while two processes replace different parts of it: the caller's answer, and the vendor's."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection, Row

from store import database
from store.access.operators import Actor
from store.starts import acting, asking, carrying, requests, sealed
from store.starts.requests import StartStatus
from store.starts.sealed import Secrets
from store.starts.wanted.checks import Wanted
from store.starts.wanted.person import Options, Person

BY = Actor(name="onboarding", by_token=True)
WANTED = Wanted(
    vendor="idenfy",
    mode="hosted",
    external_user_id="user",
    person=Person(first_name="EXAMPLE"),
    options=Options(utility_bill_address="EXAMPLE STREET 1"),
)


@pytest.fixture
def row(kept: str) -> Row[Any]:
    """A verification, as a process read it a while ago."""
    started = database.write(lambda connection: asking.ask(connection, WANTED, by=BY, key=uuid.uuid4().hex, images_follow=False))
    found = database.read(lambda connection: requests.find(connection, started.id))
    assert found is not None
    return found


def changed(row: Row[Any], **values: Any) -> None:
    database.write(lambda connection: sealed.change(connection, row, **values))


def now(row: Row[Any]) -> Secrets:
    return database.read(lambda connection: sealed.read(connection, row))


def test_a_row_that_was_read_before_a_change_opens_what_is_there_now(row: Row[Any]) -> None:
    changed(row, auth_token="a token")
    assert now(row).auth_token == "a token"


def test_a_change_keeps_what_another_process_changed_since_the_row_was_read(row: Row[Any]) -> None:
    changed(row, answer={"id": row.id})
    changed(row, auth_token="a token")
    assert (now(row).answer, now(row).auth_token) == ({"id": row.id}, "a token")


def submitted(connection: Connection, row: Row[Any]) -> None:
    carrying.claim(connection, row.id, "a process")
    carrying.reached(connection, carrying.held(connection, row.id, "a process"), StartStatus.SUBMITTED, says="the vendor has it")


def forced_aside(connection: Connection, row: Row[Any]) -> None:
    another = structs.replace(WANTED, force=True, reason="the person waits")
    asking.ask(connection, another, by=BY, key=uuid.uuid4().hex, images_follow=False)


def cancelled(connection: Connection, row: Row[Any]) -> None:
    acting.cancel(connection, row, by=BY)


@pytest.mark.parametrize("end", [submitted, cancelled, forced_aside])
def test_nothing_of_the_person_is_kept_once_no_vendor_needs_it(row: Row[Any], end: Callable[[Connection, Row[Any]], None]) -> None:
    changed(row, auth_token="a token")
    database.write(lambda connection: end(connection, row))
    assert (now(row).person, now(row).options, now(row).auth_token) == (None, None, None)
