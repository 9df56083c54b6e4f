"""The dashboards: what they ask for is what the service reports, each alert has a panel with its threshold, and Prometheus reads it all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import KEY, next_part
from tests.support import payloads
from tests.support.promtool import promtool
from tests.support.service import Service, eventually

ROOT = Path(__file__).parent.parent.parent
FILES = sorted((ROOT / "deploy" / "dashboards").glob("*.json"))
ALERTS, RUNBOOK = (ROOT / "deploy" / "alerts.yml").read_text(), (ROOT / "docs" / "runbook.md").read_text()
METER = "measure-me-if-you-may"

#: Prometheus adds it to each series that it reads.
OF_PROMETHEUS = {"instance"}
#: It is shown only while a place lacks a checkpoint.
SOMETIMES = {"standing_log_publication_late_seconds": {"place"}}

Panel = dict[str, Any]


def dashboards() -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text()) for file in FILES}


PANELS: list[Panel] = [panel for dashboard in dashboards().values() for panel in dashboard["panels"]]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
each_dashboard = pytest.mark.parametrize("dashboard", dashboards().values(), ids=dashboards().keys())


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, valkey_url: str, migrated_sqlite: Path) -> Iterator[str]:
    """The metrics of a service that has a spool and every sandbox secret, after the simulator has sent."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "standing.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    settings = {"DATABASE_URL": f"sqlite:///{folder / 'standing.sqlite3'}", "REDIS_URL": f"{valkey_url}?db={next_part()}"}
    sandbox = {"IFCGATE_SANDBOX_SECRETS": "whsec_c2FuZGJveCBzZWNyZXQgb2YgaWZjZ2F0ZQ==", "IDENFY_SANDBOX_SECRETS": "idenfy's sandbox key"}
    own = {"ENCRYPTION_KEYS": KEY, "SPOOL_DIR": str(folder / "spool"), "METRICS_TOKENS": METER}
    with Service(folder, settings | sandbox | own) as service:
        done = service.standing("simulate", "--json", "--rate", "0", "--count", "6")
        assert done.returncode == 0, done.stdout + done.stderr
        service.told("idngo", payloads.idngo(payloads.new_applicant(), answer="GREEN"))

        def complete() -> str | None:
            text = service.get("/metrics", token=METER).body.decode()
            # Processes write every few seconds what they counted, and who is notified of changes.
            late = (r"time_to_visible_seconds_count{.*} [1-9]", r"last_delivery_timestamp_seconds{", r"reactions_pending{")
            return text if all(re.search(f"^standing_{one}", text, re.MULTILINE) for one in late) else None

        yield eventually(complete, "every metric to be reported")


def test_promtool_finds_nothing_wrong_with_the_metrics(measured: str) -> None:
    promtool("check", "metrics", given=measured)


def test_every_metric_and_label_that_is_named_is_reported(measured: str) -> None:
    reported: dict[str, set[str]] = dict(SOMETIMES)
    for family in text_string_to_metric_families(measured):
        for sample in family.samples:
            reported.setdefault(sample.name, set()).update(sample.labels)
    asked = [*EXPRESSIONS, *(one["definition"] for dashboard in dashboards().values() for one in chosen(dashboard))]
    assert [metric for expression in asked for metric in re.findall(r"standing_\w+", expression) if metric not in reported] == []
    for expression in asked:
        known = set.intersection(*(reported[metric] for metric in re.findall(r"standing_\w+", expression)))
        assert labels(expression) <= known | OF_PROMETHEUS, expression


