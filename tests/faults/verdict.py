"""What is left once a fault is over: whether anything acknowledged was lost, or took effect twice, or is not as told."""

from __future__ import annotations

import itertools
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from receiver.simulator import verification
from receiver.simulator.client import Delivery, Letter, Service
from receiver.simulator.payloads import Applicant
from tests.faults.ground import Ground
from tests.faults.reader import Reader
from tests.faults.traffic import Traffic

PAGE = 500

#: Changes of the erased: the notice, and what is empty.
EMPTIED = ("applicant.erased", "erased")


class Unreadable(Exception):
    """The service does not let itself be read."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """All that the service holds."""

    events: dict[str, dict[str, Any]]
    applicants: dict[tuple[str, str], dict[str, Any]]
    #: The change feed, from its beginning.
    changes: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is wrong; nothing, if all is well."""

    lost: int
    twice: int
    #: Applicants of a vendor without a clock of whom an older body came again, late: a copy that nobody waited for any more.
    #: It is a repeat, and may take access away.
    in_doubt: int
    events: int
    wrong: list[str] = field(default_factory=list)


def judge(ground: Ground, traffic: Traffic, reader: Reader) -> Verdict:
    """Compare what the service holds with the ledger, the stories and what the feed's reader was told. Raises Unreadable."""
    followed, left = reader.finish(), read(traffic.service)
    gone = missing(ground, traffic, left)
    pending = [event["id"] for event in left.events.values() if event["status"] == "pending"]
    given_up = [event["id"] for event in left.events.values() if event["status"] in ("failed", "unreadable")]
    twice, feed = _feed(left)
    if followed != [change["cursor"] for change in left.changes]:
        feed.append(f"its reader was told {len(followed)} changes, {len(set(followed))} of them different, of {len(left.changes)}")
    differing, in_doubt = _as_told(traffic, left)
    kept_twice = _kept_twice(traffic, left)
    wrong = [
        *_some("acknowledged and lost", [f"{one.vendor} {one.body[:60]!r}" for one in gone]),
        *_some("without an outcome", pending),
        *_some("failed or unreadable", given_up),
        *_some("kept twice", kept_twice),
        *_some("in the feed", feed),
        *_some("not as told", differing),
        *_rebuilt(ground),
        *_proved(ground),
    ]
    return Verdict(lost=len(gone) + len(pending), twice=twice + len(kept_twice), in_doubt=in_doubt, events=len(left.events), wrong=wrong)


def is_healed(ground: Ground, traffic: Traffic) -> bool:
    """Whether the service is well, and nothing that it acknowledged waits anywhere."""
    if ground.readiness().get("status") != "ok":
        return False
    try:
        waiting = next(_pages(traffic.service, "events", status="pending"), [])
        return not waiting and not missing(ground, traffic, read(traffic.service, "events"))
    except Unreadable:
        return False


def read(service: Service, *lists: str) -> Left:
    """The lists named, or all of them."""
    found = {name: [entry for page in _pages(service, name) for entry in page] for name in lists or ("events", "applicants", "changes")}
    return Left(
        events={event["id"]: event for event in found["events"]},
        applicants={(one["vendor"], one["reference"]): one for one in found.get("applicants", [])},
        changes=found.get("changes", []),
    )


def _pages(service: Service, name: str, **query: str) -> Iterator[list[dict[str, Any]]]:
    place = "after" if name == "changes" else "cursor"
    query["limit"] = str(PAGE)
    while True:
        answer = service.read(name, **query)
        if answer.status != 200:
            raise Unreadable(f"{name} ({answer.word})")
        if answer.content["data"]:
            yield answer.content["data"]
        if not answer.content["has_more"]:
            return
        query[place] = answer.content["next_cursor"]


# lost ---------------------------------------------------------------------------------------------------------


def missing(ground: Ground, traffic: Traffic, left: Left) -> list[Letter]:
    """Letters that were acknowledged and are not kept: neither under an id that was answered, nor, byte for byte, under another."""
    ledger = traffic.ledger
    absent = {letter for letter, ids in list(ledger.acknowledged.items()) if not ids & left.events.keys()} - ledger.under_another_id
    if absent:
        whose = {delivery.letter: delivery.applicant for lane in traffic.lanes for delivery in lane}
        ledger.under_another_id |= {letter for letter in absent if _is_kept(ground, traffic.service, letter, whose[letter].reference)}
    return sorted(absent - ledger.under_another_id, key=lambda letter: letter.body)


