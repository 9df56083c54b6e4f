"""Data keys in the database: one for each event, none for a duplicate, and none that is lost while all are wrapped again."""

from __future__ import annotations

import base64
import hashlib
import os
import threading

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select, update

from store import database
from store.database.privacy_tables import BodyKey, MasterKey
from store.database.tables import EventRow
from store.inbox import claims, deliveries, events
from store.inbox import record as inbox
from store.inbox.deliveries import SealedDelivery
from store.inbox.sealing.encryption import Unopenable, key_id, keyring
from store.inbox.spool import spool_import
from store.operations import key_rotation
from store.system import clock, fault_points
from store.text import traces
from store.text.traces import Trace
from tests.conftest import KEY, forget
from tests.store.inbox.test_record import about, at_once, once

NEWER = base64.b64encode(b"a second key of 32 bytes, newer!").decode()
OLD_KEY, NEW_KEY = base64.b64decode(KEY), base64.b64decode(NEWER)


@pytest.fixture(autouse=True)
def _no_worker_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "LIVE_SECONDS_MAX", 1e9)


def configure(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS", ",".join(keys))
    forget()


def body_keys() -> dict[str, str]:
    """The ids of the master keys, by the events' ids."""
    with database.reading() as connection:
        return {row.event_id: row.key_id for row in connection.execute(select(BodyKey.event_id, BodyKey.key_id))}


def event_ids() -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(select(EventRow.id)).scalars())


def body_of(event_id: str) -> bytes | None:
    with database.reading() as connection:
        return events.body(connection, event_id)


def of_old_form(body: bytes) -> SealedDelivery:
    """A delivery as versions before revision 0017 sealed it, and spooled it."""
    event_id, nonce = deliveries.new_event_id(), os.urandom(12)
    sealed = nonce + AESGCM(OLD_KEY).encrypt(nonce, body, f"{key_id(OLD_KEY)}|{event_id}".encode())
    digest = hashlib.sha256(body).digest()
    names = {"id": event_id, "vendor": "idngo", "environment": "live", "headers": {}, "key_id": key_id(OLD_KEY)}
    row = {"identity": digest, "subject": None, "body_sha256": digest, "sealed_body": sealed, "received_at": clock.now()}
    return msgspec.json.decode(msgspec.json.encode(names | row), type=SealedDelivery)


def keep_handled(body: bytes) -> str:
    """Keep an event that nobody needs to handle: a rotation pauses while one waits."""
    event_id = inbox.record(once(body)).event_id
    settle()
    return event_id


def settle() -> None:
    with database.begin() as connection:
        settled = {"status": "ignored", "reason": "", "settled_at": clock.now()}
        connection.execute(update(EventRow).where(EventRow.status == "pending").values(**settled))


def keep_old_form(*bodies: bytes) -> list[str]:
    arrived = [of_old_form(body) for body in bodies]
    spool_import._keep_all(arrived)
    return [one.id for one in arrived]


# keeping ------------------------------------------------------------------------------------------------------


def test_each_event_has_one_key_however_often_it_is_delivered(kept: str) -> None:
    at_once([once(b"the same")] * 8)
    at_once([about("scan", b"the same")] * 8)
    inbox.record(about("scan", b"another"))
    inbox.record(about("scan", b"the same"))
    inbox.record(once(b"the same"))
    assert len(body_keys()) == 4
    assert body_keys().keys() == event_ids()


def test_a_delivery_that_was_spooled_keeps_its_key_and_is_imported_once(kept: str) -> None:
    arrival = msgspec.json.decode(msgspec.json.encode(deliveries.seal(once(b"spooled"))), type=SealedDelivery)
    duplicate = deliveries.seal(once(b"spooled"))
    spool_import._keep_all([arrival, duplicate])
    spool_import._keep_all([arrival, duplicate])
    assert (list(body_keys()), body_of(arrival.id)) == ([arrival.id], b"spooled")


def test_a_record_of_an_older_version_and_one_of_this_are_imported_together_and_each_has_its_trace(kept: str) -> None:
    with traces.following(Trace("4bf92f3577b34da6a3ce929d0e0e4736", is_sampled=True)):
        arrival = deliveries.seal(once(b"new"))
    new, old = msgspec.json.decode(msgspec.json.encode(arrival), type=SealedDelivery), of_old_form(b"old")
    spool_import._keep_all([old, new])
    with database.reading() as connection:
        found = dict(connection.execute(select(EventRow.id, EventRow.trace)).all())
    assert found == {old.id: None, new.id: "4bf92f3577b34da6a3ce929d0e0e4736-01"}


def test_a_record_that_an_older_version_spooled_is_read_and_converted(kept: str) -> None:
    [event_id] = keep_old_form(b"old")
    assert (body_keys(), body_of(event_id)) == ({}, b"old")
    assert key_rotation.rotate(on_wrapped=lambda _: None) == 1
    assert (body_keys(), body_of(event_id)) == ({event_id: key_id(OLD_KEY)}, b"old")


