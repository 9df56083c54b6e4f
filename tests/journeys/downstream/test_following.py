"""Downstream follows the feed: as a stream that can be gone on with, and by a reader of thirty lines that may be killed."""

from __future__ import annotations

import http.client
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY
from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import Service, end, eventually

ROOT = Path(__file__).parent.parent.parent.parent
EXAMPLES = ROOT / "examples"


class Stream:
    """Somebody who follows the stream."""

    def __init__(self, service: Service, last: str | None = None, **query: str) -> None:
        self._connection = http.client.HTTPConnection(service.address, service.port, timeout=40)
        headers = {"Authorization": "Bearer read-me-if-you-may"} | ({"Last-Event-ID": last} if last else {})
        path = "/v1/changes/stream?" + "&".join(f"{name}={value}" for name, value in query.items())
        self._connection.request("GET", path, headers=headers)
        self.answer = self._connection.getresponse()

    def events(self) -> Iterator[dict[str, Any]]:
        fields: dict[str, str] = {}
        while line := self.answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                yield {"id": fields["id"], "event": fields["event"], "change": json.loads(fields["data"])}
                fields = {}

    def next(self, count: int) -> list[dict[str, Any]]:
        events = self.events()
        return [next(events) for _ in range(count)]

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


def tell(service: Service, who: str, minute: int = 0, **verdict: Any) -> None:
    service.told("idngo", payloads.idngo(who, at=after(minutes=minute), **verdict))


def test_the_stream_tells_what_was_and_what_comes_and_goes_on_where_it_ended(service: Service) -> None:
    first, second = payloads.new_applicant(), payloads.new_applicant()
    tell(service, first, answer="GREEN")
    with closing(Stream(service)) as stream:
        assert stream.answer.headers["Content-Type"].startswith("text/event-stream")
        [was] = stream.next(1)
        tell(service, second, answer="GREEN")
        [came] = stream.next(1)
    assert [was["change"]["reference"], came["change"]["reference"]] == [first, second]
    assert [was["change"], came["change"]] == service.get("/v1/changes").json["data"]
    assert (was["id"], was["event"]) == (was["change"]["cursor"], "change")
    tell(service, first, 1, answer="RED", reject="FINAL")
    with closing(Stream(service, last=came["id"])) as again:
        assert [event["change"]["type"] for event in again.next(1)] == ["applicant.rejected"]
    with closing(Stream(service, after=was["id"])) as again:
        assert again.next(2)[0]["id"] == came["id"]


def test_a_stream_that_is_cut_before_its_first_change_loses_nothing(service: Service) -> None:
    with closing(Stream(service, after="latest")) as stream:
        assert stream.answer.headers["X-Accel-Buffering"] == "no"
        name, _, place = stream.answer.readline().decode().strip().partition(": ")
        assert (name, stream.answer.readline()) == ("id", b"\n")
    who = payloads.new_applicant()
    tell(service, who, answer="GREEN")
    with closing(Stream(service, last=place)) as again:
        assert [event["change"]["reference"] for event in again.next(1)] == [who]


def test_a_place_that_is_none_is_refused_and_so_is_a_stranger(service: Service) -> None:
    with closing(Stream(service, last="nonsense")) as stream:
        assert stream.answer.status == 400
    assert service.get("/v1/changes/stream", token=None).status == 401


def test_at_most_a_quarter_of_the_connections_follow_and_who_leaves_makes_room(database_url: str, redis_url: str, tmp_path: Path) -> None:
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    with Service(tmp_path, settings | {"WEB_CONNECTIONS": "8", "WEB_CONCURRENCY": "1"}, worker=False) as service:
        streams = [Stream(service) for _ in range(3)]
        assert sorted(stream.answer.status for stream in streams) == [200, 200, 503]
        assert service.get("/healthz").status == 200
        for stream in streams:
            stream.close()

        def has_room() -> bool:
            with closing(Stream(service)) as stream:
                return stream.answer.status == 200

        eventually(has_room, "those who left to be noticed")


