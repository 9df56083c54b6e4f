"""What is recorded of an event once it is decided: its outcome and reason, and a mention for each applicant that it names."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

import pytest
from msgspec import structs

from handlers.interpret import weigh
from handlers.rules import outcome
from handlers.rules.news import (
    Activity,
    Alert,
    Archived,
    Deletion,
    DocumentNotice,
    EventReading,
    Judgement,
    News,
    Occasion,
    Says,
    Step,
    Unreadable,
)
from handlers.rules.transitions import Decision
from store.applicants.mentions import Mention
from store.applicants.table import Applicant
from store.inbox.events import InboxEvent
from store.inbox.internal_events import DecisionBody, Ruling
from store.inbox.settling import Settlement
from store.operations import delivery_counts
from store.text.states import Outcome, Status

HAPPENED, RECEIVED = datetime(2026, 5, 4, 9, 30, tzinfo=UTC), datetime(2026, 5, 4, 9, 31, tzinfo=UTC)
DECIDED = DecisionBody(reference="a", ruling=Ruling.REJECT, by="night", reason="looked into", at=HAPPENED)

GREEN = Step(status=Status.APPROVED, verdict=True)
UNREADABLE = Unreadable("the body names nobody", event_type="applicantReviewed", reference="a")


def reading(news: News | Unreadable, *, replayed: bool = False) -> EventReading:
    event = InboxEvent(
        sequence=7, id="event-7", vendor="idngo", environment="sandbox", headers={}, body_sha256=b"\1", key_id="", sealed_body=b"",
        received_at=RECEIVED, repeat=False, seen_before=False, attempts=0, replayed=replayed,
    )  # fmt: skip
    occasion = Occasion(event_id=event.id, sequence=event.sequence, received_at=RECEIVED, body_sha256="01")
    return EventReading(event=event, **structs.asdict(weigh(news, occasion)))


def news(*references: str, says: Says | None = GREEN, because: str = "applicantReviewed GREEN") -> News:
    return News(event_type="applicantReviewed", references=references, occurred_at=HAPPENED, says=says, because=because)


def decision(reference: str, ended: Outcome, *, superseded_by: str | None = None) -> Decision:
    applicant = Applicant(vendor="idngo", environment="sandbox", reference=reference, updated_at=RECEIVED)
    reason = f"{reference} was {ended}"
    return Decision(applicant=applicant, outcome=ended, reason=reason, changed=[], reversal=None, superseded_by=superseded_by)


def settled(said: News | Unreadable, *decisions: Decision, applied_before: bool = False) -> Settlement:
    return outcome.settlement(reading(said), decisions, applied_before=applied_before)


def mentions(said: News | Unreadable, decisions: Collection[Decision] = ()) -> list[Mention]:
    return list(outcome.mentions_of(reading(said), decisions))


# the outcome of an event --------------------------------------------------------------------------------------


def test_the_outcome_for_one_applicant_is_that_of_the_event_which_names_it_and_its_time() -> None:
    assert settled(news("a"), decision("a", Outcome.UNCHANGED)) == Settlement(
        sequence=7,
        status=Outcome.UNCHANGED,
        reason="a was unchanged",
        event_type="applicantReviewed",
        reference="a",
        occurred_at=HAPPENED,
    )


def test_of_several_outcomes_the_strongest_is_the_events_and_no_single_applicant_is_named() -> None:
    weakest_first = [Outcome.IGNORED, Outcome.SUPERSEDED, Outcome.UNCHANGED, Outcome.APPLIED]
    for count in range(2, 5):
        several = [decision(f"{number}", ended) for number, ended in enumerate(weakest_first[:count])]
        ended = settled(news("0", "1"), *several)
        assert (ended.status, ended.reason, ended.reference) == (several[-1].outcome, several[-1].reason, None)


def test_an_event_that_moves_no_applicant_is_ignored_for_what_it_says() -> None:
    ended = settled(news("a", says=None, because="applicantTagged moves nothing"))
    assert (ended.status, ended.reason, ended.reference) == (Outcome.IGNORED, "applicantTagged moves nothing", "a")


def test_an_unreadable_event_keeps_its_reason_its_type_and_its_applicant() -> None:
    assert settled(UNREADABLE) == Settlement(
        sequence=7, status=Outcome.UNREADABLE, reason="the body names nobody", event_type="applicantReviewed", reference="a"
    )


def test_the_message_of_an_unreadable_event_is_its_reason() -> None:
    assert str(Unreadable("the body names nobody", event_type="applicantReviewed")) == "the body names nobody"


@pytest.mark.parametrize("ended", [Outcome.UNCHANGED, Outcome.SUPERSEDED])
def test_what_was_applied_before_stays_applied_when_it_is_handled_again(ended: Outcome) -> None:
    again = settled(news("a"), decision("a", ended), applied_before=True)
    assert (again.status, again.reason) == (
        Outcome.APPLIED,
        f"a was {ended}; it was applied before, and handled again it changed nothing",
    )


@pytest.mark.parametrize("ended", [Outcome.APPLIED, Outcome.IGNORED])
def test_other_outcomes_are_as_they_are_when_it_is_handled_again(ended: Outcome) -> None:
    again = settled(news("a"), decision("a", ended), applied_before=True)
    assert (again.status, again.reason) == (ended, f"a was {ended}")


# mentions -----------------------------------------------------------------------------------------------------


def test_a_mention_holds_what_was_said_what_it_meant_and_what_followed() -> None:
    said = news("a", says=Step(status=Status.REJECTED, verdict=True, reasons=("FORGERY", "BLOCKLIST")), because="applicantReviewed RED")
    (mention,) = mentions(said, [decision("a", Outcome.SUPERSEDED, superseded_by="event-9")])
    assert mention == Mention(
        vendor="idngo",
        environment="sandbox",
        reference="a",
        event_sequence=7,
        place=1_777_887_000_000_000,
        rank=10,
        said="applicantReviewed RED (FORGERY, BLOCKLIST)",
        meant="verdict: rejected",
        outcome=Outcome.SUPERSEDED,
        why="a was superseded",
        superseded_by="event-9",
    )


def test_each_applicant_has_its_own_mention_even_one_that_was_not_moved() -> None:
    moved, unmoved = mentions(news("a", "b"), [decision("a", Outcome.APPLIED)])
    assert (moved.reference, moved.outcome, moved.why) == ("a", Outcome.APPLIED, "a was applied")
    assert (unmoved.reference, unmoved.outcome, unmoved.why, unmoved.superseded_by) == (
        "b",
        Outcome.IGNORED,
        "applicantReviewed GREEN",
        None,
    )


def test_the_mention_of_an_unreadable_event_says_why() -> None:
    (mention,) = mentions(UNREADABLE)
    assert (mention.reference, mention.said, mention.meant) == ("a", "the body names nobody", "nothing")
    assert (mention.outcome, mention.why, mention.superseded_by) == (Outcome.UNREADABLE, "the body names nobody", None)


@pytest.mark.parametrize(
    ("says", "meant"),
    [
        (None, "nothing"),
        (Step(status=Status.IN_REVIEW), "progress: in_review"),
        (Step(status=Status.IN_REVIEW, provisional=Status.REJECTED), "progress: in_review, provisionally rejected"),
        (Step(status=Status.REJECTED, verdict=True), "verdict: rejected"),
        (Step(status=Status.APPROVED, verdict=True, binding=True), "final verdict: approved"),
        (Deletion(), "deletion"),
        (Activity(active=True), "activation"),
        (Activity(active=False), "deactivation"),
        (Alert(monitoring="m-1", raised=True), "monitoring alert raised (m-1)"),
        (Alert(monitoring="", raised=False), "monitoring alert cleared"),
        (DocumentNotice(expired=True), "document expired"),
        (DocumentNotice(expired=False), "document runs out soon"),
        (Archived(), "archived"),
        (Judgement(status=Status.REJECTED, decided=DECIDED), "a person's decision: rejected"),
    ],
)
def test_a_mention_says_in_our_words_what_news_was_taken_to_mean(says: Says | None, meant: str) -> None:
    (mention,) = mentions(news("a", says=says))
    assert (mention.meant, mention.said) == (meant, "applicantReviewed GREEN")


# events for somebody to look at -------------------------------------------------------------------------------

UNKNOWN_TYPE = News(event_type="applicantNovel", says=None, because="applicantNovel moves nothing", is_unknown_type=True)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        (news("a", says=Step(status=Status.APPROVED, not_understood=("AML",))), delivery_counts.NOT_UNDERSTOOD),
        (UNKNOWN_TYPE, delivery_counts.unknown_type("applicantNovel")),
        (news("a", says=GREEN), None),
        (news("a", says=Deletion()), None),
        (UNREADABLE, None),
    ],
)
def test_an_event_for_somebody_to_look_at_is_counted_once(said: News | Unreadable, word: str | None) -> None:
    assert outcome.noticed(reading(said)) == word
    assert outcome.noticed(reading(said, replayed=True)) is None
