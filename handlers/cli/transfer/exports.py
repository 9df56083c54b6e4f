"""`standing export` and `standing access-export`: applicants, the changes of the feed, or what is kept about one person, written out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from handlers import config
from handlers.cli.terminal import privacy
from handlers.cli.terminal.output_file import opened, output_option
from handlers.cli.terminal.progress import progress_bar
from handlers.cli.transfer import export_files as export
from handlers.vendors import VENDORS
from store import database
from store.applicants.exports import ExportFilter
from store.cli.terminal import consent
from store.cli.terminal.options import MOMENT, REASON, environment_option, older_than_option, token_option
from store.privacy import access_export
from store.privacy.access_export import Withhold
from store.privacy.acts import DataSubject
from store.system import clock
from store.text import safe_text
from store.text.states import Status


def _export_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        output_option,
        environment_option,
        click.option("--since", type=MOMENT, help="Changed at this moment or later (RFC 3339)."),
        click.option(
            "--status", type=click.Choice([status.value for status in Status]), help="The current status, or the status after a change."
        ),
        click.option("--vendor", type=click.Choice(list(VENDORS)), help="Of one vendor."),
        click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), default="jsonl", show_default=True, help="How to write it."),
    ):
        command = option(command)
    return command


@click.group("export")
def export_group() -> None:
    """Write applicants or changes, with personal data. The audit log records who did."""


@export_group.command("applicants")
@_export_options
@consent.reads
def export_applicants(kind: str, output: Path | None, **wanted: Any) -> None:
    """Write every applicant: as JSON lines like the API's, or as CSV for a spreadsheet.

    Each comes once, by vendor and reference. One that changes meanwhile comes as it was before, or as it is then."""
    config.settings()
    count, pages = export.begin_applicants(ExportFilter(**wanted))
    _export(count, pages, export.APPLICANT_COLUMNS if kind == "csv" else None, output)


@export_group.command("changes")
@_export_options
@consent.reads
def export_changes(kind: str, output: Path | None, **wanted: Any) -> None:
    """Write the change feed, in its order and with its cursors, up to its end now."""
    config.settings()
    count, pages = export.begin_changes(ExportFilter(**wanted))
    _export(count, pages, export.CHANGE_COLUMNS if kind == "csv" else None, output)


@export_group.command("review")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl"]), default="jsonl", show_default=True, help="How to write it.")
@older_than_option
@environment_option
@output_option
@consent.reads
def export_review(kind: str, output: Path | None, environment: str, older_than: timedelta | None) -> None:
    """Write all that waits for a person, the oldest first: since when, for how many minutes, and who looks after it."""
    config.settings()
    count, pages = export.begin_review(environment, clock.now() - older_than if older_than else None)
    _export(count, pages, export.REVIEW_COLUMNS if kind == "csv" else None, output)


@click.command("access-export")
@click.argument("external_user_id", metavar="USER")
@click.option(
    "--withhold",
    type=click.Choice([one.value for one in Withhold]),
    default=Withhold.ADVERSE.value,
    show_default=True,
    help="What to leave out: whatever could tip the person off, or nothing.",
)
@click.option("--reason", type=REASON, help="Why. It is recorded.")
@output_option
@token_option
@environment_option
@consent.reads
def export_access(
    external_user_id: str, withhold: str, reason: str | None, output: Path | None, token_file: Path | None, environment: str
) -> None:
    """Write what is kept about a person, as far as that person may know it, as JSON. The audit log records who did, and why."""
    config.settings()
    subject, by = DataSubject(environment=environment, external_user_id=external_user_id), privacy.officer(token_file)
    found = database.write(lambda connection: access_export.make(connection, subject, withhold=Withhold(withhold), by=by, reason=reason))
    if found is None:
        raise click.ClickException(f"nothing is kept about this person in the {environment} environment")
    with opened(output) as out:
        out.write(f"{safe_text.as_json(found)}\n".encode())


def _export(count: int, pages: Iterator[export.Page], columns: tuple[str, ...] | None, output: Path | None) -> None:
    hidden = output is None and sys.stdout.isatty()
    with opened(output) as out, progress_bar(hidden=hidden) as bar:
        task = bar.add_task("writing", total=count)
        export.write(pages, out, columns=columns, on_rows=lambda rows: bar.advance(task, rows))


commands = [export_group, export_access]
