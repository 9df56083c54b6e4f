"""Faults of an erasure: whoever carries it out is killed between two of its steps, while the vendors go on about the applicant."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError

from tests.faults.fault import Amid, Fault
from tests.faults.ground import NotInflicted, until

#: The steps of an erasure, as fault points.
STEPS = ("erasure chosen", "erasure in the ledger", "erasure fenced", "erasure erased events", "erasure emptied changes")

#: Who asks, and who approves.
ASKING, APPROVING = "asking-for-an-erasure", "approving-an-erasure"
PERSONS = {"PRIVACY_TOKENS": f"asking={ASKING},approving={APPROVING}"}

#: A process that was killed is replaced, and the erasure resumed, within so many seconds.
DONE_SECONDS_MAX, STEP_SECONDS_MAX = 60.0, 30.0


@contextmanager
def killed_at_each_step(amid: Amid) -> Iterator[None]:
    """At each step of the erasure of another applicant."""
    amid.traffic.slow_down(0.5, len(STEPS) * 4.0)
    begun = []
    for step in STEPS:
        vendor, reference = until(lambda: _somebody(amid), "an applicant to be known", seconds=STEP_SECONDS_MAX)
        amid.ground.arm(step, "kill")
        try:
            begun.append(_approved(amid, vendor, reference))
            amid.traffic.erased.add((vendor, reference))
            until(lambda step=step: not amid.ground.is_armed(step), f"a process to come to '{step}'", seconds=STEP_SECONDS_MAX)  # type: ignore[misc]
        finally:
            amid.ground.disarm(step)
    yield
    for erasure_id in begun:
        until(lambda one=erasure_id: _is_done(amid, one), "the erasure to be done", seconds=DONE_SECONDS_MAX)  # type: ignore[misc]


def _somebody(amid: Amid) -> tuple[str, str] | None:
    """An applicant of the traffic who is known and is not being erased."""
    answer = amid.traffic.service.read("applicants", limit="500")
    known = {(one["vendor"], one["reference"]) for one in answer.content.get("data", [])} if answer.status == 200 else set()
    told = {(one.applicant.vendor, one.applicant.reference) for one in amid.traffic.plot.tellings}
    found = sorted((known & told) - amid.traffic.erased)
    return amid.chance.choice(found) if found else None


def _approved(amid: Amid, vendor: str, reference: str) -> str:
    """Have an applicant's erasure asked for and approved; return its id."""
    subject = {"vendor": vendor, "reference": reference, "reason": "a fault"}
    made: str = _sent(amid, "/v1/erasures?environment=sandbox", ASKING, subject)["id"]
    _sent(amid, f"/v1/erasures/{made}/approve", APPROVING, {"reason": "a fault"})
    return made


def _is_done(amid: Amid, erasure_id: str) -> bool:
    return bool(_sent(amid, f"/v1/erasures/{erasure_id}", ASKING, None)["status"] == "done")


def _sent(amid: Amid, path: str, token: str, body: dict[str, str] | None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(amid.ground.base + path, data, {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
            return told
    except HTTPError as error:
        raise NotInflicted(f"{path} was answered {error.code}") from error


FAULTS = (
    Fault(
        name="erasure",
        description="killed at each step of an erasure, while its applicant is told of",
        deed=killed_at_each_step,
        settings=PERSONS,
    ),
    Fault(
        name="erasure-sqlite",
        description="the same on SQLite",
        deed=killed_at_each_step,
        settings=PERSONS,
        on_sqlite=True,
    ),
)
