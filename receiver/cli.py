"""The commands that need secrets: `up`, `web`, `simulate`, `doctor`."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from receiver import config


@click.command()
def up() -> None:
    """Run everything on this machine: web, worker and, unless configured otherwise, an embedded Valkey and SQLite."""
    from receiver import up, valkey

    try:
        up.run()
    except valkey.NoValkey as error:
        click.echo(str(error), err=True)
        sys.exit(2)


@click.command()
def web() -> None:
    """Run the web process alone."""
    config.settings()
    gunicorn = str(Path(sys.executable).parent / "gunicorn")
    os.execv(gunicorn, [gunicorn, "--config", "python:receiver.serving"])  # noqa: S606


@click.command()
@click.option("--base", help="Where the service is.  [default: as HOST and PORT say]")
@click.option("--count", default=30, type=click.IntRange(min=1), help="How many stories.")
@click.option("--rate", default=50.0, type=click.FloatRange(min=0), help="Deliveries a second; 0: as fast as it goes.")
@click.option("--seed", type=click.IntRange(min=0), help="Makes the same stories and faults again.  [default: another each time]")
@click.option("--duplicates", default=0.1, type=click.FloatRange(0, 1), help="Share of the deliveries that come twice.")
@click.option(
    "--reordered", default=0.2, type=click.FloatRange(0, 1), help="Share of the stories told out of order, where there is a clock."
)
@click.option("--forgeries", default=0.1, type=click.FloatRange(0, 1), help="Forged deliveries, as a share of the others.")
@click.option("--live", "environment", flag_value="live", default="sandbox", help="Sign with the live secrets. Only when you mean it.")
@click.option("--token", help="A token to read with.  [default: the first plain one of READ_TOKENS, OPERATOR_TOKENS]")
@click.option("--timeout", default=30.0, type=click.FloatRange(min=0), help="Seconds to wait, in all, for deliveries to be handled.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def simulate(as_json: bool, **wanted: Any) -> None:
    """Play the three vendors: sign made-up stories, send them to a running service, and check what it makes of them.

    Exit status 1 if any applicant is not as its story says, 2 if nothing could be sent."""
    from receiver.simulator import reports
    from receiver.simulator.simulate import Wanted

    seed = secrets.randbelow(2**32) if wanted["seed"] is None else wanted["seed"]
    sys.exit(reports.simulate(Wanted(**wanted | {"seed": seed}), as_json=as_json))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def doctor(as_json: bool) -> None:
    """Say what is configured, what can be reached, and what is wrong. Exit status 1 if something is."""
    from receiver import doctor

    findings = []
    for finding in doctor.examine():
        findings.append(finding)
        if as_json:
            click.echo(msgspec.json.encode(finding))
        else:
            mark = {"ok": click.style("ok   ", "green"), "look": click.style("look ", "yellow"), "wrong": click.style("WRONG", "red")}
            click.echo(f"{mark[finding.verdict]} {finding.about}: {finding.says}")
    sys.exit(any(finding.verdict == "wrong" for finding in findings))


commands = [up, web, simulate, doctor]
