"""Tables that are newer than the code, as after a rollback of the code alone: told in words, and no delivery is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.conftest import KEY
from tests.support import payloads
from tests.support.service import ANSWER_SECONDS, Service, eventually

#: How long a process may go by what it knew of the tables, and the noise of a busy machine.
NOTICED_SECONDS = 8 + 12


@contextmanager
def newer(url: str, oldest: str = "9999") -> Iterator[None]:
    """The tables are of a revision that this code does not know, and that needs code of the `oldest` revision."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        known = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("INSERT INTO bearing VALUES ('9999', :oldest)"), {"oldest": oldest})
    yield
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :known"), {"known": known})
        connection.execute(text("DELETE FROM bearing WHERE revision = '9999'"))


def settings(database_url: str, redis_url: str, folder: Path, *, spool: bool) -> dict[str, str]:
    found = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "WEB_CONCURRENCY": "1"}
    return found | ({"SPOOL_DIR": str(folder / "spool")} if spool else {})


def test_without_a_spool_a_delivery_is_answered_503_and_the_revision_is_named(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with Service(tmp_path, settings(database_url, redis_url, tmp_path, spool=False), worker=False) as service:
        with newer(database_url):
            eventually(lambda: service.get("/readyz").status == 503, "the tables to be noticed", seconds=NOTICED_SECONDS)
            began = time.monotonic()
            answer = service.deliver("idngo", payloads.idngo(payloads.new_applicant()))
            assert (answer.status, "retry-after" in answer.headers) == (503, True)
            assert time.monotonic() - began < ANSWER_SECONDS
            known, strange = service.get("/readyz").json, service.get("/readyz", token=None).json
            assert (known["status"], "9999" in known["database_says"], "9999" in str(strange)) == ("unavailable", True, False)
            for command in ("doctor", "status", "migrate"):
                ended = service.standing(command)
                assert ("9999" in ended.stdout + ended.stderr, "Traceback" in ended.stderr) == (True, False), ended
        eventually(lambda: service.get("/readyz").status == 200, "the tables to be right again", seconds=NOTICED_SECONDS)
        assert service.kept("idngo", payloads.idngo(payloads.new_applicant()))


def test_with_a_spool_a_delivery_is_kept_and_applied_once_the_tables_are_right(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with Service(tmp_path, settings(database_url, redis_url, tmp_path, spool=True)) as service:
        with newer(database_url):
            eventually(lambda: service.get("/readyz").json["status"] == "degraded", "the tables to be noticed", seconds=NOTICED_SECONDS)
            event_ids = [service.deliver("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN")) for _ in range(5)]
            assert [answer.status for answer in event_ids] == [200] * 5
        for answer in event_ids:
            assert service.settled(answer.json["event_id"])["status"] == "applied"


def test_newer_tables_that_bear_this_code_are_no_trouble(database_url: str, redis_url: str, tmp_path: Path) -> None:
    with newer(database_url, oldest="0008"), Service(tmp_path, settings(database_url, redis_url, tmp_path, spool=False)) as service:
        event = service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        assert event["status"] == "applied"


@pytest.mark.parametrize("revision", ["cafe1234", "3f2a9c"])
def test_a_database_of_somebody_elses_is_refused_by_name(database_url: str, redis_url: str, tmp_path: Path, revision: str) -> None:
    engine = create_engine(database_url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    with Service(tmp_path, settings(database_url, redis_url, tmp_path, spool=False), worker=False) as service:
        assert service.deliver("idngo", payloads.idngo(payloads.new_applicant())).status == 503
        assert revision in service.get("/readyz").json["database_says"]
