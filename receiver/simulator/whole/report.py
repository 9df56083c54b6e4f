"""The report of a whole performance: a table for people, one JSON object for programs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from receiver.simulator.report import DESCRIBED_MAX, finish, progress
from receiver.simulator.whole.findings import Finding
from receiver.simulator.whole.performance import Account, Wanted, run
from store.text.counts import counted
from store.text.hints import typed


def perform(wanted: Wanted, *, as_json: bool) -> int:
    """Run a performance and report it; return the command's exit status. Raises Misconfigured and Impossible."""
    with progress() as show:
        account = run(wanted, show)
    return finish(account, describe=describe, tell=tell, as_json=as_json)


def tell(account: Account, console: Console) -> None:
    """Print the report: the results, and where to look next."""
    started = counted(len(account.findings), "verification")
    console.print(
        f"{started} started at {account.base}, {account.wanted.environment}, with vendors that were played at {account.played_at}"
    )
    console.print(_parts(account))
    sent = sum(len(finding.scene.pictures) for finding in account.findings)
    bought = f"{counted(account.bought, 'verification')} bought, {counted(sent, 'image')} sent, {counted(account.webhooks, 'webhook')}"
    console.print(f"{bought}; {account.seconds:.1f} s")
    for line in [*_complaints(account), "", *_next(account)]:
        console.print(line, highlight=False, soft_wrap=True)


def describe(account: Account) -> dict[str, Any]:
    """Return the whole account, for programs."""
    return {
        "as_told": account.as_told,
        "base": account.base,
        "environment": account.wanted.environment,
        "run": account.run,
        "seconds": round(account.seconds, 3),
        "bought": account.bought,
        "bought_twice": account.bought_twice,
        "webhooks": account.webhooks,
        "verifications": [_finding(finding) for finding in account.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    scene = finding.scene
    return {
        "name": scene.part.name,
        "vendor": scene.part.vendor,
        "mode": scene.part.mode,
        "id": scene.id,
        "user": scene.user,
        "reference": scene.verification.get("reference"),
        "verification": scene.verification.get("status"),
        "as_told": finding.as_told,
        "status": scene.applicant.get("status"),
        "reversals": list(finding.reversals),
        "differences": finding.differences,
    }


def _parts(account: Account) -> Table:
    table = Table(title="What was started, and the state of the applicants", title_justify="left")
    table.add_column("vendor")
    table.add_column("mode")
    table.add_column("verification", ratio=2)
    table.add_column("started", justify="right")
    table.add_column("as told", justify="right")
    table.add_column("so the applicant is", ratio=2)
    for (vendor, mode, name), group in groupby(sorted(account.findings, key=_kind), key=_kind):
        found = list(group)
        fine = sum(finding.as_told for finding in found)
        colour = "green" if fine == len(found) else "red"
        table.add_row(vendor, mode, escape(name), str(len(found)), f"[{colour}]{fine}[/]", _state(found))
    return table


def _kind(finding: Finding) -> tuple[str, str, str]:
    return finding.scene.part.vendor, finding.scene.part.mode, finding.scene.part.name


def _state(found: list[Finding]) -> str:
    """Return the state of the first applicant that is as told, and why; else of the first."""
    finding = next((one for one in found if one.as_told), found[0])
    applicant = finding.scene.applicant
    reasons = ", ".join(applicant.get("reasons") or ())
    turned = f" [yellow]({', '.join(finding.reversals)})[/]" if finding.reversals else ""
    return escape(str(applicant.get("status", "unknown")) + (f": {reasons}" if reasons else "")) + turned


def _complaints(account: Account) -> Iterator[str]:
    wrong = [finding for finding in account.findings if not finding.as_told]
    for finding in wrong[:DESCRIBED_MAX]:
        scene = finding.scene
        about = f"{scene.part.vendor} {scene.part.mode}, {scene.part.name} ({scene.id or 'not started'})"
        yield f"[red]not as told:[/] {escape(about)}: {escape('; '.join(finding.differences))}"
    if len(wrong) > DESCRIBED_MAX:
        yield f"[red]not as told:[/] {len(wrong) - DESCRIBED_MAX} more"
    for who in account.bought_twice:
        yield f"[red]bought twice:[/] {escape(who)}"


def _next(account: Account) -> Iterator[str]:
    """Name one that was turned, and where to look at it."""
    world = " --sandbox" if account.wanted.environment == "sandbox" else ""
    finding = next((one for one in account.findings if one.as_told and one.reversals), None)
    if finding is not None:
        scene = finding.scene
        yield f"One of them was {escape(scene.part.name)}:"
        yield "  " + typed(f"applicants explain {scene.part.vendor} {scene.reference}{world}")
    yield f"Which were started:  GET {account.base}/v1/verifications?environment={account.wanted.environment}"
