"""The simulator's forgeries are refused like all others, and told from a stranger's by a sandbox secret alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from receiver.vendors import rehearsal
from receiver.vendors.rehearsal import HEADER
from store.system import clock
from tests.support import signing
from tests.support.service import Service, eventually

SECRET = b"a secret of the sandbox"


@pytest.mark.parametrize(("ago", "is_one"), [(0, True), (4, True), (-4, True), (6, False), (-6, False)])
def test_it_holds_for_minutes(ago: int, is_one: bool) -> None:
    value = rehearsal.header(SECRET, clock.now() - timedelta(minutes=ago))[HEADER]
    assert rehearsal.is_one(value, [b"another", SECRET], clock.now()) is is_one


@pytest.mark.parametrize("value", [None, "", ".", "1", "x.y", "9" * 400 + ".00", "٣.00", "1.é", "1790000000."])
def test_what_no_sandbox_secret_made_is_none(value: str | None) -> None:
    assert not rehearsal.is_one(value, [SECRET], clock.now())
    other = rehearsal.header(b"a secret of another", clock.now())[HEADER]
    assert not rehearsal.is_one(other, [SECRET], clock.now())


def test_a_rehearsed_forgery_is_refused_and_counted_apart(running: Service) -> None:
    def counted(answer: str) -> float:
        lines = running.get("/metrics").body.decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if f'answer="{answer}",vendor="idngo"' in line)

    before = counted("forged"), counted("forged_sandbox")
    sandbox = rehearsal.header(signing.IDNGO_SANDBOX_SECRET.encode(), clock.now())
    live = rehearsal.header(b"what no sandbox knows", clock.now())
    for headers in (sandbox, live):
        answer = running.request("POST", "/webhooks/idngo", b"{}", headers=headers)
        assert answer.status == 401
    eventually(lambda: (counted("forged"), counted("forged_sandbox")) == (before[0] + 1, before[1] + 1), "both to be counted")