def _is_kept(ground: Ground, service: Service, letter: Letter, reference: str) -> bool:
    events = (event for page in _pages(service, "events", vendor=letter.vendor, reference=reference) for event in page)
    return any(_body(ground, event["id"]) == letter.body for event in events)


def _body(ground: Ground, event_id: str) -> bytes:
    headers = {"Authorization": f"Bearer {ground.token('OPERATOR')}"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{ground.base}/v1/events/{event_id}/body?reason=verdict", headers=headers), timeout=10
    ) as answer:
        body: bytes = answer.read()
        return body


# twice --------------------------------------------------------------------------------------------------------


def _kept_twice(traffic: Traffic, left: Left) -> list[str]:
    """Letters that were acknowledged as more than one event, neither being a repeat. Of the erased no event can be compared."""
    found = []
    whose = {delivery.letter: delivery.applicant for lane in traffic.lanes for delivery in lane}
    for letter, ids in traffic.ledger.acknowledged.items():
        if (whose[letter].vendor, whose[letter].reference) in traffic.erased:
            continue
        kept = sorted(event_id for event_id in ids & left.events.keys() if not left.events[event_id]["repeat"])
        if len(kept) > 1:
            found.append(" and ".join(kept))
    return found


def _feed(left: Left) -> tuple[int, list[str]]:
    """How many changes were applied twice, and what else is wrong with the feed."""
    versions: dict[tuple[str, str], list[int]] = defaultdict(list)
    causes: Counter[tuple[str, str, str]] = Counter()
    for change in left.changes:
        if change["type"] in EMPTIED:
            continue
        who = change["vendor"], change["reference"]
        versions[who].append(change["applicant"]["version"])
        causes[(change["event_id"], *who)] += 1
    repeated = sum(len(each) - len(set(each)) for each in versions.values())
    again = sum(count - 1 for count in causes.values())
    numbers = [int(change["cursor"].partition(".")[2]) for change in left.changes]
    last = {who: one["version"] for who, one in left.applicants.items()}
    wrong = [f"{' '.join(who)} has versions {each}" for who, each in versions.items() if each != list(range(1, len(each) + 1))]
    wrong += [f"{' '.join(who)} is of version {version}" for who, version in last.items() if version != len(versions[who])]
    if any(later <= former for former, later in itertools.pairwise(numbers)):
        wrong.append("its cursors do not rise")
    return max(repeated, again), wrong


# not as told --------------------------------------------------------------------------------------------------


def _as_told(traffic: Traffic, left: Left) -> tuple[list[str], int]:
    """Applicants who do not stand where their story says, and how many are in doubt for a reason."""
    unsure = {delivery.applicant for lane in traffic.lanes for delivery in lane if _may_come_late(traffic, delivery)}
    repeated = {(event["vendor"], event["reference"]) for event in left.events.values() if event["repeat"]}
    wrong, in_doubt = [], 0
    for telling in traffic.plot.tellings:
        who = telling.applicant.vendor, telling.applicant.reference
        if who in traffic.erased:
            wrong += [f"{' '.join(who)} was erased, and is known"] if who in left.applicants else []
            continue
        applicant = left.applicants.get(who, {})
        # What breaks may change the order in which events are handled, and with it the way, never the end.
        differences = verification.differences(replace(telling, in_order=False), applicant, [])
        if differences and telling.applicant in unsure and who in repeated:
            in_doubt += 1
        elif differences:
            why = "a repeat was kept; " if who in repeated else ""
            wrong.append(f"{' '.join(who)} ({telling.story.name}): {why}{'; '.join(differences)}")
    strangers: set[Applicant] = {delivery.applicant for lane in traffic.lanes for delivery in lane if delivery.kind == "forged"}
    wrong += [f"{one.vendor} {one.reference} was forged" for one in strangers if (one.vendor, one.reference) in left.applicants]
    return wrong, in_doubt


def _may_come_late(traffic: Traffic, delivery: Delivery) -> bool:
    return delivery.letter.vendor == "idenfy" and delivery.letter in traffic.ledger.unsure


def _rebuilt(ground: Ground) -> list[str]:
    done = ground.standing("rebuild", "--check", "--json")
    return [] if done.returncode == 0 else [f"`standing rebuild --check` finds: {(done.stdout or done.stderr).strip()[:400]}"]


def _proved(ground: Ground) -> list[str]:
    done = ground.standing("log", "verify")
    return [] if done.returncode == 0 else [f"`standing log verify` finds: {(done.stdout or done.stderr).strip()[:400]}"]


def _some(what: str, found: list[str]) -> list[str]:
    """What is wrong, in a line with a few examples."""
    return [f"{len(found)} {what}: {', '.join(found[:3])}"] if found else []
