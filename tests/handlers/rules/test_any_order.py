"""A hundred thousand histories: whatever the order of handling, an applicant ends where the vendor's words put it.

The long run tries all of them; others a tenth, another with every commit.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from msgspec import structs

from handlers.interpret import weigh
from handlers.rules import transitions
from handlers.rules.projection import show
from handlers.rules.registers import Registers, apply_news, merge, writes
from store.applicants.table import Applicant
from store.text.states import Status
from tests.support.generated.histories import VENDORS, Heard, Vendor, history
from tests.support.generated.samples import seed, size
from tests.support.payloads import BEGAN

HISTORIES = 100_000
SEED = 20_260_504

#: One history in so many is also handled event by event, as a worker does.
HANDLED_SHARE = 10

#: What may differ between two orders of handling.
OF_THE_WAY = ("version", "updated_at", "status_since", "last_event_id")


def newcomer(linked_to: str | None = None) -> Applicant:
    return Applicant(vendor="any", environment="live", reference="one", updated_at=BEGAN, linked_user_id=linked_to)


def heard(events: Iterable[Heard]) -> Registers:
    registers: Registers = {}
    for news, occasion in events:
        registers = apply_news(registers, weigh(news, occasion))
    return registers


def handled(events: Iterable[Heard], applicant: Applicant) -> Applicant:
    for news, occasion in events:
        applicant = transitions.decide(applicant, weigh(news, occasion), now=BEGAN).applicant
    return applicant


def ending(applicant: Applicant) -> dict[str, Any]:
    return {name: value for name, value in structs.asdict(applicant).items() if name not in OF_THE_WAY}


def shuffled(chance: random.Random, events: Sequence[Heard]) -> list[Heard]:
    """The events in another order, some of them twice."""
    again = [event for event in events if chance.random() < 0.2]
    return chance.sample([*events, *again], len(events) + len(again))


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_hundred_thousand_histories_end_the_same_in_any_order(vendor: Vendor) -> None:
    chance = random.Random(f"{seed(SEED)} {vendor.name}")
    for number in range(size(HISTORIES) // len(VENDORS) + 1):
        events = history(chance, vendor)
        other = shuffled(chance, events)
        registers = heard(events)
        assert heard(other) == registers, f"history {number}: merging in another order gives other registers"
        # Merged by halves, as if two workers had each heard a part: what one side's merge gives, the other's takes up.
        half = len(other) // 2
        assert merge(heard(other[:half]), heard(other[half:])) == registers, f"history {number}: merging by halves differs"
        if number % HANDLED_SHARE == 0:
            linked_to = chance.choice((None, "linked"))
            there, back = handled(events, newcomer(linked_to)), handled(other, newcomer(linked_to))
            assert ending(there) == ending(back), f"history {number}: handling in another order ends elsewhere"
            assert ending(show(newcomer(linked_to), registers)) == ending(there), f"history {number}: a fold of all ends elsewhere"


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_each_registers_merge_is_commutative_associative_and_idempotent(vendor: Vendor) -> None:
    chance = random.Random(f"{seed(SEED)} merge {vendor.name}")
    for _ in range(size(5_000)):
        one, two, three = (_written(chance, vendor) for _ in range(3))
        assert merge(one, two) == merge(two, one)
        assert merge(merge(one, two), three) == merge(one, merge(two, three))
        assert merge(merge(one, two), two) == merge(one, two)


def test_the_generator_meets_what_it_is_for() -> None:
    # A generator that never approves, never ties, or never lifts anything would prove nothing.
    chance = random.Random(SEED)
    endings: list[Applicant] = []
    for number in range(3_000):
        events = history(chance, VENDORS[number % len(VENDORS)])
        endings.append(show(newcomer(), heard(events)))
    assert {applicant.status for applicant in endings} == set(Status)
    assert {flag for applicant in endings for flag in applicant.flags} >= {
        "TIME_UNKNOWN",
        "REPEATED_BODY",
        "MONITORING_ALERT",
        "DOCUMENT_EXPIRED",
    }


def _written(chance: random.Random, vendor: Vendor) -> Registers:
    """What one event writes. Events differ in their sequence, as they do in the inbox."""
    events = history(chance, vendor)
    news, occasion = events[-1]
    return writes(weigh(news, occasion))
