"""The README and the pages, held to the code: what exists is named there, and what is named there exists."""

from __future__ import annotations

import re
import subprocess
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from receiver.connections.refusals import REFUSED
from receiver.monitoring.delivery_counts import DELIVERIES
from store.text.states import Outcome, Reversal, Status

ROOT = Path(__file__).parent.parent.parent
PAGES = {path.name: path for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")))}


def page(name: str) -> str:
    return PAGES[f"{name}.md"].read_text()


def settings() -> list[str]:
    """Every setting that the code reads, as its reading code spells it."""
    read = re.compile(r'(?:environment\.(?:text|items|number|each|yes_or_no)\()\s*"([A-Z_]+)"')
    found = {
        name
        for package in ("receiver", "handlers", "store")
        for path in (ROOT / package).rglob("*.py")
        for name in read.findall(path.read_text())
    }
    secrets = {f"{vendor}_{kind}" for vendor in ("IFCGATE", "IDNGO", "IDENFY") for kind in ("SECRETS", "SANDBOX_SECRETS")}
    return sorted(found | secrets | {"VAR_DIR"})


def commands() -> list[str]:
    """Every command and subcommand, as typed."""
    found = []
    for entry in entry_points(group="standing.commands"):
        for command in entry.load():
            parts = [f"{command.name} {part}" for part in command.commands] if isinstance(command, click.Group) else [command.name]
            found.extend(parts)
    return sorted(found)


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_named(name: str) -> None:
    assert f"`{name}`" in page("settings")


def failures() -> list[str]:
    """What the table of failures says that shows each."""
    return [row.split("|")[-2].strip(" `") for row in page("failures").splitlines() if row.startswith("| ")][1:]


@pytest.mark.parametrize("name", failures())
def test_every_failure_is_shown_by_a_test(name: str) -> None:
    assert any(f"def {name}(" in path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


@pytest.mark.parametrize("command", commands())
def test_every_command_is_named(command: str) -> None:
    assert f"standing {command}" in page("commands")


@pytest.mark.parametrize("word", [*Status, *Outcome, *Reversal])
def test_every_status_outcome_and_reversal_is_named(word: str) -> None:
    assert f"`{word}`" in page("statuses") + page("glossary")


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_in_the_graph(status: Status) -> None:
    graph = page("statuses").partition("```mermaid")[2].partition("```")[0]
    assert re.search(rf"\b{status}\b", graph)


def test_every_metric_is_named() -> None:
    source = (ROOT / "receiver" / "monitoring" / "metrics.py").read_text()
    names = [*re.findall(r'GaugeMetricFamily\("(\w+)"', source), f"{DELIVERIES._name}_total", f"{REFUSED._name}_total"]
    assert [name for name in names if f"`{name}`" not in page("monitoring")] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGES[name].read_text())
    assert [link for link in links if not link.startswith("https://") and not (PAGES[name].parent / link).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_path_that_is_named_exists(name: str) -> None:
    found = re.findall(r"`((?:receiver|handlers|store|tests|docs|deploy|benchmarks|examples)/[\w./]+)`", PAGES[name].read_text())
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_every_page_is_in_the_index() -> None:
    index = page("README").partition("## Every page")[2]
    assert [name for name, path in PAGES.items() if path.parent != ROOT and f"(docs/{name})" not in index] == []


def test_the_readme_is_short_in_lines_and_in_all() -> None:
    lines = page("README").splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120] == []


def test_every_route_is_named() -> None:
    modules = "".join(path.read_text() for path in (ROOT / "receiver" / "api").rglob("*.py"))
    routes = re.findall(r'@blueprint\.\w+\("(/[^"]+)"', modules)
    assert len(routes) == 73
    spelled = [re.sub(r"<\w+:(\w+)>", r"<\1>", route) for route in routes]
    spelled = [re.sub(r"<(?:event|reaction|replay|erasure|hold|verification|session)_id>", "<id>", route) for route in spelled]
    assert [route for route in spelled if f"/v1{route}" not in page("api")] == []


def test_the_two_commands_explain_themselves() -> None:
    said = subprocess.run([ROOT / "dev"], capture_output=True, text=True, check=True).stdout
    assert all(f"./dev {command}" in said for command in ("up", "test", "lint", "bench", "build", "lock", "standing"))
