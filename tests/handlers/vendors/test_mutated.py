"""An approval counts only when all that it says about screening is understood, whatever becomes of the vendors' shapes.

The long run tries all bodies; others a tenth, another with every commit.
"""

from __future__ import annotations

import random

import pytest

from handlers.interpret import weigh
from handlers.rules.news import Step, Unreadable
from store.text.states import Status
from tests.support.generated import mutated
from tests.support.generated.samples import seed, size
from tests.support.telling import MANUAL, interpreted, occasion_of, raw

SEED = 20261127

#: How many bodies of each vendor are tried: half of them clear, half spoiled.
BODIES = 20_000


def approves(vendor: str, body: bytes) -> bool:
    """Whether the applicant of a body is approved by it."""
    delivery = raw(vendor, body, headers={"Idenfy-Event-Type": MANUAL} if vendor == "idenfy" else {})
    try:
        news = interpreted(delivery)
    except Unreadable:
        return False
    says = weigh(news, occasion_of([delivery], 0)).says
    return isinstance(says, Step) and says.status == Status.APPROVED


@pytest.mark.parametrize("vendor", mutated.VENDORS)
def test_no_body_approves_that_says_a_hit_or_anything_unknown_and_every_clear_one_does(vendor: str) -> None:
    chance = random.Random(f"{seed(SEED)} {vendor}")
    for number in range(size(BODIES)):
        spoiled = number % 2 == 1
        body = mutated.body_of(vendor, chance, spoiled=spoiled)
        assert approves(vendor, body) is not spoiled, f"body {number}, which is {'spoiled' if spoiled else 'clear'}: {body!r}"
