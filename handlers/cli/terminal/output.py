"""Terminal output: states, histories, events. Vendors' texts are shown, and never interpreted by the terminal."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from handlers.cli.terminal.options import ROWS_MAX
from store.states import WITHOUT_REASONS
from store.text.safe_text import as_json as as_json_text
from store.text.safe_text import for_a_sheet, plain

#: Colours of statuses and outcomes: what is good, what waits, what is bad.
COLOURS = {
    "approved": "green", "applied": "green",
    "rejected": "red", "failed": "red", "deleted": "red", "deactivated": "red", "adverse": "bold red",
    "needs_review": "yellow", "resubmission_requested": "yellow", "document_expired": "yellow", "unreadable": "yellow",
}  # fmt: skip


def print_json(items: Iterable[object]) -> None:
    """Print one JSON object a line."""
    for item in items:
        click.echo(as_json_text(item))


def print_list(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool, as_csv: bool = False) -> None:
    """Print a list: JSON lines with every field, or some columns as CSV or as a table."""
    if as_json:
        print_json(rows)
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows([for_a_sheet(row[name]) for name in columns] for row in rows)
    elif rows:
        table = Table(box=None, padding=(0, 2, 0, 0))
        for name in columns:
            table.add_column(name.replace("_", " "), overflow="fold", justify="right" if name in ("count", "touched") else "left")
        for row in rows:
            table.add_row(*(_coloured(row[name]) for name in columns))
        _console().print(table)


def print_applicant(applicant: Mapping[str, Any], history: Sequence[Mapping[str, Any]], whys: Mapping[str, str]) -> None:
    """Print an applicant's state and history; `whys` has the reason of each event."""
    console = _console()
    console.print(_title(applicant), _state(applicant), sep="\n")
    table = Table(box=None, padding=(0, 2, 0, 0), title="History", title_justify="left", title_style="bold")
    for column in ("known since", "vendor's time", "from", "to", "reversal", "why"):
        table.add_column(column, overflow="fold")
    for change in history:
        why = whys.get(change["event_id"], "") if change["event_id"] else "linked: " + ", ".join(change["changed"])
        table.add_row(
            change["at"], change["as_of"] or "", plain(change["from"]), _coloured(change["to"]), _coloured(change["reversal"]), plain(why)
        )
    console.print(table)


def print_explanation(found: Mapping[str, Any]) -> None:
    """Print why an applicant has its status: the grounds, then a timeline in the vendor's order."""
    console, applicant = _console(), found["applicant"]
    console.print(_title(applicant), *_grounds(found["grounds"]), sep="\n")
    if applicant["decision"]:
        console.print(Text(f"  decided: {plain(decision_in_words(applicant['decision']))}"))
    for line in _about_reasons(found):
        console.print(Text(f"  {line}"))
    if found["linked"]:
        console.print(Text("  whose case it is was linked here; the vendor's events carry no user"))
    console.print(Text("\nWhat was said, in the vendor's order", style="bold"))
    for event in found["data"]:
        console.print(_event_title(event), *_event_lines(event), sep="\n")


def print_applicants(applicants: Iterable[Mapping[str, Any]]) -> None:
    """Print applicants, one a line."""
    for row in applicants:
        expires = [f"document until {row['document_expires_on']}"] if row["document_expires_on"] else []
        words = ", ".join([*row["hits"], *row["flags"], *expires])
        _print_line(
            row["updated_at"], row["vendor"], row["reference"], row["status"], words, f"user {row['external_user_id'] or 'unknown'}"
        )


def print_events(events: Iterable[Mapping[str, Any]]) -> None:
    """Print events: time, vendor, applicant and outcome; below them the reason and the id."""
    for row in events:
        _print_line(row["received_at"], row["vendor"], row["event_type"] or "no type", row["reference"] or "", row["status"])
        _print_line(f"  {plain(row['id'])}", plain(row["reason"]) or "waits to be handled")


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print one thing, one field a line."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, _coloured(value) if name == "status" else plain(value))
    _console().print(table)


def print_text(text: str) -> None:
    """Print a text of several lines."""
    click.echo("\n".join(plain(line) for line in text.splitlines()))


def _grounds(grounds: Sequence[Mapping[str, Any]]) -> list[Text]:
    """Return the ground that decides, then those that are overridden or cannot override it."""
    lines = []
    for ground in grounds:
        line = Text("  because of " if ground["decides"] else "  besides, ")
        line.append(ground["name"]).append(" (").append(_coloured(ground["status"])).append(")")
        if ground["said"]:
            line.append(f": {plain(ground['said'])}, {ground['at']}, event {ground['event_id']}", style="")
        lines.append(line)
    return lines


