"""The import of the spool: no delivery leaves the disk before the database has it, or refuses it for good."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import event, select

from store import database
from store.database.engine import engine
from store.database.tables import EventRow
from store.inbox import deliveries
from store.inbox.spool import spool_import
from store.inbox.spool.spool import Spool, host_spool
from tests.conftest import forget
from tests.store.inbox.test_record import once

pytestmark = pytest.mark.usefixtures("kept")


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    monkeypatch.setenv("SPOOL_DIR", str(tmp_path / "spool"))
    # The disk is shared with other tests.
    monkeypatch.setattr(spool_import, "LAST_SECONDS", 15.0)
    forget()
    found = host_spool()
    assert found is not None
    return found


def append(spool: Spool, body: bytes) -> str:
    arrival = deliveries.seal(once(body))
    assert spool.append(msgspec.json.encode(arrival))
    return arrival.id


def events() -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(select(EventRow.id)).scalars())


@pytest.mark.parametrize("count", [1, 3])
def test_a_fault_of_the_code_leaves_every_delivery_in_the_spool(spool: Spool, count: int) -> None:
    ids = {append(spool, b"%d" % number) for number in range(count)}

    def fault(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO events" in statement:
            raise RuntimeError("a fault of ours")

    event.listen(engine(), "before_cursor_execute", fault)
    with pytest.raises(RuntimeError):
        spool_import.take_in_spooled()
    assert (spool.waits(), events()) == (True, set())
    event.remove(engine(), "before_cursor_execute", fault)
    assert spool_import.take_in_spooled() == count
    assert (spool.waits(), events()) == (False, ids)


def test_a_delivery_that_the_database_refuses_for_good_holds_up_no_other(spool: Spool) -> None:
    first = append(spool, b"one")
    refused = deliveries.seal(once(b"two"))
    assert spool.append(msgspec.json.encode(replace(refused, environment="nowhere")))
    last = append(spool, b"three")
    assert spool_import.take_in_spooled() == 3
    assert {first, last} <= events()
    assert not spool.waits()
