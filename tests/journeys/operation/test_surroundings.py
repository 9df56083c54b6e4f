"""Machines as people have them: folders, files, locales and rights that are unusual. Each works, or is told in one sentence."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from tests.conftest import KEY
from tests.journeys.operation.test_up import Up
from tests.support import payloads, signing, warm
from tests.support.servers import Postgres
from tests.support.service import PROGRAMS, Service, end, eventually

ROOT = Path(__file__).parent.parent.parent.parent

#: What a URL, a configuration file or a shell would take for something else.
FOLDER = "a%2Fb%20c?d=e#f é"


@pytest.mark.parametrize("package", ["receiver", "handlers", "store"])
def test_it_runs_from_a_folder_that_has_a_package_of_our_name_and_whatever_its_path_holds(package: str, tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("raise ImportError('another package of this name')\n")
    up = Up(folder)
    with warm.cold():
        try:
            up.start()
            secret = (folder / "var" / "secrets" / "IDNGO_SANDBOX_SECRETS").read_text().strip()
            token = (folder / "var" / "secrets" / "READ_TOKENS").read_text().strip().partition("=")[2]
            outside = Service(tmp_path, {})
            outside.port = up.port
            who = payloads.new_applicant()
            outside.kept("idngo", payloads.idngo(who, answer="GREEN"), secret=secret)
            read = f"/v1/applicants/idngo/{who}?environment=sandbox"
            eventually(lambda: outside.request("GET", read, token=token).status == 200, "the applicant")
        finally:
            end(up.process)
    assert "started again" not in up.said()
    assert "another package" not in up.said()
    assert {"standing.sqlite3", "secrets", "run"} <= {path.name for path in (folder / "var").iterdir()}


def test_a_file_from_an_editor_of_another_system_holds_what_it_says(tmp_path: Path, redis_url: str, migrated_sqlite: Path) -> None:
    shutil.copyfile(migrated_sqlite, tmp_path / "standing.sqlite3")
    (tmp_path / "secrets").write_bytes(b"\xef\xbb\xbffirst secret of a file\r\n" + signing.IDNGO_SECRET.encode() + b"\r\n")
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'standing.sqlite3'}", "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    service = Service(tmp_path, settings | {"IDNGO_SECRETS_FILE": str(tmp_path / "secrets")}, worker=False)
    del service.environment["IDNGO_SECRETS"]
    with service:
        assert service.kept("idngo", payloads.idngo(payloads.new_applicant()), secret="first secret of a file")
        assert service.kept("idngo", payloads.idngo(payloads.new_applicant()))


def dev(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "dev"), *words], env=os.environ | environment, cwd=cwd, capture_output=True, text=True, check=False
    )


def test_a_dotenv_from_an_editor_of_another_system_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfREVIEW_HOURS_MAX=nonsense\r\nPORT=8123\r\n")
    told = dev("standing", "doctor", cwd=tmp_path, ENCRYPTION_KEYS=KEY, VAR_DIR=str(tmp_path)).stdout
    assert "REVIEW_HOURS_MAX must be a whole number" in told
    assert "PORT must be" not in told


def test_packages_go_into_the_environment_whatever_pip_is_told_elsewhere(tmp_path: Path) -> None:
    program = f"import runpy; print(runpy.run_path({str(ROOT / 'dev')!r})['pip']('--dry-run', '--no-index', '--no-deps', 'pip'))"
    asked = os.environ | {"PIP_USER": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=asked, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.split()[-1], done.stderr) == ("0", "")


def test_an_encoding_that_lacks_letters_ends_no_command(tmp_path: Path, migrated_sqlite: Path, redis_url: str) -> None:
    shutil.copyfile(migrated_sqlite, tmp_path / "standing.sqlite3")
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'standing.sqlite3'}", "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}
    service = Service(tmp_path, settings | {"VAR_DIR": str(tmp_path / "папка"), "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"})
    with warm.cold():
        done = subprocess.run([str(PROGRAMS / "standing"), "doctor"], env=service.environment, capture_output=True, check=False)
    assert "папка" in done.stdout.decode()
    assert done.stderr == b""


EMPTY = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC"


@pytest.mark.parametrize("before", [EMPTY, "SELECT 1"], ids=["no tables", "tables of another"])
def test_a_role_without_rights_is_told_what_it_needs(before: LiteralString, postgres: Postgres | None, tmp_path: Path) -> None:
    if postgres is None:
        pytest.skip("no PostgreSQL")
    with postgres.database() as url:
        with psycopg.connect(url, autocommit=True) as owner:
            name = sql.Identifier(f"reader_{os.getpid()}")
            owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(name))
            owner.execute(before)
        try:
            theirs = make_url(url).set(username=f"reader_{os.getpid()}", password="x").render_as_string(hide_password=False)
            service = Service(tmp_path, {"DATABASE_URL": theirs, "REDIS_URL": "unix:///nowhere", "ENCRYPTION_KEYS": KEY})
            done = service.standing("migrate")
            assert done.returncode == 1
            assert f"the role reader_{os.getpid()} may not create or use the tables: grant it CREATE on the schema" in done.stderr
        finally:
            with psycopg.connect(url, autocommit=True) as owner:
                owner.execute(sql.SQL("DROP ROLE {}").format(name))


def test_an_address_of_ipv6_is_shown_as_a_browser_takes_it(tmp_path: Path) -> None:
    up = Up(tmp_path)
    up.environment["HOST"] = "::1"
    up.process = subprocess.Popen([str(PROGRAMS / "standing"), "up"], cwd=tmp_path, env=up.environment, stderr=subprocess.PIPE)
    assert up.process.stderr is not None
    try:
        events = (json.loads(line)["event"] for line in up.process.stderr)
        assert next(event for event in events if event.startswith("database")).endswith(f"web http://[::1]:{up.port}")
        assert next(event for event in events if event.startswith("ready after"))
    finally:
        end(up.process)
        up.process.stderr.close()


def test_a_clone_has_the_line_ends_of_the_repository() -> None:
    asked = ["git", "check-attr", "eol", "--", "dev", "Procfile", "store/cli/root.py"]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found.count(": eol: lf") == 3
    assert b"\r" not in (ROOT / "dev").read_bytes()
    assert (ROOT / "dev").stat().st_mode & stat.S_IXUSR
