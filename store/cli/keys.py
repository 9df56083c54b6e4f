"""The command `keys`: which master keys there are, wrapping everything with the newest, and recording that one is destroyed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from store import config, database
from store.access import audit, operators
from store.cli.terminal import consent
from store.cli.terminal.lists import Listing, list_options
from store.cli.terminal.options import ROWS_MAX
from store.system import clock
from store.text.counts import counted

if TYPE_CHECKING:
    from store.privacy.master_keys import KeyState

COLUMNS = ("key", "bodies", "seals", "first_used_at", "replaced_at", "destroy_by", "destroyed_at", "destroyed_by")


@click.group()
def keys() -> None:
    """The master keys for data at rest."""


@keys.command("list")
@list_options(since=None, has_environment=False, limit=ROWS_MAX)
@consent.reads
def list_keys(listing: Listing) -> None:
    """List the master keys by their public ids: how many bodies need each, since when it is in use, and when it must be destroyed."""
    from store.operations import key_rotation
    from store.privacy import master_keys

    newest, bodies = key_rotation.newest_key(), key_rotation.in_use()
    known = {state.key_id: state for state in database.read(master_keys.states)}
    found = [_described(key, bodies.get(key, 0), key == newest, known.get(key)) for key in dict.fromkeys([*bodies, *known])]
    listing.show(found, COLUMNS, what="key")


def _described(key: str, bodies: int, is_newest: bool, state: KeyState | None) -> dict[str, Any]:
    moments = ("first_used_at", "replaced_at", "destroy_by", "destroyed_at")
    times = {name: clock.rfc3339(getattr(state, name)) if state else None for name in moments}
    return {"key": key, "bodies": bodies, "seals": is_newest} | times | {"destroyed_by": state and state.destroyed_by}


@keys.command()
@consent.changes
def rotate(yes: bool) -> None:
    """Make every body need the first of ENCRYPTION_KEYS alone, while the service runs. Run it again if it was interrupted."""
    from rich.console import Console
    from rich.progress import Progress

    from store.inbox.sealing.encryption import Unopenable
    from store.operations import key_rotation
    from store.privacy import master_keys

    config.settings()
    total = database.read(key_rotation.waiting)
    operators.at_this_terminal()  # A wrong token ends it before anything is done.
    if total:
        says = f"The data keys of {counted(total, 'body', 'bodies')} will be wrapped again, with the key {key_rotation.newest_key()}."
        consent.ask("Wrap them again?", f"{says} The service may run meanwhile.", yes=yes)
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            task = progress.add_task("wrapping again", total=total)
            done = key_rotation.rotate(on_wrapped=lambda count: progress.advance(task, count))
    except Unopenable as unopenable:
        raise click.ClickException(f"{unopenable}: give it in ENCRYPTION_KEYS, after the newest") from unopenable
    master_keys.note_use(clock.now())
    did = f"Wrapped the data keys of {counted(done, 'body', 'bodies')} with the newest key."
    click.echo(f"{did} Backups may need the older keys: standing keys list says when each must be destroyed.", err=True)


@keys.command()
@click.argument("key_id")
@consent.changes
def destroyed(key_id: str, yes: bool) -> None:
    """Record that you destroyed every copy of a master key, so that no backup that needs it can be opened."""
    from store.privacy import master_keys
    from store.privacy.errors import Refused

    by = operators.at_this_terminal()
    consent.ask(
        "Is it destroyed?",
        f"Certificates of erasure will say from now on that no backup can be opened that needs the key {key_id}.",
        "That is true if every copy of it is gone: on each host, in your secrets manager and its history, and in backups of files.",
        yes=yes,
    )
    try:
        with database.begin() as connection:
            master_keys.record_destroyed(connection, key_id, by=by.name, at=clock.now())
            audit.record(connection, action="destroy key", subject=f"key {key_id}"[: audit.SUBJECT_CHARS_MAX])
    except Refused as refused:
        raise click.ClickException(str(refused)) from refused
    click.echo(f"Recorded that the key {key_id} is destroyed.")


commands = [keys]
