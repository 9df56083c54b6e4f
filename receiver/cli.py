"""Commands that need secrets (`up`, `web`, `simulate`, `doctor`, `status`, `secrets`, `refusals`), and `console`, which has none."""

from __future__ import annotations

import math
import os
import secrets as randomness
import sys
import time
from contextlib import suppress
from datetime import datetime
from typing import Any

import click

from receiver import config
from store.cli.terminal import consent
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import ROWS_MAX, environment_option
from store.text.safe_text import as_json as json_of

WATCH_SECONDS = 2.0

#: How long the simulator waits: for all deliveries to be handled, and for each step of a verification.
HANDLED_SECONDS, WHOLE_SECONDS = 30.0, 60.0

#: Smaller numbers are taken for a mistake: a rate of 1e-300 would never end.
LEAST = 0.001


class Bounded(click.FloatRange):
    """A number within bounds; neither NaN, which no comparison finds out of bounds, nor close to zero."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number) or 0 < number < LEAST:
            self.fail(f"give 0, or a number of at least {LEAST}", param, ctx)
        return number


@click.command()
@click.option("--played", is_flag=True, help="Start verifications at vendors that are played here, and at no others.")
@consent.runs
def up(played: bool) -> None:
    """Run everything on this machine: web, worker and, unless configured otherwise, an embedded Valkey and SQLite."""
    from receiver.local import up, valkey

    try:
        up.run(played=played)
    except valkey.NoValkey as error:
        click.echo(str(error), err=True)
        sys.exit(2)


@click.command()
@consent.runs
def web() -> None:
    """Run the web process alone."""
    from store.database import start_check
    from store.privacy.restoring import index_key
    from store.system import environment, processes

    environment.withhold("LOG_SIGNING_KEY")
    config.settings()
    start_check.look()
    index_key.look()
    os.environ["PYTHONPATH"] = processes.import_path()
    gunicorn = str(processes.program("gunicorn"))
    os.execv(gunicorn, [gunicorn, "--config", "python:receiver.gunicorn_config"])  # noqa: S606


@click.command()
@consent.runs
def console() -> None:
    """Run the console: pages for people whose token has a name. It takes no deliveries, and reads no signing secret."""
    from store.database import start_check
    from store.system import environment, processes

    environment.withhold("_SECRETS")
    environment.withhold("LOG_SIGNING_KEY")
    config.settings()
    start_check.look()
    os.environ["PYTHONPATH"] = processes.import_path()
    gunicorn = str(processes.program("gunicorn"))
    os.execv(gunicorn, [gunicorn, "--config", "python:receiver.console.gunicorn_config"])  # noqa: S606


@click.command()
@click.option("--base", help="Where the service is.  [default: as HOST and PORT say]")
@click.option("--count", default=30, type=click.IntRange(1, 1_000_000), help="How many stories.")
@click.option("--rate", default=50.0, type=Bounded(0, 100_000), help="Deliveries a second; 0: as fast as it goes.")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Makes the same stories and faults again.  [default: another each time]")
@click.option("--duplicates", default=0.1, type=Bounded(0, 1), help="Share of the deliveries that come twice.")
@click.option("--reordered", default=0.2, type=Bounded(0, 1), help="Share of the stories told out of order, where there is a clock.")
@click.option("--forgeries", default=0.1, type=Bounded(0, 1), help="Forged deliveries, as a share of the others.")
@click.option("--live", "environment", flag_value="live", default="sandbox", help="Sign with the live secrets. Only when you mean it.")
@click.option("--token", help="A token to read with.  [default: the first plain one of READ_TOKENS, OPERATOR_TOKENS]")
@click.option("--timeout", type=Bounded(0, 86_400), help="Seconds to wait: in all, 30; with --whole, 60 for each thing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--vendors", "is_asked", is_flag=True, help="Play the vendors' APIs instead, to be asked, until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), help="With --vendors and --whole: where.  [default: PLAYED_PORT, 8100]")
@click.option("--whole", "is_whole", is_flag=True, help="Start verifications at played vendors instead, and check every applicant.")
@consent.runs
def simulate(as_json: bool, is_asked: bool, is_whole: bool, port: int | None, **wanted: Any) -> None:
    """Play the three vendors: sign made-up stories, send them to a running service, and check the results.

    --whole starts verifications there instead. Exit status 1 if any applicant is not as it should be, 2 if nothing could be sent."""
    from receiver.simulator import report, vendor_command
    from receiver.simulator.simulate import Wanted
    from receiver.simulator.whole import performance
    from receiver.simulator.whole import report as whole_report

    timeout = wanted["timeout"]
    if is_whole:
        named = {name: wanted[name] for name in ("base", "count", "environment", "token")}
        whole = performance.Wanted(**named, port=port, timeout=WHOLE_SECONDS if timeout is None else timeout)
        sys.exit(whole_report.perform(whole, as_json=as_json))
    wanted["timeout"] = HANDLED_SECONDS if timeout is None else timeout
    if is_asked:
        vendor_command.serve(port, base=wanted["base"], environment=wanted["environment"])
        return
    seed = randomness.randbelow(2**32) if wanted["seed"] is None else wanted["seed"]
    sys.exit(report.simulate(Wanted(**wanted | {"seed": seed}), as_json=as_json))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@consent.reads
def doctor(as_json: bool) -> None:
    """Report what is configured, what can be reached, and what is wrong. Exit status 1 if something is wrong.

    `status`, `doctor` and `/readyz` say the same of one thing. docs/monitoring.md explains each sentence."""
    from receiver.monitoring import doctor

    findings = []
    for finding in doctor.examine():
        findings.append(finding)
        if as_json:
            click.echo(json_of(finding))
        else:
            mark = {"ok": click.style("ok   ", "green"), "look": click.style("look ", "yellow"), "wrong": click.style("wrong", "red")}
            click.echo(f"{mark[finding.verdict]} {finding}" + (f"  ({finding.look})" if finding.look else ""))
    sys.exit(any(finding.verdict == "wrong" for finding in findings))


@click.command()
@environment_option
@click.option("--watch", is_flag=True, help="Keep it fresh until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@consent.reads
def status(as_json: bool, watch: bool, environment: str) -> None:
    """The first screen to look at: running processes, backlog, failures, silent vendors, fallen approvals.

    Exit status 1 if something is wrong (not if something only needs a look)."""
    from rich.console import Console
    from rich.live import Live

    from receiver.monitoring import status

    config.settings()
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
    found = status.lines(environment)
    if as_json:
        for line in found:
            click.echo(json_of(line))
    elif watch:
        with Live(status.as_screen(found, environment), console=console, auto_refresh=False) as live, suppress(KeyboardInterrupt):
            while True:
                time.sleep(WATCH_SECONDS)
                found = status.lines(environment)
                live.update(status.as_screen(found, environment), refresh=True)
    else:
        console.print(status.as_screen(found, environment))
    sys.exit(any(line.verdict == "wrong" for line in found))


@click.command("secrets")
@list_options(since="Last matched", limit=ROWS_MAX)
@consent.reads
def list_secrets(listing: Listing, environment: str, since: datetime | None) -> None:
    """List the vendors' secrets by fingerprint, and when each last matched: an old one that no longer matches can be removed."""
    from receiver.monitoring import secret_usage
    from store import database

    config.settings()
    looked_at = database.read(lambda connection: secret_usage.look(connection, environment=environment, since=since))
    found = [secret_usage.describe(one) for one in looked_at]
    columns = ("vendor", "environment", "fingerprint", "newest", "says", "matches", "last_at")
    listing.show(found, columns, what="secret", environment=environment)


@click.command("refusals")
@click.option("--vendor", help="Sent as one vendor.")
@list_options(since="Only those that were refused", has_environment=False)
@consent.reads
def list_refusals(listing: Listing, since: datetime | None, vendor: str | None) -> None:
    """List whose requests were refused in the last week: by address, vendor and cause, the most frequent first.

    Behind a proxy, name it in TRUSTED_PROXIES: without that its own address is listed."""
    from store import database
    from store.operations import refusals

    config.settings()
    wanted: dict[str, Any] = {"vendor": vendor, "since": since, "limit": listing.fetched}
    found = database.read(lambda connection: list(refusals.listing(connection, **wanted)))
    listing.show(found, ("count", "peer", "vendor", "cause", "first_at", "last_at"), what="refusal of the last week", order="most frequent")


commands = [up, web, console, simulate, doctor, status, list_secrets, list_refusals]
