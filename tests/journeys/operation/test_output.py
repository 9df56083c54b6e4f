"""What commands print, for people, programs and spreadsheets, also where nobody reads it to the end."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from handlers.cli import reconcile
from tests.journeys.operation.test_lists import LISTS
from tests.receiver.connections.test_strangers import OPERATOR
from tests.support import payloads
from tests.support.payloads import after
from tests.support.service import PROGRAMS, Service

DOCS = Path(__file__).parent.parent.parent.parent / "docs"

#: A name that sets colours, turns the text around, and is a formula.
EVIL = "＝1+1\x9b31m\u202e"

#: Commands that print, with what each needs. What waits, serves or writes prints its help instead.
ARGUMENTS = {
    "applicants list": [], "applicants show": ["idngo", EVIL], "applicants explain": ["idngo", EVIL], "audit list": [],
    "decisions list": [], "doctor": [], "events list": [], "export applicants": ["--format", "csv"], "export changes": [],
    "failed list": [], "keys list": [], "notify list": [], "reactions list": [], "replays list": [],
    "reversals": ["--csv"], "review": ["--csv"], "secrets": [], "status": ["--json"],
}  # fmt: skip


def commands() -> list[str]:
    """Every command, as it is typed."""
    found = [command for entry in entry_points(group="standing.commands") for command in entry.load()]
    return sorted(name for command in found for name in leaves(command, str(command.name)))


def leaves(command: click.Command, name: str) -> list[str]:
    if not isinstance(command, click.Group):
        return [name]
    own = [name] if command.invoke_without_command else []
    return own + [leaf for part, inner in command.commands.items() for leaf in leaves(inner, f"{name} {part}")]


@pytest.fixture
def stocked(service: Service) -> Service:
    service.told("idngo", payloads.idngo(EVIL, answer="GREEN"))
    service.told("idngo", payloads.idngo(EVIL, answer="RED", reject="FINAL", labels=["SANCTIONS"], at=after(minutes=1)))
    return service


def test_a_command_whose_output_nobody_reads_ends_well_and_silently(stocked: Service) -> None:
    assert set(ARGUMENTS) <= set(commands())
    found = {name: unread(stocked, *name.split(), *ARGUMENTS.get(name, ["--help"])) for name in commands()}
    wrong = {name: said for name, (status, said) in found.items() if status or "rror" in said or "Traceback" in said}
    assert wrong == {}


def test_a_command_that_is_read_in_part_ends_well_and_one_that_is_wrong_still_says_so(stocked: Service) -> None:
    script = f"set -o pipefail; {PROGRAMS / 'standing'} export changes --format csv | head -n 1"
    done = subprocess.run(["bash", "-c", script], env=stocked.environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.partition(",")[0], done.stderr) == (0, "cursor", "")
    status, said = unread(stocked, "applicants", "show", "idngo", "nobody")
    assert (status, "no such applicant" in said) == (1, True)


def test_a_change_that_nobody_reads_about_is_not_taken_for_done(stocked: Service) -> None:
    [event] = [one for one in stocked.get("/v1/events").json["data"] if one["reason"].endswith("rejected")]
    status, said = unread(stocked, "replay", event["id"], "--reason", "x", "--yes")
    assert (status, "standard output was closed before all was done" in said) == (1, True)
    assert stocked.standing("replays", "list", "--json").stdout == ""


def unread(service: Service, *arguments: str) -> tuple[int, str]:
    """Run a command whose output is closed at the other end; give the exit status, and what it says on standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [str(PROGRAMS / "standing"), *arguments],
            env=service.environment, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    return done.returncode, done.stderr


def test_json_lines_hold_the_name_and_nothing_that_a_terminal_obeys(stocked: Service) -> None:
    for command in (["applicants", "list", "--json"], ["reversals", "--json"], ["events", "list", "--json"], ["export", "applicants"]):
        lines = stocked.standing(*command).stdout.splitlines()
        assert all(line.isprintable() for line in lines), command
        assert EVIL in [json.loads(line)["reference"] for line in lines]


def test_csv_begins_no_cell_with_what_looks_like_a_formula(stocked: Service) -> None:
    for command in (["reversals", "--csv"], ["export", "applicants", "--format", "csv"]):
        [row] = csv.DictReader(stocked.standing(*command).stdout.splitlines())
        assert row["reference"].startswith("'＝1+1"), command


def test_a_reason_over_http_with_a_letter_that_turns_the_text_around_is_refused(stocked: Service) -> None:
    for letter in ("\u202e", "\u2066", "\x9b", "\u200b"):
        body = json.dumps({"vendor": "idngo", "reason": f"repaired{letter}"}).encode()
        answer = stocked.request("POST", "/v1/replays", body, token=OPERATOR)
        assert (answer.status, "'reason'" in answer.json["detail"]) == (400, True), ascii(letter)


def test_the_columns_of_each_csv_are_documented(stocked: Service) -> None:
    documented = dict(re.findall(r"^\| `standing ([^`]+)` \| `(.+)` \|$", (DOCS / "import-export.md").read_text(), re.MULTILINE))
    printed = {name: stocked.standing(*name.split()).stdout.splitlines()[0].split(",") for name in documented if "reconcile" not in name}
    printed["reconcile --csv"] = list(reconcile.COLUMNS)
    assert {name: columns.split("`, `") for name, columns in documented.items()} == printed
    assert {f"{words} --csv" for words in LISTS} <= set(printed)
