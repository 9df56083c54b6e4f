"""What running processes log of failures that others would log with the exception's message; and who may read what they create."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import rq
from redis import Redis
from rq.job import Job
from rq.serializers import JSONSerializer

from store.inbox import wakeup
from tests.conftest import KEY
from tests.support import payloads
from tests.support.service import PROGRAMS, SECRETS, Service, eventually

MARK = "Zzpassportzz"

sqlite_alone = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def lines(text: str) -> list[dict[str, Any]]:
    """The lines of a log, each of which is an object, and none of which holds what is marked."""
    assert MARK not in text
    return [json.loads(line) for line in text.splitlines() if line]


def found(service: Service, event: str, **fields: object) -> list[dict[str, Any]]:
    wanted = {"event": event, **fields}
    return [line for line in lines(service.logged()) if wanted.items() <= line.items()]


@sqlite_alone
def test_a_wake_up_that_fails_is_logged_by_kind_and_its_exception_is_nowhere(service: Service) -> None:
    with Redis.from_url(service.environment["REDIS_URL"]) as redis:
        job = rq.Queue(wakeup.QUEUE, connection=redis, serializer=JSONSerializer).enqueue("os.system", MARK)
        [line] = eventually(lambda: found(service, "a wake-up failed"), "the failure")
        eventually(lambda: Job.fetch(job.id, redis, JSONSerializer).is_failed, "its end")
        assert line["error"].startswith("PermissionError at store/inbox/wakeup.py:")
        assert "PermissionError" not in f"{job.latest_result()} {redis.hgetall(job.key)}"


def of_the_web_process(tmp_path: Path, *command: str) -> subprocess.CompletedProcess[str]:
    own = {"VAR_DIR": str(tmp_path), "ENCRYPTION_KEYS": KEY, "PYTHONPATH": str(tmp_path)}
    return subprocess.run(command, env=os.environ | SECRETS | own, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)


def test_an_exception_of_a_greenlet_is_logged_by_kind(tmp_path: Path) -> None:
    program = f"import receiver.gunicorn_config, gevent\ndef fail(): raise ValueError('{MARK}')\ngevent.spawn(fail).join()"
    done = of_the_web_process(tmp_path, sys.executable, "-c", program)
    [line] = lines(done.stderr)
    assert line["error"] == "ValueError at <string>:2"


def test_a_web_process_that_fails_as_it_starts_is_logged_by_kind(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(f"raise ValueError('{MARK}')\n")
    done = of_the_web_process(
        tmp_path, str(PROGRAMS / "gunicorn"), "--config", "python:receiver.gunicorn_config", "--bind", "127.0.0.1:0", "failing:app"
    )
    failures = [line for line in lines(done.stderr) if line["event"] == "the web process failed"]
    assert failures
    assert all(line["error"].startswith("ValueError at ") for line in failures)


# who may read ----------------------------------------------------------------------------------------------------


def with_usual_umask(start: Callable[[], Any]) -> Any:
    before = os.umask(0o022)
    try:
        return start()
    finally:
        os.umask(before)


def readable_by_others(folder: Path) -> list[str]:
    found = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # The service runs, and takes files away.
            found += [path.name] if path.lstat().st_mode & (stat.S_IRWXG | stat.S_IRWXO) else []
    return found


def test_whatever_process_creates_a_file_it_is_for_its_owner_alone(tmp_path: Path, redis_url: str) -> None:
    metrics = tmp_path / "made" / "metrics"
    settings = {"REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    service = Service(tmp_path, settings | {"VAR_DIR": str(tmp_path / "made"), "SPOOL_DIR": str(tmp_path / "made" / "spool")})
    (tmp_path / "made").mkdir(mode=0o700)
    assert with_usual_umask(lambda: service.standing("migrate")).returncode == 0
    with_usual_umask(service.__enter__)
    try:
        service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))
        with_usual_umask(lambda: service.standing("export", "changes", "-o", str(tmp_path / "made" / "export.jsonl")))
        assert {"standing.sqlite3", "metrics", "spool", "export.jsonl"} <= {path.name for path in (tmp_path / "made").iterdir()}
        assert readable_by_others(tmp_path / "made") == []
    finally:
        service.__exit__(None, None, None)


@sqlite_alone
def test_a_folder_that_others_may_read_is_told_at_the_start_and_by_the_doctor(database_url: str, redis_url: str, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var").chmod(0o755)
    with Service(tmp_path, {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}) as service:
        told = "VAR_DIR can be read by others: take their rights away with chmod -R go="
        eventually(lambda: len(found(service, told, level="warning")) == 2, "web and worker to tell it")
        assert f"VAR_DIR: {tmp_path / 'var'} can be read by others: chmod -R go= {tmp_path / 'var'}" in service.standing("doctor").stdout
        (tmp_path / "var").chmod(0o700)
        assert "can be read by others" not in service.standing("doctor").stdout