def chosen(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The variables of a dashboard whose values Prometheus gives."""
    return [one for one in dashboard["templating"]["list"] if one["type"] == "query"]


def labels(expression: str) -> set[str]:
    """Each label that an expression, or the query of a variable, names."""
    filtered = re.findall(r'(\w+)(?:=~|!=|=)"', expression)
    return set(filtered).union(re.findall(r"label_values\(\w+, (\w+)\)", expression), *groups(expression))


def groups(expression: str) -> list[set[str]]:
    """The labels that each `by` of an expression keeps, the outermost first."""
    return [set(re.findall(r"\w+", kept)) for kept in re.findall(r"\bby \((.*?)\)", expression)]


@each_panel
def test_a_legend_names_labels_that_the_expression_keeps(panel: Panel) -> None:
    for target in panel["targets"]:
        kept = next(iter(groups(target["expr"])), set())
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept


@each_panel
def test_a_histogram_is_read_by_its_bounds(panel: Panel) -> None:
    for target in panel["targets"]:
        if "_bucket" in target["expr"]:
            assert all("le" in kept for kept in groups(target["expr"]))
            assert target["expr"].startswith("histogram_quantile(") or (panel["type"], target["format"]) == ("heatmap", "heatmap")


def test_prometheus_reads_every_expression(tmp_path: Path) -> None:
    rules = "groups:\n  - name: expressions\n    rules:\n"
    for number, expression in enumerate(EXPRESSIONS):
        filled = expression.replace("$__rate_interval", "5m").replace("$vendor", ".*").replace("$environment", ".*")
        assert "$" not in filled
        rules += f"      - {{record: expression_{number}, expr: {json.dumps(filled)}}}\n"
    (tmp_path / "rules.yml").write_text(rules)
    promtool("check", "rules", "--lint=none", str(tmp_path / "rules.yml"))


def test_the_files_are_what_the_panels_make() -> None:
    done = subprocess.run([sys.executable, str(ROOT / ".ci" / "dashboards")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@each_dashboard
def test_panels_lie_beside_one_another_with_ids_of_their_own(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    overlapping = [
        (one, other)
        for one, other in combinations(places, 2)
        if one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    ]  # fmt: skip
    assert overlapping == []


@each_dashboard
def test_every_panel_asks_the_chosen_data_source(dashboard: dict[str, Any]) -> None:
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert names == {"datasource", "vendor", "environment", "runbook"}
    for panel in dashboard["panels"]:
        assert {one["datasource"]["uid"] for one in (panel, *panel["targets"])} == {"${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert set(re.findall(r"\$(\w+)", json.dumps(panel["targets"]))) <= names | {"__rate_interval"}


def test_the_dashboards_are_three_with_fixed_names_and_no_hosts() -> None:
    assert {name: found["uid"] for name, found in dashboards().items()} == {
        "machine": "standing-machine", "states": "standing-states", "vendors": "standing-vendors",
    }  # fmt: skip
    assert [file.name for file in FILES if "://" in file.read_text()] == []


def expressions_of_alerts() -> dict[str, str]:
    return dict(re.findall(r"- alert: (\w+)\n +expr: (.*?)\n +(?:for|labels):", ALERTS, re.DOTALL))


def test_every_alert_has_a_panel_that_leads_to_the_runbook() -> None:
    links = [link for panel in PANELS for link in panel["links"]]
    assert {link["title"].removesuffix(": runbook") for link in links} == set(expressions_of_alerts())
    headings = re.findall(r"^#+ (.*)$", RUNBOOK, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert [link["url"] for link in links if link["url"].removeprefix("${runbook}#") not in anchors] == []


@each_panel
def test_a_threshold_is_that_of_an_alert(panel: Panel) -> None:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    alerts = [expressions_of_alerts()[link["title"].removesuffix(": runbook")] for link in panel["links"]]
    # What an alert compares with 0 is red below 1.
    drawn = {("==", 0.0) if step["color"] == "green" else (">", float(step["value"])) for step in steps[1:]}
    assert drawn <= {limit for alert in alerts for limit in limits(alert)}


def limits(expression: str) -> set[tuple[str, float]]:
    """What an alert compares with, days as seconds. One that asks what is not younger asks what is older."""
    found = re.findall(r"(==|>|<) ([\d.]+)(?: \* (\d+))?", expression)
    return {(">" if sign == "<" else sign, float(number) * float(factor or 1)) for sign, number, factor in found}
