"""What holds of any history: properties of the rules, over histories that nobody thought of.

A history is a list of deliveries in the order of receipt. Vendors' times are drawn from a few minutes, so that ties,
late news and unknown times (ordered by our receipt, in the same minutes) meet.
The long run tries all examples; others a tenth, another with every commit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.config import Settings
from handlers.interpret import weigh
from handlers.rules import registers as rules
from handlers.rules import transitions
from handlers.rules.registers import Registers
from store.applicants.table import Applicant
from store.text.states import Outcome
from tests.support import payloads
from tests.support.generated.samples import properties
from tests.support.payloads import after
from tests.support.telling import (
    NO_CHANGE,
    ON_THE_WAY,
    SCAN,
    Delivery,
    configured,
    derived,
    document,
    idenfy,
    idngo,
    ifcgate,
    interpreted,
    occasion_of,
    shown,
    stored,
    stranger,
    told,
)

# histories ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class History:
    """Deliveries in the order of receipt, and one order of handling them."""

    received: list[Delivery]
    handled: list[int]
    settings: Settings


LEVELS = ("basic", "full")
SETTINGS = [Settings(), configured(IDNGO_APPROVING_LEVELS="full", IFCGATE_STATUSES="opened:created,waiting:awaiting_applicant")]

TIMED = [*({"minute": minute} for minute in range(5)), *({"minute": minute} for minute in range(5))]
UNTIMED: list[dict[str, Any]] = [{"minute": None}, {"minute": 3 * 24 * 60}]


@st.composite
def idngo_events(draw: st.DrawFn, place: int, *, doubtful: bool) -> Delivery:
    kind = draw(st.sampled_from([*IDNGO_KINDS, *["applicantReviewed"] * 6]))
    answer, reject = draw(st.sampled_from([("GREEN", None), ("GREEN", None), ("RED", "FINAL"), ("RED", "RETRY"), ("YELLOW", None)]))
    labels = draw(st.sampled_from([[], [], ["FORGERY"], ["BLACKLIST", "PEP"], ["CHECK_UNAVAILABLE"]]))
    time = draw(st.sampled_from([*TIMED, *UNTIMED]))
    if doubtful and answer == "GREEN" and draw(st.booleans()):
        time = draw(st.sampled_from(UNTIMED))
    elif doubtful and answer == "GREEN":
        labels = draw(st.sampled_from([["SANCTIONS"], ["CHECK_UNAVAILABLE"]]))
    return idngo(
        kind,
        reviewStatus=draw(st.sampled_from(["completed", "completed", "completed", "pending"])),
        reviewResult={"reviewAnswer": answer, "reviewRejectType": reject, "rejectLabels": labels, "moderationComment": "A sharper photo."},
        levelName=draw(st.sampled_from(LEVELS)),
        externalUserId=draw(st.sampled_from(["customer-1", "customer-2", None])),
        amlCaseId=draw(st.sampled_from([None, "aml-1", "aml-2"])),
        correlationId=f"req-{place}",
        received_at=after(minutes=place),
        **_idngo_times(time["minute"]),
    )


@st.composite
def ifcgate_events(draw: st.DrawFn, place: int, *, doubtful: bool) -> Delivery:
    word = draw(st.sampled_from(["approved", "approved", *IFCGATE_WORDS]))
    time = draw(st.sampled_from(UNTIMED if doubtful and word == "approved" else [*TIMED, *UNTIMED]))
    minute = time["minute"]
    return ifcgate(
        word,
        draw(st.sampled_from(["case.review.completed", "case.review.completed", "case.updated", "document.extracted"])),
        received_at=after(minutes=place).replace(microsecond=0),
        processed_at=None if minute is None else f"{after(minutes=minute):%Y-%m-%dT%H:%M:%SZ}",
        workflow=draw(st.sampled_from(LEVELS)),
        delivery=place,
    )


@st.composite
def idenfy_events(draw: st.DrawFn, place: int, *, doubtful: bool) -> Delivery:
    repeat = draw(st.sampled_from([False, False, True]))
    what = draw(st.sampled_from(["result", "result", "result", "result", "monitoring", "document"]))
    if what == "document":
        return document(draw(st.sampled_from(["DOCUMENT_EXPIRED", "DOCUMENT_EXPIRED", "DOCUMENT_EXPIRES_WITHIN_7_DAYS"])), repeat=repeat)
    if what == "monitoring":
        status, case = draw(st.sampled_from(["ALERT", "ACTIVE", "ACTIVE", "STOPPED"])), draw(st.sampled_from(["m-1", "m-2"]))
        return idenfy("AML_MONITORING", payloads.idenfy_monitoring([SCAN], status, monitoring=case, results=[place]), repeat=repeat)
    overall = draw(st.sampled_from(["APPROVED", "APPROVED", "APPROVED", *IDENFY_WORDS]))
    final = draw(st.booleans())
    tags = draw(st.sampled_from([[], [], ["FACE_BLACKLISTED"], ["AML_FAILED"], ["FAKE_PHOTO"]]))
    if doubtful and overall == "APPROVED" and final and not repeat:
        tags = draw(st.sampled_from([["FACE_BLACKLISTED"], ["AML_FAILED"]]))
    body = payloads.idenfy(SCAN, overall, final=final, tags=tags, clientId=f"customer-{place % 2}", startTime=place)
    return idenfy(draw(st.sampled_from([*IDENFY_KINDS, None])), body, repeat=repeat)


IDNGO_KINDS = [
    "applicantWorkflowCompleted", "applicantWorkflowFailed", "applicantCreated", "applicantPending", "applicantReset",
    "applicantLevelChanged", "applicantOnHold", "applicantAwaitingUser", "applicantDeactivated", "applicantActivated", "applicantDeleted",
    "amlCaseRejected", "amlCaseApproved", "applicantTagsChanged",
]  # fmt: skip
IFCGATE_WORDS = ["rejected", "in_review", "on_hold", "expired", "cancelled", "needs_documents", "frobnicated", "opened", "waiting"]
IDENFY_WORDS = ["DENIED", "DENIED", "SUSPECTED", "EXPIRED", "DELETED", "REVIEWING", "ACTIVE", "ARCHIVED", "TOTALLY_NEW"]
IDENFY_KINDS = [
    "IDENTIFICATION", "IDENTIFICATION_AUTO_FINISHED", "IDENTIFICATION_MANUAL_FINISHED", "IDENTIFICATION_MANUAL_FINISHED",
    "IDENTIFICATION_RESUBMITTED", "IDENTIFICATION_RESUBMITTED", "IDENTIFICATION_EXPIRED", "IDENTIFICATION_CANCELLED",
]  # fmt: skip

EVENTS: dict[str, Callable[..., st.SearchStrategy[Delivery]]] = {
    "idngo": idngo_events,
    "idenfy": idenfy_events,
    "ifcgate": ifcgate_events,
}


@st.composite
def histories(draw: st.DrawFn, vendor: str, *, doubtful: bool = False) -> History:
    """A history of one applicant. If it is `doubtful`, each of its approvals is: a repeat, of unknown time, or one that names a hit."""
    length = draw(st.integers(1, 8))
    received = [draw(EVENTS[vendor](place, doubtful=doubtful)) for place in range(length)]
    return History(received, draw(st.permutations(range(length))), draw(st.sampled_from(SETTINGS)))


def _idngo_times(minute: int | None) -> dict[str, Any]:
    moment: datetime | None = None if minute is None else after(minutes=minute)
    return {"createdAt": None, "createdAtMs": moment and f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"}


every_vendor = pytest.mark.parametrize("vendor", list(EVENTS))


# properties ---------------------------------------------------------------------------------------------------


@every_vendor
@properties(examples=1000)
@given(data=st.data())
def test_the_order_of_handling_does_not_matter(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor))
    in_order = told(*history.received, settings=history.settings)[-1].applicant
    in_another = told(*history.received, handled=history.handled, settings=history.settings)[-1].applicant
    assert shown(in_another, without=ON_THE_WAY) == shown(in_order, without=ON_THE_WAY)
    assert in_another.first_sequence == in_order.first_sequence


@every_vendor
@properties(examples=300)
@given(data=st.data())
def test_hearing_events_one_by_one_equals_deriving_from_all_of_them(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor))
    one_by_one = told(*history.received, settings=history.settings)[-1].applicant
    anew = derived(history.received, heard=history.handled, settings=history.settings)
    assert shown(anew, without=ON_THE_WAY) == shown(one_by_one, without=ON_THE_WAY)
    assert _said(rules.registers_of(anew)) == _said(rules.registers_of(one_by_one))


@every_vendor
@properties(examples=300)
@given(data=st.data())
def test_a_derivation_anew_finds_nothing_to_repair_in_what_is_right(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor))
    applicant = told(*history.received, settings=history.settings)[-1].applicant
    said = [
        weigh(interpreted(delivery, history.settings), occasion_of(history.received, place))
        for place, delivery in enumerate(history.received)
    ]
    again = transitions.derive(applicant, said, said[history.handled[0]], now=after(days=60))
    assert (again.changed, again.reversal, stored(again.applicant)) == ([], None, applicant)


@every_vendor
@properties(examples=300)
@given(data=st.data())
def test_registers_merge_in_any_grouping_and_order_and_twice_is_once(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor))
    written = [_written(history, place) for place in history.handled]
    cuts = sorted(data.draw(st.tuples(st.integers(0, len(written)), st.integers(0, len(written)))))
    a, b, c = (_merged(part) for part in (written[: cuts[0]], written[cuts[0] : cuts[1]], written[cuts[1] :]))
    merge = rules.merge
    assert _said(merge(a, b)) == _said(merge(b, a))
    assert _said(merge(merge(a, b), c)) == _said(merge(a, merge(b, c)))
    assert merge(a, a) == a
    assert merge(merge(a, b), b) == merge(a, b)


@every_vendor
@properties(examples=300)
@given(data=st.data())
def test_an_event_handled_twice_does_nothing_the_second_time(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor))
    again = data.draw(st.sampled_from(history.handled))
    decisions = told(*history.received, handled=[*history.handled, again], settings=history.settings)
    assert (decisions[-1].changed, decisions[-1].reversal, decisions[-1].applicant) == ([], None, decisions[-2].applicant)
    assert decisions[-1].outcome in (Outcome.UNCHANGED, Outcome.SUPERSEDED, Outcome.IGNORED)


@every_vendor
@properties(examples=300)
@given(data=st.data())
def test_approvals_that_are_all_in_doubt_approve_nobody_at_any_moment(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor, doubtful=True))
    for decision in told(*history.received, handled=history.handled, settings=history.settings):
        assert decision.applicant.status != "approved"
        assert not decision.applicant.ever_approved
        assert (decision.applicant.last_verdict or {}).get("status") != "approved"


@every_vendor
@properties(examples=300)
@given(data=st.data())
def test_neither_a_repeat_nor_an_event_of_unknown_time_makes_anyone_approved(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor))
    before = stranger(vendor)
    for place, decision in zip(history.handled, told(*history.received, handled=history.handled, settings=history.settings), strict=True):
        if _doubtful(history, place) and decision.applicant.status == "approved":
            assert (before.version > 0, before.status) == (True, "approved")
        before = decision.applicant


@every_vendor
@properties(examples=300)
@given(data=st.data())
def test_every_change_is_told_and_nothing_else_is(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor))
    before = stranger(vendor)
    for decision in told(*history.received, handled=history.handled, settings=history.settings):
        now = decision.applicant
        assert set(decision.changed) == _told_of(before, now)
        assert now.version == before.version + bool(decision.changed)
        assert (decision.outcome == Outcome.APPLIED) == bool(decision.changed)
        assert decision.reversal is None or "status" in decision.changed
        assert decision.reason
        before = now


@every_vendor
@properties(examples=300)
@given(data=st.data())
def test_the_time_shown_is_the_greatest_that_a_moving_event_named(vendor: str, data: st.DataObject) -> None:
    history = data.draw(histories(vendor))
    says = [interpreted(delivery, history.settings) for delivery in history.received]
    state = told(*history.received, handled=history.handled, settings=history.settings)[-1].applicant
    times = [news.occurred_at for place, news in enumerate(says) if news.says and news.occurred_at and not _doubtful(history, place)]
    assert state.as_of == max(times, default=None)


# what the properties speak of ---------------------------------------------------------------------------------


def _written(history: History, place: int) -> Registers:
    news, occasion = interpreted(history.received[place], history.settings), occasion_of(history.received, place)
    return rules.writes(weigh(news, occasion))


def _merged(written: list[Registers]) -> Registers:
    merged: Registers = {}
    for registers in written:
        merged = rules.merge(merged, registers)
    return merged


def _said(registers: Registers) -> dict[str, Any]:
    """What registers say and when it was said; of two events that say the same at the same instant, either may have said it."""
    return {name: (entry.stamp, entry.value) for name, entry in registers.items()}


def _doubtful(history: History, place: int) -> bool:
    """Whether a delivery is a repeat, or its vendor's time is none or impossible."""
    delivery = history.received[place]
    moment = interpreted(delivery, history.settings).occurred_at
    untimed = moment is None or moment - delivery.received_at > timedelta(days=1)
    return delivery.repeat or (delivery.vendor != "idenfy" and untimed)


def _told_of(before: Applicant, now: Applicant) -> set[str]:
    """The fields that the contract shows and that differ, apart from those in which a difference is no change."""
    if not now.version:
        return set()
    newly_known = set() if before.version else {"status"}
    old, new = _without_times(before if before.version else stranger(now.vendor)), _without_times(now)
    return newly_known | {name for name in new if old[name] != new[name]}


def _without_times(applicant: Applicant) -> dict[str, Any]:
    fields = shown(applicant, without=NO_CHANGE)
    verdict = fields["last_verdict"]
    return fields | {"last_verdict": verdict and {"status": verdict["status"], "level": verdict["level"]}}