def test_a_worker_gets_the_key_with_the_event_in_either_form(kept: str) -> None:
    [old] = keep_old_form(b"old")
    new = inbox.record(once(b"new")).event_id
    claimed = claims.claim_oldest("host:1", most=10)
    assert {event.id: event.body() for event in claimed} == {old: b"old", new: b"new"}


def test_the_database_records_since_when_a_master_key_is_in_use(kept: str) -> None:
    before = clock.now()
    inbox.record(once(b"one")), inbox.record(once(b"two")), inbox.record(once(b"three"))
    with database.reading() as connection:
        [row] = connection.execute(select(MasterKey.key_id, MasterKey.first_used_at)).all()
    assert (row.key_id, before <= row.first_used_at <= clock.now()) == (key_id(OLD_KEY), True)
    # Each later delivery would write it again, and pay for it.
    assert keyring().recorded == {key_id(OLD_KEY)}


def test_neither_bodies_nor_keys_can_be_exchanged_between_events(kept: str) -> None:
    one, other = (inbox.record(once(body)).event_id for body in (b"one", b"other"))
    exchange(EventRow, EventRow.id, ("sealed_body",), one, other)
    for event_id in (one, other):
        with pytest.raises(Unopenable):
            body_of(event_id)
    exchange(BodyKey, BodyKey.event_id, ("key_id", "wrapped"), one, other)
    for event_id in (one, other):
        with pytest.raises(Unopenable):
            body_of(event_id)


def exchange(model: type, name: object, columns: tuple[str, ...], one: str, other: str) -> None:
    with database.begin() as connection:
        found = {row[0]: row[1:] for row in connection.execute(select(name, *(getattr(model, column) for column in columns)))}
        for to, source in ((one, other), (other, one)):
            values = dict(zip(columns, found[source], strict=True))
            connection.execute(update(model).where(name == to).values(**values))  # type: ignore[arg-type]


# wrapping again -----------------------------------------------------------------------------------------------


def test_wrapping_again_touches_no_body(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {inbox.record(once(b"%d" % number)).event_id for number in range(5)}
    with database.reading() as connection:
        before = connection.execute(select(EventRow.id, EventRow.sealed_body).order_by(EventRow.id)).all()
    configure(monkeypatch, NEWER, KEY)
    assert key_rotation.rotate(on_wrapped=lambda _: None) == 5
    configure(monkeypatch, NEWER)
    with database.reading() as connection:
        assert connection.execute(select(EventRow.id, EventRow.sealed_body).order_by(EventRow.id)).all() == before
    assert body_keys() == dict.fromkeys(ids, key_id(NEW_KEY))
    assert {body_of(event_id) for event_id in ids} == {b"%d" % number for number in range(5)}


def test_a_missing_master_key_is_named_and_the_others_are_done(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = inbox.record(once(b"lost")).event_id
    configure(monkeypatch, NEWER)
    found = inbox.record(once(b"found")).event_id
    with pytest.raises(Unopenable, match=key_id(OLD_KEY)):
        key_rotation.rotate(on_wrapped=lambda _: None)
    assert (body_keys()[lost], body_of(found)) == (key_id(OLD_KEY), b"found")


def test_a_rotation_that_is_killed_between_two_parts_goes_on_where_it_was(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    old = keep_old_form(*(b"old %d" % number for number in range(5)))
    new = [inbox.record(once(b"new %d" % number)).event_id for number in range(5)]
    configure(monkeypatch, NEWER, KEY)
    monkeypatch.setattr(key_rotation, "WRAPPED_AT_ONCE", 2)
    monkeypatch.setattr(key_rotation, "CONVERTED_AT_ONCE", 2)
    parts = 0
    while True:
        try:
            key_rotation.wrap_again(on_wrapped=end_here)
            break
        except fault_points.Armed:
            parts += 1
    assert parts == 6
    configure(monkeypatch, NEWER)
    assert [body_of(event_id) for event_id in old] == [b"old %d" % number for number in range(5)]
    assert [body_of(event_id) for event_id in new] == [b"new %d" % number for number in range(5)]


def end_here(_: int) -> None:
    raise fault_points.Armed("between two parts")


def test_keys_are_wrapped_again_while_deliveries_come_and_are_handled(kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_old_form(*(b"old %d" % number for number in range(20)))
    for number in range(60):
        inbox.record(once(b"before %d" % number))
    configure(monkeypatch, NEWER, KEY)
    monkeypatch.setattr(key_rotation, "WRAPPED_AT_ONCE", 7)
    during, opened = [], []

    def deliver() -> None:
        for number in range(60):
            during.append(inbox.record(once(b"during %d" % number)).event_id)
            opened.extend(event.body() for event in claims.claim_oldest("host:1", most=5))

    traffic = threading.Thread(target=deliver)
    traffic.start()
    while traffic.is_alive():
        key_rotation.wrap_again()
    traffic.join()
    assert (len(during), len(opened) >= 60) == (60, True)
    configure(monkeypatch, NEWER)
    expected = {b"%s %d" % (when, number) for when in (b"before", b"during") for number in range(60)}
    assert {body_of(event_id) for event_id in event_ids()} == expected | {b"old %d" % number for number in range(20)}
    assert set(body_keys().values()) == {key_id(NEW_KEY)}