def _about_reasons(found: Mapping[str, Any]) -> Iterable[str]:
    """Yield where the vendor's own words are, or that there are none."""
    if not found["vendor_gives_reasons"]:
        yield f"{found['applicant']['vendor']} gives no reason for what it decides: its events say the outcome alone"
    deciding = next((ground["event_id"] for ground in found["grounds"] if ground["decides"] and ground["event_id"]), None)
    if deciding:
        yield f"in full: standing events show {deciding} --body --reveal --reason WHY"


def _event_title(event: Mapping[str, Any]) -> Text:
    late = "" if event["occurred_at"] else " (ours: the vendor gives no time)"
    title = Text(f"\n{event['occurred_at'] or event['received_at']}{late}  ", style="bold")
    return title.append(plain(event["event_type"]) or "no type").append("  ").append(_coloured(event["outcome"]))


def _event_lines(event: Mapping[str, Any]) -> list[Text]:
    """Return what an event said, its meaning, its outcome with the reason, and its changes."""
    lines = [
        Text(f"  said     {plain(event['said'])}"),
        Text(f"  meant    {plain(event['meant'])}"),
        Text(f"  why      {plain(event['why'])}"),
    ]
    for change in event["changes"]:
        line = Text(f"  changed  {change['from'] or '(unknown)'} → ").append(_coloured(change["to"]))
        if change["reversal"]:
            line.append("  ").append(_coloured(change["reversal"]))
        lines.append(line.append(f"  ({', '.join(change['changed'])})", style="dim"))
    known = f"{event['received_at']}, event {event['event_id']}" + (", a repeat of an earlier body" if event["repeat"] else "")
    return [*lines, Text(f"  received {known}", style="dim")]


def _title(applicant: Mapping[str, Any]) -> Text:
    whose = f", user {plain(applicant['external_user_id'])}" if applicant["external_user_id"] else ""
    where = "" if applicant["environment"] == "live" else f" in the {applicant['environment']}"
    title = Text(f"{applicant['vendor']} {plain(applicant['reference'])}{where}{whose}: ", style="bold")
    return title.append(_coloured(applicant["status"]))


def _state(applicant: Mapping[str, Any]) -> Table:
    shown = (
        "vendor_status", "final", "provisional", "may_retry", "reasons", "hits", "flags", "level", "user_message", "last_verdict",
        "document_expires_on", "decision", "ever_approved", "as_of", "updated_at", "version",
    )  # fmt: skip
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name in shown:
        value = applicant[name]
        if name == "last_verdict" and value:
            value = " ".join(filter(None, [value["status"], value["level"] and f"at {value['level']}", value["as_of"]]))
        if name == "decision" and value:
            value = decision_in_words(value)
        if name == "reasons" and not value and applicant["vendor"] in WITHOUT_REASONS:
            value = "none: this vendor gives no reason"
        if value not in (None, [], ""):
            table.add_row(name, Text(plain("yes" if value is True else "no" if value is False else value)))
    return table


def decision_in_words(decision: Mapping[str, Any]) -> str:
    """Return a decision as a sentence: what, who, when, why; who confirmed or withdrew it and why; its state."""
    said = f"{decision['status']} by {decision['by']} at {decision['at']} ({decision['reason']})"
    for done, why in (("confirmed", "confirmation"), ("withdrawn", "withdrawal")):
        if decision.get(f"{done}_by"):
            said += f", {done} by {decision[f'{done}_by']}" + (f" ({decision[why]})" if decision.get(why) else "")
    return f"{said}: {decision['state'].replace('_', ' ')}"


def _print_line(*parts: object) -> None:
    """Print parts on one line, which a narrow terminal wraps and does not cut."""
    texts = [text for part in parts if (text := _coloured(part))]
    _console().print(Text("  ").join(texts), soft_wrap=True)


def _coloured(value: object) -> Text:
    text = plain(value)
    return Text(text, style=COLOURS.get(text, ""))


def _console() -> Console:
    """Return a console as wide as the terminal; in a pipe, as wide as needed."""
    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 220)


def say_if_cut(found: list[dict[str, Any]], limit: int, which: str, none: str) -> None:
    """Print on standard error that there may be more, or that there is nothing."""
    if len(found) == limit:
        click.echo(f"These are the {which} {limit}; there may be more (--limit, up to {ROWS_MAX}; the API pages through all).", err=True)
    elif not found:
        click.echo(f"{none} (--sandbox looks into the sandbox).", err=True)
