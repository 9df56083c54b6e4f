"""How the simulator tells what it found: tables for people, one JSON object for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import click
from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from receiver.simulator.simulate import Account, Show, Wanted, run
from receiver.simulator.verification import Finding
from store.text.counts import counted
from store.text.hints import typed

KINDS = {"first": "what the vendors say", "again": "the same once more", "forged": "forged"}
ANSWERS = ("accepted", "duplicate", "401")

#: So many applicants and forgeries that are not as they should be are described.
DESCRIBED_MAX = 10


def simulate(wanted: Wanted, *, as_json: bool) -> int:
    """Run the simulator and tell what it found; return the command's exit status. Raises Misconfigured and Impossible."""
    with progress() as show:
        account = run(wanted, show)
    return finish(account, describe=describe, tell=tell, as_json=as_json)


def finish(account: Any, *, describe: Callable[[Any], dict[str, Any]], tell: Callable[[Any, Console], None], as_json: bool) -> int:
    """Print the account of a run, for programs or for people; return the command's exit status."""
    if as_json:
        click.echo(json.dumps(describe(account), indent=2))
    else:
        tell(account, console())
    return 0 if account.as_told else 1


def console() -> Console:
    """Return a console for a report. What is not a terminal has no width: no line is broken at eighty columns."""
    found = Console(highlight=False)
    found.width = found.width if found.is_terminal else 140
    return found


