"""Terminal output: states, histories, events. Vendors' texts are shown, and never interpreted by the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from rich.table import Table
from rich.text import Text

from store.cli.terminal import tables
from store.cli.terminal.tables import coloured, console
from store.text.safe_text import plain
from store.text.states import WITHOUT_REASONS


def print_applicant(applicant: Mapping[str, Any], history: Sequence[Mapping[str, Any]], whys: Mapping[str, str]) -> None:
    """Print an applicant's state and history; `whys` has the reason of each event."""
    screen = console()
    screen.print(_title(applicant), _state(applicant), sep="\n")
    table = Table(box=None, padding=(0, 2, 0, 0), title="History", title_justify="left", title_style="bold")
    for column in ("known since", "vendor's time", "from", "to", "reversal", "why"):
        table.add_column(column, overflow="fold")
    for change in history:
        why = whys.get(change["event_id"], "") if change["event_id"] else "linked: " + ", ".join(change["changed"])
        table.add_row(
            change["at"], change["as_of"] or "", plain(change["from"]), coloured(change["to"]), coloured(change["reversal"]), plain(why)
        )
    screen.print(table)


def print_explanation(found: Mapping[str, Any]) -> None:
    """Print why an applicant has its status: the grounds, then a timeline in the vendor's order."""
    screen, applicant = console(), found["applicant"]
    screen.print(_title(applicant), *_grounds(found["grounds"]), sep="\n")
    if applicant["decision"]:
        screen.print(Text(f"  decided: {plain(decision_in_words(applicant['decision']))}"))
    for line in _about_reasons(found):
        screen.print(Text(f"  {line}"))
    if found["linked"]:
        screen.print(Text("  whose case it is was linked here; the vendor's events carry no user"))
    screen.print(Text("\nWhat was said, in the vendor's order", style="bold"))
    for event in found["data"]:
        screen.print(_event_title(event), *_event_lines(event), sep="\n")


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


def show(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing: as JSON, or one field a line."""
    tables.print_json([fields]) if as_json else print_fields(fields)


def print_fields(fields: Mapping[str, Any]) -> None:
    """Print one thing, one field a line."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, coloured(value) if name == "status" else plain(value))
    console().print(table)


def print_text(text: str) -> None:
    """Print a text of several lines."""
    click.echo("\n".join(plain(line) for line in text.splitlines()))


def _grounds(grounds: Sequence[Mapping[str, Any]]) -> list[Text]:
    """Return the ground that decides, then those that are overridden or cannot override it."""
    lines = []
    for ground in grounds:
        line = Text("  because of " if ground["decides"] else "  besides, ")
        line.append(ground["name"]).append(" (").append(coloured(ground["status"])).append(")")
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
    return title.append(plain(event["event_type"]) or "no type").append("  ").append(coloured(event["outcome"]))


def _event_lines(event: Mapping[str, Any]) -> list[Text]:
    """Return what an event said, its meaning, its outcome with the reason, and its changes."""
    lines = [
        Text(f"  said     {plain(event['said'])}"),
        Text(f"  meant    {plain(event['meant'])}"),
        Text(f"  why      {plain(event['why'])}"),
    ]
    for change in event["changes"]:
        line = Text(f"  changed  {change['from'] or '(unknown)'} → ").append(coloured(change["to"]))
        if change["reversal"]:
            line.append("  ").append(coloured(change["reversal"]))
        lines.append(line.append(f"  ({', '.join(change['changed'])})", style="dim"))
    known = f"{event['received_at']}, event {event['event_id']}" + (", a repeat of an earlier body" if event["repeat"] else "")
    lines.append(Text(f"  received {known}", style="dim"))
    return [*lines, Text(f"  trace    {event['trace_id']}", style="dim")] if event["trace_id"] else lines


def _title(applicant: Mapping[str, Any]) -> Text:
    whose = f", user {plain(applicant['external_user_id'])}" if applicant["external_user_id"] else ""
    where = "" if applicant["environment"] == "live" else f" in the {applicant['environment']}"
    title = Text(f"{applicant['vendor']} {plain(applicant['reference'])}{where}{whose}: ", style="bold")
    return title.append(coloured(applicant["status"]))


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
    texts = [text for part in parts if (text := coloured(part))]
    console().print(Text("  ").join(texts), soft_wrap=True)
