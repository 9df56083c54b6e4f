"""Refusals by address: counted in memory within bounds, added up in the table, and erased after a week."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import update

from store import database
from store.database.operations_tables import Refusal
from store.operations import refusals
from store.operations.refusals import OTHERS, PEERS_MAX, REMEMBERED, RefusalCounts
from store.system import clock


def listed() -> list[tuple[str, str, str, int]]:
    with database.reading() as connection:
        return [(one["peer"], one["vendor"], one["cause"], one["count"]) for one in refusals.listing(connection, limit=1000)]


def test_several_processes_add_up(kept: str) -> None:
    for _ in range(2):
        counts = RefusalCounts()
        for _ in range(3):
            counts.note(peer="192.0.2.7", vendor="idngo", cause="forged")
        counts.note(peer="", vendor="", cause="too_slow")
        database.write(lambda connection, counts=counts: refusals.add(connection, counts))
    assert listed() == [("192.0.2.7", "idngo", "forged", 6), ("unknown", "", "too_slow", 2)]


def test_counts_that_could_not_be_written_are_kept(kept: str) -> None:
    counts, later = RefusalCounts(), RefusalCounts()
    for one in (counts, later):
        one.note(peer="192.0.2.7", vendor="idngo", cause="forged")
    later.take_back(counts)
    database.write(lambda connection: refusals.add(connection, later))
    assert listed() == [("192.0.2.7", "idngo", "forged", 2)]


def test_a_flood_from_many_addresses_is_counted_within_bounds(kept: str) -> None:
    counts = RefusalCounts()
    for number in range(PEERS_MAX + 100):
        counts.note(peer=f"2001:db8:{number:x}::7", vendor="idngo", cause="forged")
    database.write(lambda connection: refusals.add(connection, counts))
    found = listed()
    assert (found[0], len(found)) == ((OTHERS, "idngo", "forged", 100), PEERS_MAX + 1)


def test_the_bound_is_an_hours_however_often_the_counts_are_written(kept: str) -> None:
    counts = RefusalCounts()
    for number in range(3 * PEERS_MAX):
        counts.note(peer=f"198.51.{number // 250}.{number % 250}", vendor="idngo", cause="forged")
        if number % PEERS_MAX == 0:
            database.write(lambda connection, counts=counts: refusals.add(connection, counts))
            counts = counts.next()
    database.write(lambda connection: refusals.add(connection, counts))
    assert len(listed()) == PEERS_MAX + 1


def test_addresses_of_one_ipv6_network_count_together(kept: str) -> None:
    counts = RefusalCounts()
    for number in range(3):
        counts.note(peer=f"2001:db8::{number}", vendor="idngo", cause="forged")
    database.write(lambda connection: refusals.add(connection, counts))
    assert listed() == [("2001:db8::/64", "idngo", "forged", 3)]


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("2001:db8::7", "2001:db8::/64"),
        ("", "unknown"),
        ("a socket", "unknown"),
    ],
)
def test_an_address_counts_under_one_name_however_it_is_written(peer: str, name: str) -> None:
    counts = RefusalCounts()
    counts.note(peer=peer, vendor="idngo", cause="forged")
    assert [row["peer"] for row in counts.rows()] == [name]


def test_an_address_is_erased_after_a_week(kept: str) -> None:
    counts = RefusalCounts()
    for peer in ("192.0.2.7", "192.0.2.8"):
        counts.note(peer=peer, vendor="idngo", cause="forged")
    database.write(lambda connection: refusals.add(connection, counts))
    with database.begin() as connection:
        old = update(Refusal).where(Refusal.peer == "192.0.2.7")
        connection.execute(old.values(since=clock.now() - REMEMBERED - timedelta(hours=1)))
    database.write(refusals.forget_old)
    assert [peer for peer, *_ in listed()] == ["192.0.2.8"]
