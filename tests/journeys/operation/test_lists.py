"""Every list takes the same options, says what was cut, and says in one sentence when nothing matches."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest

from store.cli.terminal.options import MOMENT, ROWS_MAX
from tests.conftest import KEY, next_part
from tests.journeys.operation.test_consent import COMMANDS, signed_in
from tests.receiver.connections.test_strangers import OPERATOR
from tests.support import payloads, signing
from tests.support.payloads import after
from tests.support.service import Service, eventually
from tests.support.vendors import starts

#: What says that it lists is a list.
LISTS = {words: command for words, command in COMMANDS.items() if str(command.help).startswith("List ")}

OPTIONS = {"--sandbox", "--json", "--csv", "--limit", "--since"}

#: Options that make no sense for a list, and why.
LACKING = {
    ("keys list", "--sandbox"): "a key encrypts the bodies of both environments",
    ("keys list", "--since"): "a key is a setting, and has no time",
    ("notify list", "--sandbox"): "a subscriber is notified of changes in both environments",
    ("notify list", "--since"): "a subscriber is a setting, and has no time",
    ("refusals", "--sandbox"): "a request is refused before its environment is known",
    ("sessions list", "--sandbox"): "a session is a person's, who sees both environments",
}

#: The time of a row that `--since` means.
TIMES = {
    "applicants list": "updated_at", "audit list": "at", "decisions list": "at", "decisions list --all": "at",
    "erasures list": "requested_at", "events list": "received_at", "failed list": "last_seen", "failed list --unreadable": "last_seen",
    "holds list": "placed_at", "reactions list": "at", "refusals": "last_at",
    "replays list": "at", "reversals": "at", "reversals --current": "fell_at", "review": "since", "secrets": "last_at",
    "sessions list": "began_at", "start list": "requested_at",
}  # fmt: skip

#: Commands that print at most so many rows, or CSV, and are no lists.
NO_LISTS = {
    "applicants explain": "it explains one applicant by its newest events",
    "reconcile": "it asks a vendor, and has `--since` for what to ask about",
}

#: Acts belong to no environment: the option says of which one the applicant is that the acts are about.
OF_BOTH = {"keys list", "notify list", "refusals", "audit list", "sessions list"}

#: Lists of settings, which are never empty here. The secrets are those that a web process recorded.
SETTINGS = {"keys list"}

NOTHING = re.compile(r"No .+ matches the filter( \(--sandbox looks into the sandbox\))?\.\n")

#: The lists as they are run, also by the options that make them another list.
RUNS = sorted([*LISTS, "decisions list --all", "failed list --unreadable", "reversals --current"])


def options(command: click.Command) -> dict[str, click.Parameter]:
    return {name: parameter for parameter in command.params for name in parameter.opts}


def words_of(run: str) -> str:
    return run.partition(" --")[0]


@pytest.mark.parametrize("words", LISTS)
def test_every_list_takes_the_same_options(words: str) -> None:
    taken = options(LISTS[words])
    assert OPTIONS - set(taken) == {option for name, option in LACKING if name == words}
    limit = taken["--limit"].type
    assert isinstance(limit, click.IntRange)
    assert (limit.min, limit.max) == (1, ROWS_MAX) == (1, 500)
    assert "--since" not in taken or taken["--since"].type is MOMENT


def test_every_command_that_prints_rows_is_a_list() -> None:
    assert len(LISTS) >= 13
    assert {words for words in COMMANDS if words.endswith(" list")} <= set(LISTS)
    rows = {words for words, command in COMMANDS.items() if {"--limit", "--csv"} & set(options(command))}
    assert rows - set(LISTS) == set(NO_LISTS)


@dataclass
class Stocked:
    """A service with rows for every list, in both environments, and the day on which it began."""

    service: Service
    day: str

    def rows(self, run: str, *more: str) -> list[dict[str, Any]]:
        return rows(self.service, run, *more)[0]


def rows(service: Service, run: str, *more: str) -> tuple[list[dict[str, Any]], str]:
    """What a list prints as JSON lines, and what it says beside."""
    done = service.standing(*run.split(), "--json", *more)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture(scope="module")
def stocked(valkey_url: str, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stocked]:
    folder = tmp_path_factory.mktemp("lists")
    (folder / "faults").mkdir()
    shutil.copyfile(migrated_sqlite, folder / "standing.sqlite3")
    settings = {
        "DATABASE_URL": f"sqlite:///{folder / 'standing.sqlite3'}",
        "REDIS_URL": f"{valkey_url}?db={next_part()}",
        "ENCRYPTION_KEYS": KEY,
        "STANDING_TOKEN": OPERATOR,
        "FAULTS_DIR": str(folder / "faults"),
        "ATTEMPTS_MAX": "1",
    }
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    with Service(folder, settings) as service:
        eventually(service.subscribers, "the subscribers to be known")
        for environment in (["--sandbox"], []):
            go_wrong(service, environment, secret=signing.IDNGO_SANDBOX_SECRET if environment else signing.IDNGO_SECRET)
        signed_in(service)
        service.told("idenfy", payloads.idenfy(payloads.new_scan(), "APPROVED"))
        service.told("ifcgate", payloads.ifcgate(payloads.new_case(), "approved"))
        assert service.deliver("idngo", payloads.idngo(payloads.new_applicant()), secret="a stranger's").status == 401
        eventually(lambda: rows(service, "refusals")[0], "the refusal to be counted")
        # Each web process counts by itself: all six live deliveries, and the four of the sandbox.
        eventually(lambda: (matches(service), matches(service, "--sandbox")) == (6, 4), "the matches to be counted")
        yield Stocked(service, day)


def matches(service: Service, *more: str) -> int:
    return sum(row["matches"] for row in rows(service, "secrets", *more)[0])


def go_wrong(service: Service, environment: list[str], *, secret: str) -> None:
    """An approval that fell, a decision that waits, a replay, a hold, a request, an unreadable event and a dead letter."""
    who = payloads.new_applicant()
    service.told("idngo", payloads.idngo(who, answer="GREEN"), secret=secret)
    service.told("idngo", payloads.idngo(who, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)), secret=secret)
    unreadable = json.dumps({"applicantId": payloads.new_applicant()}).encode()
    poison = json.dumps(payloads.idngo(payloads.new_applicant(), answer="GREEN")).encode()
    (service.folder / "faults" / f"interpret.{hashlib.sha256(poison).hexdigest()}").write_text("raise")
    assert service.told("idngo", unreadable, secret=secret)["status"] == "unreadable"
    assert service.told("idngo", poison, secret=secret)["status"] == "failed"
    hold = ["holds", "place", "--user", who, "--review-at", "2099-01-01"]
    for command in (["replay", "--reference", who], ["decide", "idngo", who, "approve"], hold, ["erasures", "request", "--user", who]):
        done = service.standing(*command, "--reason", "ticket 7", "--yes", *environment)
        assert done.returncode == 0, done.stderr
    for _ in range(2):
        wanted = starts.wanted("ifcgate", environment="sandbox" if environment else "live")
        assert starts.start(service, wanted, token=OPERATOR).status == 202


@pytest.fixture
def empty(migrated_sqlite: Path, tmp_path: Path) -> Service:
    """A service that never ran, on an empty database."""
    shutil.copyfile(migrated_sqlite, tmp_path / "standing.sqlite3")
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'standing.sqlite3'}", "REDIS_URL": "redis://127.0.0.1:9/", "ENCRYPTION_KEYS": KEY}
    return Service(tmp_path, settings)


@pytest.mark.parametrize("run", RUNS)
def test_a_list_prints_its_rows_as_a_table_as_csv_and_as_json(stocked: Stocked, run: str) -> None:
    found, said = rows(stocked.service, run)
    assert (len(found) > 0, said) == (True, "")
    table = stocked.service.standing(*run.split())
    assert (table.returncode, len(table.stdout.splitlines()) >= len(found), table.stderr) == (0, True, "")
    printed = stocked.service.standing(*run.split(), "--csv")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert len(list(csv.DictReader(printed.stdout.splitlines()))) == len(found)


@pytest.mark.parametrize("run", RUNS)
def test_a_list_says_what_its_limit_cuts(stocked: Stocked, run: str) -> None:
    count = len(stocked.rows(run))
    found, said = rows(stocked.service, run, "--limit", "1")
    assert len(found) == 1
    assert re.fullmatch(r"These are the [a-z ]+ 1; there are more \(.+\)\.\n" if count > 1 else "", said)
    assert rows(stocked.service, run, "--limit", str(count))[1] == ""


def test_every_list_has_a_time_unless_it_lacks_the_option() -> None:
    assert set(TIMES) == {run for run in RUNS if (words_of(run), "--since") not in LACKING}


@pytest.mark.parametrize("run", TIMES)
def test_a_list_begins_at_a_day_or_a_time(stocked: Stocked, run: str) -> None:
    times = [row[TIMES[run]] for row in stocked.rows(run)]
    assert len(stocked.rows(run, "--since", stocked.day)) == len(times)
    newest = max(times, key=datetime.fromisoformat)
    assert {row[TIMES[run]] for row in stocked.rows(run, "--since", newest)} == {newest}
    later = datetime.fromisoformat(newest) + timedelta(milliseconds=1)
    found, said = rows(stocked.service, run, "--since", later.isoformat())
    assert (found, bool(NOTHING.fullmatch(said))) == ([], True), said


def environment_of(service: Service, row: dict[str, Any]) -> str:
    """A row's environment; a replay's is in its filter, that of a group of dead letters is its example's."""
    if "wanted" in row:
        return str(row["wanted"].get("environment", "live"))
    return str((service.get(f"/v1/events/{row['example']}").json if "example" in row else row)["environment"])