def test_a_process_that_ends_ends_its_streams(service: Service) -> None:
    with closing(Stream(service)) as stream:
        began = time.monotonic()
        end(service.web)
        with suppress(OSError, http.client.HTTPException):
            assert list(stream.events()) == []
    assert time.monotonic() - began < 15, "it was cut off, which happens after 20 seconds"


@contextmanager
def following(service: Service, copy: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(EXAMPLES / "follow.py"), f"http://{service.address}:{service.port}", str(copy)]
    process = subprocess.Popen(command, env=os.environ | {"TOKEN": "read-me-if-you-may"})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def state_of(service: Service, who: str) -> dict[str, Any]:
    """An applicant as the feed shows it: until when it is kept is part of no change."""
    return {name: value for name, value in service.applicant("idngo", who).items() if name != "keep_until"}


def test_a_reader_of_thirty_lines_keeps_a_copy_and_survives_being_killed(service: Service, tmp_path: Path) -> None:
    assert len([line for line in (EXAMPLES / "follow.py").read_text().splitlines() if line.strip()]) <= 36
    copy, whose = tmp_path / "copy.sqlite3", [payloads.new_applicant() for _ in range(20)]

    def copied() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(copy)) as connection, suppress(sqlite3.OperationalError):
            return connection.execute("SELECT reference, state FROM applicants ORDER BY reference").fetchall()
        return []

    for minute, verdict in enumerate(({"answer": "GREEN"}, {"answer": "RED", "reject": "FINAL"}, {"answer": "GREEN"})):
        with following(service, copy):
            for who in whose[: 10 if minute < 2 else 20]:
                tell(service, who, minute, **verdict)
                time.sleep(0.01)
    with following(service, copy):

        def is_whole() -> bool:
            return {who: json.loads(state) for who, state in copied()} == {who: state_of(service, who) for who in whose}

        eventually(is_whole, "the copy to be as the service is")
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("UPDATE place SET cursor = 'restored.7'")
        connection.execute("UPDATE applicants SET state = '{}'")
    with following(service, copy):
        eventually(is_whole, "the copy to be made anew after a restore")


def test_a_function_of_ones_own_is_installed_and_told_of_each_change_once_it_is_there(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    installed, blocked = tmp_path / "installed", tmp_path / "blocked"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target"]
    source = tmp_path / "source"
    subprocess.run(["cp", "-r", str(EXAMPLES / "account_blocker"), str(source)], check=True)
    subprocess.run([*pip, str(installed), str(source)], check=True)
    settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    path = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    with Service(tmp_path, settings | {"PYTHONPATH": path, "BLOCKED_ACCOUNTS": str(blocked)}) as service:
        assert "account_blocker" in service.standing("doctor").stdout
        eventually(lambda: "account_blocker" in service.subscribers(), "it to be known")
        who = payloads.new_applicant()
        tell(service, who, answer="GREEN")
        tell(service, who, 1, answer="RED", reject="FINAL", labels=["SANCTIONS"])
        line = eventually(lambda: blocked.read_text() if blocked.exists() else "", "the account to be blocked")
        assert line.split(maxsplit=1)[1] == f"customer-{who[:6]} SANCTIONS\n"
        # One that fails is tried again, and is not lost.
        blocked.unlink()
        blocked.mkdir()
        tell(service, who, 2, answer="GREEN")
        tell(service, who, 3, answer="RED", reject="FINAL", labels=["BLACKLIST"])
        eventually(lambda: "IsADirectoryError" in service.get("/v1/reactions", status="pending").body.decode(), "it to fail")
        blocked.rmdir()
        assert "BLACKLIST" in eventually(lambda: blocked.read_text() if blocked.is_file() else "", "the account to be blocked")


@pytest.mark.parametrize("name", ["follow.py", "account_blocker"])
def test_every_example_is_told_of(name: str) -> None:
    assert f"examples/{name}" in (ROOT / "README.md").read_text()
