"""Stories with erasures: what vendors deliver, what people do, and who is erased when. Two of each vendor are told of, three of iDenfy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hypothesis import strategies

from receiver.vendors import VENDORS
from receiver.vendors.base import SigningKey
from store.inbox.deliveries import Delivery
from store.inbox.internal_events import Ruling
from store.system.environment import Environment
from store.text.states import ApplicantKey
from tests.support import payloads
from tests.support.payloads import after

#: Long names, so that none is part of anything else.
KEYS = tuple(
    ApplicantKey(vendor, "live", f"{vendor}{letter}ppppprrrrrrrrrrr")
    for vendor, letters in (("idngo", "ab"), ("ifcgate", "ab"), ("idenfy", "abc"))
    for letter in letters
)
SCANS = tuple(key.reference for key in KEYS if key.vendor == "idenfy")
USERS = ("user-number-one-of-the-story", "user-number-two-of-the-story")
RECEIVED = after(days=30)
SECRET = b"a secret of the story"


@dataclass(frozen=True)
class Deliver:
    """A vendor delivers a body."""

    vendor: str
    body: bytes
    event_type: str = ""

    def delivery(self) -> Delivery:
        """Return the delivery, as the receiver makes it."""
        scheme = VENDORS[self.vendor].configure(Environment({}))
        now = RECEIVED
        headers = scheme.sign(self.body, SECRET, event_type=self.event_type, now=now)
        if not self.event_type:
            headers.pop("Idenfy-Event-Type", None)
        return scheme.authenticate(headers, self.body, (SigningKey(secret=SECRET, environment="live"),), now=now)


@dataclass(frozen=True)
class Act:
    """Something that is done: `handle`, `rebuild`, `replay` (the event of a step), `decide`, `link`, `import`, `erase`, `erase user`,
    `erase while claimed`."""

    what: str
    key: ApplicantKey = KEYS[0]
    user: str = USERS[0]
    ruling: Ruling = Ruling.APPROVE
    number: int = 0


Step = Deliver | Act


def user_of(reference: str) -> str:
    return USERS["bc".find(reference.removeprefix("idngo").removeprefix("idenfy")[0]) >= 0]


def _idngo(reference: str, kind: tuple[str, dict[str, Any]], minute: int) -> Deliver:
    event_type, more = kind
    body = payloads.idngo(reference, event_type, at=after(minutes=minute), correlationId="c", externalUserId=user_of(reference), **more)
    return Deliver("idngo", json.dumps(body).encode())


def _ifcgate(reference: str, status: str, minute: int) -> Deliver:
    return Deliver("ifcgate", json.dumps(payloads.ifcgate(reference, status, at=after(minutes=minute))).encode())


def _result(reference: str, overall: str, final: bool, event_type: str) -> Deliver:
    return Deliver("idenfy", json.dumps(payloads.idenfy(reference, overall, final=final, clientId=user_of(reference))).encode(), event_type)


def _scans(references: list[str], status: str, monitoring: str | None, more: dict[str, Any], event_type: str) -> Deliver:
    body = payloads.idenfy_monitoring(references, status, monitoring=monitoring or "") | more
    if monitoring is None:
        del body["monitoringId"]
    return Deliver("idenfy", json.dumps(body).encode(), event_type)


def _broken(key: ApplicantKey, rest: str) -> Deliver:
    body = json.dumps({"applicantId": key.reference, "case_id": key.reference, "scanRef": key.reference})[:-1] + rest
    return Deliver(key.vendor, body.encode(), "IDENTIFICATION" if key.vendor == "idenfy" else "")


_of = strategies.sampled_from
_minutes = strategies.integers(0, 2)
_IDNGO_KINDS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("applicantReviewed", {"answer": "GREEN"}),
    ("applicantReviewed", {"answer": "RED", "reject": "FINAL", "labels": ["BLACKLIST"]}),
    ("applicantReviewed", {"answer": "RED", "reject": "RETRY"}),
    ("applicantPending", {}),
    ("applicantReset", {}),
    ("applicantDeleted", {}),
    ("amlCaseRejected", {}),
    ("amlCaseApproved", {}),
    ("applicantTagsChanged", {}),
)
_idngo_bodies = strategies.builds(_idngo, _of([key.reference for key in KEYS if key.vendor == "idngo"]), _of(_IDNGO_KINDS), _minutes)
_ifcgate_bodies = strategies.builds(
    _ifcgate,
    _of([key.reference for key in KEYS if key.vendor == "ifcgate"]),
    _of(["approved", "rejected", "needs_documents", "in_review", "strange"]),
    _minutes,
)
_TYPES = ("IDENTIFICATION_MANUAL_FINISHED", "IDENTIFICATION_AUTO_FINISHED", "IDENTIFICATION_RESUBMITTED", "AGE_ESTIMATION")
_results = strategies.builds(
    _result, _of(SCANS), _of(["APPROVED", "DENIED", "SUSPECTED", "DELETED", "REVIEWING"]), strategies.booleans(), _of(_TYPES)
)
_monitorings = strategies.builds(
    _scans,
    strategies.lists(_of(SCANS), min_size=1, max_size=3, unique=True),
    _of(["ALERT", "ALERT", "CLEAR", "NOTHING"]),
    _of(["m-1", "m-1", "m-2", None]),
    _of([{}, {}, {"at": 1}]),
    _of(["AML_MONITORING", "AML_MONITORING", "Aml_Monitoring", "AML_MONITORING_EXPIRATION", "UNKNOWN", ""]),
)
_broken_bodies = strategies.builds(_broken, _of(KEYS), _of(["", ', "type": ', ', "status": 7}']))
_acts = strategies.builds(
    Act,
    what=_of(["handle"] * 5 + ["rebuild", "replay", "replay", "decide", "link", "import"]),
    key=_of(KEYS),
    user=_of(USERS),
    ruling=_of(list(Ruling)),
    number=strategies.integers(0, 30),
)
_erasures = strategies.builds(Act, what=_of(["erase", "erase", "erase while claimed", "erase user"]), key=_of(KEYS), user=_of(USERS))

#: Mostly iDenfy, whose bodies are shared and come again.
_steps = strategies.one_of(
    _monitorings, _monitorings, _results, _monitorings, _idngo_bodies, _ifcgate_bodies, _broken_bodies, _acts, _acts, _erasures
)


@strategies.composite
def stories(draw: strategies.DrawFn) -> list[Step]:
    """Return a story. Bodies come again, at once or later."""
    told: list[Step] = []
    for step in draw(strategies.lists(_steps, min_size=3, max_size=25)):
        told.append(step)
        delivered = [one for one in told if isinstance(one, Deliver)]
        if delivered and draw(strategies.integers(0, 3)) == 0:
            told.append(draw(_of(delivered)))
    return told


def at(number: int) -> Any:
    """Return when the step of a story was, by our clock."""
    return RECEIVED + timedelta(minutes=number)