@pytest.mark.parametrize("run", [run for run in RUNS if words_of(run) not in OF_BOTH])
def test_a_list_is_of_one_environment(stocked: Stocked, run: str) -> None:
    for environment, given in (("live", []), ("sandbox", ["--sandbox"])):
        found = stocked.rows(run, *given)
        assert {environment_of(stocked.service, row) for row in found} == {environment}
    assert "--sandbox" not in stocked.service.standing(*run.split(), "--sandbox", "--limit", "1").stderr


@pytest.mark.parametrize("run", [run for run in RUNS if words_of(run) not in SETTINGS])
def test_a_list_of_nothing_says_so_in_one_sentence(empty: Service, run: str) -> None:
    found, said = rows(empty, run)
    matched = NOTHING.fullmatch(said)
    assert (found, matched is not None) == ([], True), said
    assert matched is not None
    assert bool(matched[1]) == (words_of(run) not in OF_BOTH)
    if "--sandbox" in options(LISTS[words_of(run)]):
        assert "--sandbox" not in rows(empty, run, "--sandbox")[1]


@pytest.mark.parametrize("run", sorted(SETTINGS))
def test_a_list_of_settings_is_there_before_anything_comes(empty: Service, run: str) -> None:
    found, said = rows(empty, run)
    assert (len(found) > 0, said) == (True, "")


def test_acts_about_an_applicant_are_of_its_environment(empty: Service) -> None:
    assert "(--sandbox looks into the sandbox)" in rows(empty, "audit list", "--user", "nobody")[1]
