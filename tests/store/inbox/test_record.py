"""Each event once, whoever delivers it how often, and in an order that the database draws."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter

from sqlalchemy import select

from store import database
from store.database.tables import EventRow
from store.inbox import claims, events, settling
from store.inbox import record as inbox
from store.inbox.deliveries import Delivery
from store.inbox.record import Kept


def once(body: bytes, vendor: str = "idngo", environment: str = "live") -> Delivery:
    return Delivery(vendor=vendor, environment=environment, headers={}, body=body, identity=hashlib.sha256(body).digest())


def about(subject: str, body: bytes, kind: str = "FINISHED", environment: str = "live") -> Delivery:
    """A delivery of a vendor whose events are the same only as long as they are their subject's latest."""
    identity = hashlib.sha256(kind.encode() + b"\0" + body).digest()
    subject_hash = hashlib.sha256(subject.encode()).digest()
    return Delivery(vendor="idenfy", environment=environment, headers={}, body=body, identity=identity, subject=subject_hash)


def at_once(deliveries: list[Delivery]) -> list[Kept]:
    """Keep deliveries at the same instant, each in a thread of its own."""
    kept: list[Kept] = []
    barrier = threading.Barrier(len(deliveries))

    def keep(delivery: Delivery) -> None:
        barrier.wait()
        kept.append(inbox.record(delivery))

    threads = [threading.Thread(target=keep, args=(delivery,)) for delivery in deliveries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return kept


def rows() -> list[tuple[int, str, bool, int]]:
    with database.reading() as connection:
        query = select(EventRow.sequence, EventRow.id, EventRow.repeat, EventRow.deliveries).order_by(EventRow.sequence)
        return [tuple(row) for row in connection.execute(query)]


def test_copies_at_the_same_instant_are_one_event(kept: str) -> None:
    answers = at_once([once(b"the same")] * 12)
    assert len({answer.event_id for answer in answers}) == 1
    assert Counter(answer.first for answer in answers) == {True: 1, False: 11}
    assert [row[3] for row in rows()] == [12]


def test_copies_about_a_subject_at_the_same_instant_are_one_event(kept: str) -> None:
    answers = at_once([about("scan", b"the same")] * 12)
    assert Counter(answer.first for answer in answers) == {True: 1, False: 11}
    assert [(row[2], row[3]) for row in rows()] == [(False, 12)]


def test_identity_does_not_span_vendors_or_environments(kept: str) -> None:
    for_good = [once(b"b"), once(b"b", vendor="ifcgate"), once(b"b", environment="sandbox")]
    of_subjects = [about("s", b"b"), about("s", b"b", environment="sandbox")]
    assert all(inbox.record(delivery).first for delivery in for_good + of_subjects)


def test_a_body_seen_before_its_subjects_latest_is_a_repeat(kept: str) -> None:
    for body in (b"approved", b"denied", b"approved", b"approved", b"denied", b"new"):
        inbox.record(about("scan", body))
    assert [(row[2], row[3]) for row in rows()] == [(False, 1), (False, 1), (True, 2), (True, 1), (False, 1)]


def test_the_latest_body_under_another_type_is_a_new_event_and_no_repeat(kept: str) -> None:
    for kind in ("A", "B", "A"):
        assert inbox.record(about("scan", b"body", kind)).first
    assert [row[2] for row in rows()] == [False, False, False]


def test_a_body_is_a_repeat_only_of_its_own_subject(kept: str) -> None:
    for subject in ("one", "other"):
        inbox.record(about(subject, b"first"))
        inbox.record(about(subject, b"second"))
    inbox.record(about("third", b"first"))
    assert not any(row[2] for row in rows())


def test_racing_events_of_one_subject_keep_one_order_and_lose_nothing(kept: str) -> None:
    # Two verdicts of one scan arrive together: both are kept, and the subject's latest is the one with the greater number.
    answers = at_once([about("scan", f"verdict {number}".encode()) for number in range(8)])
    assert all(answer.first for answer in answers)
    last = max(rows())[1]
    with database.reading() as connection:
        body = events.body(connection, last)
    assert body is not None
    assert inbox.record(about("scan", body)) == Kept(last, first=False)


def test_ids_sort_by_arrival(kept: str) -> None:
    ids = [inbox.record(once(f"event {number}".encode())).event_id for number in range(20)]
    assert ids == sorted(ids)


def test_a_claimed_event_is_claimed_by_nobody_else(kept: str) -> None:
    for number in range(10):
        inbox.record(once(f"event {number}".encode()))
    first, second = claims.claim_oldest("one", most=6), claims.claim_oldest("other", most=6)
    assert (len(first), len(second)) == (6, 4)
    assert not {event.id for event in first} & {event.id for event in second}


def test_what_is_given_back_can_be_claimed_again(kept: str) -> None:
    inbox.record(once(b"event"))
    claims.claim_oldest("one", most=1)
    settling.release("one")
    assert len(claims.claim_oldest("other", most=1)) == 1


def test_a_repeat_stays_one_under_another_type(kept: str) -> None:
    # The type is outside the signature: whoever has a recording may send it under any.
    for body, kind in ((b"approved", "A"), (b"denied", "A"), (b"approved", "X"), (b"approved", "A")):
        inbox.record(about("scan", body, kind))
    assert [row[2] for row in rows()] == [False, False, True, True]


def test_a_claim_brings_a_bounded_number_of_bytes_into_memory(kept: str) -> None:
    for number in range(5):
        inbox.record(once(bytes([number]) * 3_000_000))
    assert len(claims.claim_oldest("one", most=200)) == 2


def test_however_many_wait_the_newest_of_each_vendor_can_be_claimed(kept: str) -> None:
    flood = [inbox.record(once(f"flood {number}".encode())).event_id for number in range(10)]
    others = {vendor: inbox.record(once(vendor.encode(), vendor)).event_id for vendor in ("idenfy", "ifcgate")}
    newest = {vendor: [event.id for event in claims.claim_newest(vendor, vendor, most=2)] for vendor in ("idngo", *others)}
    assert newest == {"idngo": flood[-2:]} | {vendor: [event_id] for vendor, event_id in others.items()}
    assert [event.id for event in claims.claim_oldest("other", most=3)] == flood[:3]
