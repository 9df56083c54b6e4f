"""`standing erasures`: persons ask for an erasure, another person decides, and what was approved is carried out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from handlers import config
from handlers.cli.terminal import carrying_out, output, privacy
from handlers.cli.terminal.privacy import answering, data_subject_options, id_argument, reason_option
from store import database
from store.access.operators import Actor
from store.cli.ledger import accept_ledger
from store.cli.terminal import consent, tables
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import MOMENT, MOMENT_AT, REASON, json_option, token_option
from store.privacy import certificate, requests
from store.privacy.acts import DataSubject
from store.privacy.erasing import vendor_wait
from store.privacy.erasing.erasures import Stage
from store.system import clock
from store.text import safe_text


@click.group("erasures")
def erasures_group() -> None:
    """Erasures: what persons requested, what rules made due, and the result."""


@erasures_group.command("request")
@data_subject_options
@reason_option
@click.option("--received", type=MOMENT, help="When the person asked (RFC 3339, or a date).  [default: now]")
@token_option
@json_option
@consent.changes
def request(subject: DataSubject, reason: str, received: datetime | None, token_file: Path | None, as_json: bool, yes: bool) -> None:
    """Write down a person's request: VENDOR REFERENCE, or --user ID for all applicants of a user. Another person approves or refuses it."""
    config.settings()
    by, received_at = privacy.actor(token_file), received or clock.now()
    asks = f"{by.name} requests it ({reason}). An answer is due by {clock.rfc3339(requests.a_month_after(received_at))}."
    consent.ask("Record the request?", privacy.about(subject), asks, yes=yes)
    with answering():
        told, is_new = database.write(
            lambda connection: requests.request(connection, subject, by=by, reason=reason, received_at=received_at)
        )
    output.show(told, as_json=as_json)
    if not is_new:
        click.echo("It was requested before: this is the open one.", err=True)


def _decision(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what an approval and a refusal take."""
    for option in (consent.changes, json_option, token_option, reason_option, id_argument):
        command = option(command)
    return command


@erasures_group.command("approve")
@click.option("--early", is_flag=True, help="Although its period of retention is not over. Needs --basis.")
@click.option("--basis", type=REASON, help="The legal basis of an early erasure.")
@click.option("--with-vendor", is_flag=True, help="Have the vendor erase it, too.")
@_decision
def approve(erasure_id: str, reason: str, token_file: Path | None, as_json: bool, yes: bool, **given: Any) -> None:
    """Approve another person's request, and carry it out. What is erased cannot be brought back."""
    by = _decides(erasure_id, token_file, f"approves it ({reason}): it is erased, and cannot be brought back", yes=yes)
    with answering():
        database.write(lambda connection: requests.approve(connection, erasure_id, by=by, reason=reason, **given))
    carrying_out.carry_out([erasure_id])
    output.show(_found(erasure_id), as_json=as_json)


@erasures_group.command("refuse")
@click.option("--basis", type=REASON, help="The legal basis of the refusal.")
@click.option("--until", type=MOMENT_AT, help="Until when it is kept.  [default: the end of the longest period of RETENTION]")
@click.option("--restrict", is_flag=True, help="Until then only privacy officers may look.")
@_decision
def refuse(erasure_id: str, reason: str, token_file: Path | None, as_json: bool, yes: bool, **given: Any) -> None:
    """Refuse another person's request until a time. Then it is carried out, if no hold is on it and no relationship goes on."""
    law = f", by {safe_text.plain(given['basis'])}" if given["basis"] else ""
    by = _decides(erasure_id, token_file, f"refuses it ({reason}){law}", yes=yes)
    with answering():
        told = database.write(lambda connection: requests.refuse(connection, erasure_id, by=by, reason=reason, **given))
    output.show(told, as_json=as_json)


@erasures_group.command("readmit")
@_decision
def readmit(erasure_id: str, reason: str, token_file: Path | None, as_json: bool, yes: bool) -> None:
    """Let erased applicants begin again, with what their vendor says from now on. Not those of iDenfy: a new verification has a new
    reference."""
    by = _decides(erasure_id, token_file, f"readmits its applicants ({reason}): news of them counts again", yes=yes)
    with answering():
        told = database.write(lambda connection: requests.readmit(connection, erasure_id, by=by, reason=reason))
    output.show(told, as_json=as_json)


@erasures_group.command("vendor-done")
@_decision
def vendor_done(erasure_id: str, reason: str, token_file: Path | None, as_json: bool, yes: bool) -> None:
    """Confirm that the vendor deleted an applicant, where its API has not said so. The erasure waits no longer, and is done."""
    by = _decides(erasure_id, token_file, f"confirms that the vendor deleted it ({reason})", yes=yes)
    with answering():
        database.write(lambda connection: vendor_wait.confirm(connection, erasure_id, by=by, reason=reason))
    carrying_out.carry_out([erasure_id])
    output.show(_found(erasure_id), as_json=as_json)


def _decides(erasure_id: str, token_file: Path | None, does: str, *, yes: bool) -> Actor:
    """Say what a decision does, and ask; return who decides."""
    config.settings()
    by, told = privacy.officer(token_file), _found(erasure_id)
    about = safe_text.plain(told["external_user_id"] or " ".join(filter(None, (told["vendor"], told["reference"])))) or "nobody any more"
    is_about = f"It is about {about} ({told['environment']}), {told['status']}, requested by {told['requested_by']}"
    why = f": {safe_text.plain(told['reason'])}" if told["reason"] else ""
    consent.ask("Record it?", f"{is_about}{why}.", f"{by.name} {does}.", yes=yes)
    return by


def _found(erasure_id: str) -> dict[str, Any]:
    with answering():
        return requests.describe(database.read(lambda connection: requests.find(connection, erasure_id)))


@erasures_group.command("list")
@click.option("--status", type=click.Choice([stage.value for stage in Stage]), help="How far they are.")
@list_options(since="Requested")
@consent.reads
def list_erasures(listing: Listing, environment: str, since: datetime | None, status: str | None) -> None:
    """List erasures, the oldest first."""
    config.settings()

    def read(connection: Connection) -> list[dict[str, Any]]:
        rows = requests.listing(connection, environment=environment, status=status, since=since, after=None, limit=listing.fetched)
        return [requests.describe(row) for row in rows]

    columns = (
        "id",
        "status",
        "cause",
        "external_user_id",
        "vendor",
        "reference",
        "deadline",
        "until",
        "requested_by",
        "decided_by",
        "done_at",
    )
    listing.show(database.read(read), columns, what="erasure", order="oldest", environment=environment, call="/v1/erasures")


@erasures_group.command("show")
@id_argument
@json_option
@consent.reads
def show(erasure_id: str, as_json: bool) -> None:
    """Show an erasure: who asked, who decided, and how far it is."""
    config.settings()
    output.show(_found(erasure_id), as_json=as_json)


@erasures_group.command("certificate")
@id_argument
@json_option
@consent.reads
def show_certificate(erasure_id: str, as_json: bool) -> None:
    """Show the certificate of an erasure: what was erased, and what that does not cover. It names no person."""
    config.settings()
    with answering():
        found = database.read(lambda connection: certificate.certificate(connection, erasure_id))
    if as_json:
        tables.print_json([found])
        return
    for name, value in found.items():
        output.print_fields({name: value} if not isinstance(value, dict) else {f"{name}: {part}": said for part, said in value.items()})


erasures_group.add_command(accept_ledger)

commands = [erasures_group]
