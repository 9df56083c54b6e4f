"""`standing export`: what the API says, written out whole, page by page, for programs and for a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import KEY, empty_database, next_part
from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import PROGRAMS, Service


def settings_of(database_url: str, redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stocked(request: pytest.FixtureRequest, valkey_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows applicants of each vendor, one in the sandbox, one with a name that is a formula."""
    folder = tmp_path_factory.mktemp("stocked")
    with empty_database(request, folder) as url, Service(folder, settings_of(url, f"{valkey_url}?db={next_part()}")) as service:
        service.told("idngo", payloads.idngo("=1+1", answer="GREEN"))
        service.told("idngo", payloads.idngo("=1+1", answer="RED", reject="FINAL", labels=["BLACKLIST", "SANCTIONS"], at=after(days=1)))
        service.told("idngo", payloads.idngo("applicant-2", answer="GREEN"))
        service.told("idngo", payloads.idngo("applicant-3", answer="GREEN", sandboxMode=True))
        service.told("ifcgate", payloads.ifcgate("case-1"))
        service.told("idenfy", payloads.idenfy("scan-1", "SUSPECTED"))
        yield service


def exported(service: Service, *arguments: str) -> str:
    done = service.standing("export", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def lines(service: Service, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exported(service, *arguments).splitlines()]


def sheet(service: Service, *arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(service, *arguments, "--format", "csv"))))


def test_json_lines_are_what_the_api_says(stocked: Service) -> None:
    found = lines(stocked, "applicants")
    assert [(one["vendor"], one["reference"]) for one in found] == [
        ("idenfy", "scan-1"),
        ("idngo", "=1+1"),
        ("idngo", "applicant-2"),
        ("ifcgate", "case-1"),
    ]
    assert sorted(found, key=str) == sorted(stocked.get("/v1/applicants").json["data"], key=str)
    assert lines(stocked, "changes") == stocked.get("/v1/changes").json["data"]


def test_a_filter_leaves_the_rest_out(stocked: Service) -> None:
    assert [one["reference"] for one in lines(stocked, "applicants", "--vendor", "idngo", "--status", "rejected")] == ["=1+1"]
    assert [one["reference"] for one in lines(stocked, "applicants", "--sandbox")] == ["applicant-3"]
    assert [(one["reference"], one["to"]) for one in lines(stocked, "changes", "--status", "rejected")] == [("=1+1", "rejected")]
    assert [one["reference"] for one in lines(stocked, "changes", "--vendor", "ifcgate")] == ["case-1"]
    last = lines(stocked, "changes")[-1]
    assert last in lines(stocked, "changes", "--since", last["at"])
    assert lines(stocked, "applicants", "--since", "2999-01-01T00:00:00Z") == []


def test_a_csv_has_the_apis_fields_and_no_formula(stocked: Service) -> None:
    by_reference = {row["reference"]: row for row in sheet(stocked, "applicants")}
    assert list(by_reference["case-1"]) == list(stocked.get("/v1/applicants").json["data"][0])
    row = by_reference["'=1+1"]
    assert (row["status"], row["reasons"], row["hits"]) == ("rejected", "BLACKLIST SANCTIONS", "blacklist sanctions")
    assert (row["final"], row["may_retry"], row["provisional"], row["version"]) == ("true", "false", "", "2")
    assert json.loads(row["last_verdict"])["status"] == "rejected"
    changes = sheet(stocked, "changes")
    assert list(changes[0]) == [*stocked.get("/v1/changes").json["data"][0], "external_user_id", "erasure_id"]
    assert [json.loads(row["applicant"])["version"] for row in changes if row["reference"] == "'=1+1"] == [1, 2]
    assert [row["reversal"] for row in changes if row["reference"] == "'=1+1"] == ["", "adverse"]


def test_nothing_to_write_is_a_header_or_nothing(stocked: Service) -> None:
    nothing = ("--since", "2999-01-01T00:00:00Z")
    assert exported(stocked, "applicants", *nothing) == ""
    for what in ("applicants", "changes"):
        assert exported(stocked, what, "--format", "csv", *nothing).startswith(("vendor,environment,reference,", "cursor,type,vendor,"))


def test_a_file_is_for_its_owner_alone_and_there_once_it_is_whole(stocked: Service, tmp_path: Path) -> None:
    file = tmp_path / "known.jsonl"
    file.write_text("from before")
    assert exported(stocked, "applicants", "-o", str(file)) == ""
    assert file.read_text() == exported(stocked, "applicants")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("known*")] == ["known.jsonl"]


def test_who_exported_is_recorded_with_how_many(stocked: Service) -> None:
    lines(stocked, "applicants", "--vendor", "idngo", "--since", "2020-01-01T00:00:00Z")
    lines(stocked, "changes", "--sandbox")
    acts = [json.loads(line) for line in stocked.standing("audit", "list", "--limit", "2", "--json").stdout.splitlines()]
    assert [(act["action"], act["subject"], act["touched"]) for act in acts] == [
        ("export", "changes, sandbox", 1),
        ("export", "applicants, live, idngo, since 2020-01-01T00:00:00Z", 2),
    ]


def test_a_reader_who_goes_away_ends_it_quietly(stocked: Service) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [str(PROGRAMS / "standing"), "export", "applicants"]
    done = subprocess.run(command, env=stocked.environment, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write_end)
    assert done.stderr == ""


def test_more_than_a_page_comes_whole_and_in_order(stocked: Service, tmp_path: Path) -> None:
    users = [f"user-{number}" for number in range(1203)]
    rows = (f"idenfy,scan-{number:05d},approved,2025-01-02T03:04:05Z,old-crm,{user}\n" for number, user in enumerate(users))
    (tmp_path / "known.csv").write_text("vendor,reference,status,at,source,external_user_id\n" + "".join(rows))
    assert stocked.standing("import", "--yes", str(tmp_path / "known.csv")).returncode == 0
    found = [one for one in lines(stocked, "applicants", "--vendor", "idenfy") if one["external_user_id"] in set(users)]
    assert [one["external_user_id"] for one in found] == users
    numbers = [int(one["cursor"].partition(".")[2]) for one in lines(stocked, "changes")]
    assert numbers == sorted(set(numbers))
    assert len(numbers) >= len(users)