@contextmanager
def progress() -> Iterator[Show]:
    """A bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("looking for the service", total=None)

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, advance=done, total=total or None)

        yield show


def tell(account: Account, console: Console) -> None:
    """Print the report: the answers, the results, and where to look next."""
    wanted = account.wanted
    console.print(f"{counted(wanted.count, 'story', 'stories')} told to {account.base}, {wanted.environment}, with seed {wanted.seed}")
    console.print(Group(_answers(account), _speed(account), "", _stories(account)))
    for line in [*_complaints(account), "", *_example(account), *_next(account)]:
        console.print(line, highlight=False, soft_wrap=True)


def describe(account: Account) -> dict[str, Any]:
    """The whole account, for programs."""
    return {
        "as_told": account.as_told,
        "base": account.base,
        "environment": account.wanted.environment,
        "seed": account.wanted.seed,
        "run": account.run,
        "left_out": account.left_out,
        "sent": len(account.sent),
        "seconds": round(account.seconds, 3),
        "answers": {kind: dict(_counts(account, kind)) for kind in KINDS},
        "answered_within_ms": {"50%": _milliseconds(account, 50), "99%": _milliseconds(account, 99)},
        "kept_twice": account.kept_twice,
        "pending": account.pending,
        "forgeries_refused": sum(forgery.refused for forgery in account.forgeries),
        "stories": [_finding(finding) for finding in account.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    story = finding.telling.story
    return {
        "story": story.name,
        "vendor": story.vendor,
        "reference": finding.telling.applicant.reference,
        "in_order": finding.telling.in_order,
        "sent_whole": finding.sent_whole,
        "as_told": finding.as_told,
        "status": finding.applicant.get("status"),
        "reversals": _reversals(finding),
        "differences": finding.differences,
    }


# what was answered --------------------------------------------------------------------------------------------


def _answers(account: Account) -> Table:
    table = Table(title="What was sent, and what was answered", title_justify="left")
    table.add_column("deliveries")
    for name in ("sent", "accepted", "duplicate", "401 refused", "other"):
        table.add_column(name, justify="right")
    for kind, name in KINDS.items():
        counts = _counts(account, kind)
        other = ", ".join(f"{count} x {word}" for word, count in sorted(counts.items()) if word not in ANSWERS)
        table.add_row(name, str(counts.total()), *(str(counts[word]) for word in ANSWERS), escape(other) or "0")
    return table


def _counts(account: Account, kind: str) -> Counter[str]:
    return Counter(one.answer.word for one in account.sent if one.delivery.kind == kind)


def _speed(account: Account) -> str:
    count, seconds = len(account.sent), max(account.seconds, 0.001)
    within = f"half of the answers within {_milliseconds(account, 50):g} ms, 99 of 100 within {_milliseconds(account, 99):g} ms"
    told = f"{counted(sum(not finding.telling.in_order for finding in account.findings), 'story', 'stories')} told out of order"
    return f"{counted(count, 'delivery', 'deliveries')} in {seconds:.1f} s, {count / seconds:.0f} a second; {within}; {told}"


def _milliseconds(account: Account, percent: int) -> float:
    """How long at most the fastest so many percent of the answers took."""
    times = sorted(one.answer.seconds for one in account.sent)
    return round(1000 * times[(len(times) - 1) * percent // 100], 1)


# results ------------------------------------------------------------------------------------------------------


def _stories(account: Account) -> Table:
    table = Table(title="What the stories say, and how their applicants stand", title_justify="left")
    table.add_column("vendor")
    table.add_column("story", ratio=2)
    table.add_column("told", justify="right")
    table.add_column("as told", justify="right")
    table.add_column("so the applicant is", ratio=2)
    findings = sorted(account.findings, key=_kind)
    kinds = {kind: list(group) for kind, group in groupby(findings, key=_kind)}
    for (vendor, story), group in sorted(kinds.items(), key=lambda kind: kind[1][0].telling.applicant.number):
        fine = sum(finding.as_told for finding in group)
        colour = "green" if fine == len(group) else "red"
        table.add_row(vendor, escape(story), str(len(group)), f"[{colour}]{fine}[/]", _stands(group))
    return table


def _kind(finding: Finding) -> tuple[str, str]:
    return finding.telling.story.vendor, finding.telling.story.name


def _stands(group: list[Finding]) -> str:
    """How the first applicant that is as told stands, and why; else the first."""
    finding = next((one for one in group if one.as_told and one.telling.in_order), group[0])
    words = [
        str(finding.applicant.get("status", "unknown")),
        ", ".join(finding.applicant.get("reasons") or finding.applicant.get("flags", ())),
        ", ".join(_reversals(finding)),
    ]
    status, reasons, reversals = map(escape, words)
    order = "" if finding.telling.in_order else ", told out of order"
    return status + (f": {reasons}" if reasons else "") + (f" [yellow]({reversals})[/]" if reversals else "") + order


def _reversals(finding: Finding) -> list[str]:
    return [change["reversal"] for change in finding.history if change["reversal"]]


def _complaints(account: Account) -> Iterator[str]:
    """What is not as it should be, and what was left out."""
    for vendor, why in account.left_out.items():
        yield f"[yellow]{vendor} was left out: {why}.[/]"
    for vendor in _distrusted(account):
        yield f"[red]{vendor}:[/] the service refuses all that is signed for it: it has other {account.wanted.environment} secrets"
    wrong = [finding for finding in account.findings if not finding.as_told]
    for finding in wrong[:DESCRIBED_MAX]:
        yield f"[red]not as told:[/] {_described(finding)}"
    if len(wrong) > DESCRIBED_MAX:
        yield f"[red]not as told:[/] {len(wrong) - DESCRIBED_MAX} more"
    for forgery in [one for one in account.forgeries if not one.refused][:DESCRIBED_MAX]:
        who = f"{forgery.applicant.vendor} {forgery.applicant.reference}"
        yield f"[red]forged:[/] {who} was answered {escape(forgery.answer)}, and asking for its applicant gave {escape(forgery.found)}"
    if account.kept_twice:
        yield f"[red]kept twice:[/] {counted(account.kept_twice, 'delivery was', 'deliveries were')} accepted that had been accepted before"
    if account.pending:
        waits = f"{counted(account.pending, 'event')}, as seen after {account.wanted.timeout:g} s"
        yield f"[red]not handled:[/] {waits}. Does a worker run?"


def _distrusted(account: Account) -> list[str]:
    """Return the vendors that had every story refused."""
    answers = {(one.delivery.applicant.vendor, one.answer.word) for one in account.sent if one.delivery.kind == "first"}
    words = {vendor: {word for sender, word in answers if sender == vendor} for vendor, _ in answers}
    return sorted(vendor for vendor, answered in words.items() if answered == {"401"})


def _described(finding: Finding) -> str:
    sent = [] if finding.sent_whole else ["it was not sent whole"]
    order = "" if finding.telling.in_order else ", told out of order"
    applicant = finding.telling.applicant
    return escape(
        f"{applicant.vendor} {applicant.reference} ({finding.telling.story.name}{order}): " + "; ".join([*sent, *finding.differences])
    )


# where to look next -------------------------------------------------------------------------------------------


def _example(account: Account) -> Iterator[str]:
    """The history of an approval that fell."""
    finding = next((one for one in account.findings if one.as_told and "adverse" in _reversals(one)), None)
    if finding is None:
        return
    applicant = finding.telling.applicant
    world = " --sandbox" if applicant.environment == "sandbox" else ""
    yield f"One of them was {escape(finding.telling.story.name)}:"
    for change in finding.history:
        fell = f"  [bold red]{change['reversal']} reversal[/]" if change["reversal"] == "adverse" else ""
        why = f"  {', '.join(change['reasons'])}" if change["reasons"] else ""
        yield f"  {change['as_of'] or change['at']}  {change['from'] or '(unknown)'} → [bold]{change['to']}[/]{escape(why)}{fell}"
    yield "  " + typed(f"applicants show {applicant.vendor} {applicant.reference}{world}")


def _next(account: Account) -> Iterator[str]:
    wanted, world = account.wanted, account.wanted.environment
    yield f"What changed, in order:  GET {account.base}/v1/changes?environment={world}   (with a token of READ_TOKENS)"
    live = " --live" if world == "live" else ""
    yield "The same once more:      " + typed(f"simulate --count {wanted.count} --seed {wanted.seed}{live}")
