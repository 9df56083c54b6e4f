"""The spool: in order, whole, and nothing that was kept is lost over a torn line, a full disk or a failure to take it in."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

import pytest

from store.inbox.spool.spool import LAST_BYTES, Spool, SpoolUnavailable

LARGE = 10_000_000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", bytes_max=LARGE)


class Taken:
    """Whoever takes in; fails as often as told."""

    def __init__(self, *, failures: int = 0) -> None:
        self.records: list[bytes] = []
        self._failures = failures

    def __call__(self, records: list[bytes], is_last: bool) -> None:
        if self._failures:
            self._failures -= 1
            raise ConnectionError
        self.records += records


def test_records_are_taken_in_in_order_and_then_the_spool_is_empty(spool: Spool) -> None:
    for number in range(7):
        assert spool.append(b"%d" % number)
    taken = Taken()
    assert (spool.empty(taken, most=3), taken.records, spool.waits()) == (7, [b"%d" % number for number in range(7)], False)


def test_an_empty_spool_takes_nothing_from_who_would_only_follow(spool: Spool) -> None:
    assert not spool.append(b"follows", only_if_waiting=True)
    spool.append(b"first")
    assert spool.append(b"follows", only_if_waiting=True)


def test_what_could_not_be_taken_in_stays_and_comes_again_in_order(spool: Spool) -> None:
    records = [b"%06d" % number + b"x" * 500 for number in range(2 * LAST_BYTES // 500)]
    for record in records:
        spool.append(record)
    taken = Taken(failures=2)
    for _ in range(2):
        with pytest.raises(ConnectionError):
            spool.empty(taken, most=10)
        spool.append(b"came meanwhile")
    spool.empty(taken, most=10)
    assert taken.records == [*records, b"came meanwhile", b"came meanwhile"]


@pytest.mark.parametrize("torn", [b"0", b"0123abcd ", b'0123abcd {"id": "01', b"\xff\x00\x00"])
def test_a_torn_last_line_is_passed_over_and_takes_no_other_along(spool: Spool, tmp_path: Path, torn: bytes) -> None:
    spool.append(b"before")
    with (tmp_path / "spool" / "appended").open("ab") as file:
        file.write(torn)
    spool.append(b"after")
    taken = Taken()
    spool.empty(taken, most=10)
    assert taken.records == [b"before", b"after"]


def test_a_changed_line_is_passed_over(spool: Spool, tmp_path: Path) -> None:
    spool.append(b"first")
    spool.append(b"other")
    path = tmp_path / "spool" / "appended"
    path.write_bytes(path.read_bytes().replace(b"first", b"worst"))
    taken = Taken()
    spool.empty(taken, most=10)
    assert taken.records == [b"other"]


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", bytes_max=50)
    spool.append(b"x" * 30)
    for _ in range(2):
        with pytest.raises(SpoolUnavailable):
            spool.append(b"y" * 30)
    taken = Taken()
    spool.empty(taken, most=10)
    assert taken.records == [b"x" * 30]


def test_a_full_disk_leaves_no_half_a_line(spool: Spool) -> None:
    spool.append(b"x" * 100)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    try:
        with pytest.raises(SpoolUnavailable):
            spool.append(b"y" * 150)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    spool.append(b"z" * 150)
    taken = Taken()
    spool.empty(taken, most=10)
    assert taken.records == [b"x" * 100, b"z" * 150]


def test_who_appends_while_it_is_emptied_loses_nothing_and_keeps_its_order(spool: Spool) -> None:
    """The story: the database is back, and traffic goes on. Records come in while earlier ones go out, until the spool is empty."""
    taken, done = Taken(), threading.Event()

    def append(writer: int) -> None:
        for number in range(200):
            spool.append(b"%d %d" % (writer, number))

    def empty() -> None:
        while not done.is_set() or spool.waits():
            spool.empty(taken, most=7)

    writers = [threading.Thread(target=append, args=(writer,)) for writer in range(4)]
    emptiers = [threading.Thread(target=empty) for _ in range(2)]
    for thread in [*writers, *emptiers]:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in emptiers:
        thread.join()
    for writer in range(4):
        mine = [record for record in taken.records if record.startswith(b"%d " % writer)]
        assert mine == [b"%d %d" % (writer, number) for number in range(200)]
