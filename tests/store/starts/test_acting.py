"""What is done about a verification while a process carries it on, and while others ask for one of the same person."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Row

from store import database
from store.access.operators import Actor
from store.starts import acting, asking, carrying, requests
from store.starts.carrying import Claimed, LeaseLost
from store.starts.requests import FailureKind
from store.starts.wanted.checks import Wanted
from store.system import clock

BY = Actor(name="onboarding", by_token=True)


def asked(user: str, *, vendor: str = "idenfy", force: bool = False, mode: str = "hosted") -> str:
    """A verification that was just asked for."""
    wanted = Wanted(vendor=vendor, mode=mode, external_user_id=user, force=force, reason="the link is lost" if force else None)
    return database.write(lambda connection: asking.ask(connection, wanted, by=BY, key=uuid.uuid4().hex, images_follow=False)).id


def row(verification: str) -> Row[Any]:
    found = database.read(lambda connection: requests.find(connection, verification))
    assert found is not None
    return found


def claimed_by(holder: str, vendor: str = "idenfy") -> list[str]:
    """What a process gets to do next."""
    return database.write(lambda connection: carrying.claim_due(connection, holder, environment="live", vendors=[vendor], most=9))


def held(verification: str, holder: str) -> Claimed:
    return database.read(lambda connection: carrying.held(connection, verification, holder))


def act(what: Callable[..., None], verification: str) -> None:
    database.write(lambda connection: what(connection, requests.find(connection, verification, lock=True), by=BY))


def write(work: Callable[[Connection], Any]) -> None:
    database.write(work)


def test_a_retry_does_not_have_a_second_process_send_what_a_first_one_is_sending(kept: str) -> None:
    verification = asked("user")
    assert claimed_by("first") == [verification]
    one = held(verification, "first")
    write(lambda connection: carrying.sending(connection, one))
    act(acting.retry, verification)
    assert claimed_by("second") == []
    write(lambda connection: carrying.again(connection, one, "no answer", at=clock.now() + timedelta(hours=1)))
    act(acting.retry, verification)
    assert claimed_by("second") == [verification]


def test_what_is_forced_aside_is_not_sent_by_the_process_that_has_it(kept: str) -> None:
    first = asked("user")
    assert claimed_by("a process") == [first]
    one = held(first, "a process")
    asked("user", force=True)
    with pytest.raises(LeaseLost):
        write(lambda connection: carrying.sending(connection, one))
    assert (row(first).status, row(first).sent_at) == ("cancelled", None)


def test_a_retry_of_what_was_given_up_remembers_that_an_answer_may_be_lost(kept: str) -> None:
    verification = asked("user")
    assert claimed_by("a process") == [verification]
    one = held(verification, "a process")
    write(lambda connection: carrying.sending(connection, one))
    write(lambda connection: carrying.failed(connection, one, FailureKind.GAVE_UP, "no answer"))
    act(acting.retry, verification)
    assert (row(verification).status, row(verification).reference) == ("requested", None)
    assert row(verification).sent_at is not None


def test_a_retry_at_the_moment_in_which_another_is_asked_for_is_refused(kept: str) -> None:
    # The retry looks for an open one before the other request commits, and opens its own after that.
    first = asked("user")
    assert claimed_by("a process") == [first]
    one = held(first, "a process")
    write(lambda connection: carrying.failed(connection, one, FailureKind.CALLER, "no such workflow"))
    with ThreadPoolExecutor(1) as others:
        with database.begin() as connection:
            wanted = Wanted(vendor="idenfy", mode="hosted", external_user_id="user")
            second = asking.ask(connection, wanted, by=BY, key="another", images_follow=False).id
            retried = others.submit(act, acting.retry, first)
            time.sleep(0.5)
        with pytest.raises(asking.AlreadyOpen, match=second):
            retried.result()
    assert row(first).status == "failed"
