"""The alert rules: Prometheus takes them, each fires when it should, and what they ask for is what the service tells."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.promtool import promtool
from tests.support.service import Service, eventually

HERE = Path(__file__).parent
TRIALS = ("alerts.yml", "alerts_of_days.yml")
RULES = HERE.parent.parent / "deploy" / "alerts.yml"


def test_prometheus_takes_the_rules() -> None:
    promtool("check", "rules", str(RULES))


def test_each_rule_fires_when_it_should_and_not_otherwise() -> None:
    promtool("test", "rules", *TRIALS, cwd=HERE)


def test_every_rule_is_tried() -> None:
    tried = "".join((HERE / trial).read_text() for trial in TRIALS)
    assert [alert for alert in re.findall(r"alert: (\w+)", RULES.read_text()) if alert not in tried] == []


def test_the_service_tells_what_the_rules_ask_for(running: Service) -> None:
    def missing() -> set[str]:
        told = set(re.findall(r"^(standing_\w+)", running.get("/metrics", token=None).body.decode(), re.MULTILINE))
        # Only where there is a spool, and a place for checkpoints.
        return (
            set(re.findall(r"standing_\w+", RULES.read_text())) - told - {"standing_spool_bytes", "standing_log_publication_late_seconds"}
        )

    # A worker makes known who is told of changes.
    eventually(lambda: not missing(), "all that the rules ask for to be told")


def test_every_command_to_begin_with_exists(running: Service) -> None:
    for command in set(re.findall(r"look: .*?standing ([a-z-]+(?: list)?)", RULES.read_text())):
        assert running.standing(*command.split(), "--help").returncode == 0, command
