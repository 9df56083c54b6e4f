"""`standing backup`, `verify-backup` and `restore`: progress, the contents of a file, and what a restore will change."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from store import database
from store.access import audit, operators
from store.cli.terminal import consent
from store.operations import backup, backup_contents
from store.operations.backup_contents import Contents
from store.operations.exclusive_access import InUse
from store.system import clock, environment
from store.text.counts import counted


class NotDone(click.ClickException):
    """Exit status 2 for what is refused, 1 for what failed, each with a sentence."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.status = 1 if isinstance(error, backup_contents.Failed) else 2

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        return self.status


def take(file: Path, *, overwrite: bool) -> None:
    """Back up, and print what the file holds and what it does not."""
    operators.at_this_terminal()  # A wrong token ends it before anything is copied.
    with _told(), _bar("copying") as progress:
        contents = backup.take(file, overwrite=overwrite, progress=progress)
    _record(file, contents)
    click.echo(f"{file}: {_described(contents)}; {contents.file_bytes / 1e6:,.1f} MB, checked.")
    _warn(
        f"The encryption keys are NOT in it. They come from the {_source_of_keys()}: keep a copy of them, apart from the backup."
        " Without them no body in it can ever be opened."
    )


def _record(file: Path, contents: Contents) -> None:
    """Record who took the backup. Print a warning if the database cannot be written."""
    subject = f"file {os.fsencode(file.name).decode(errors='replace')}"[: audit.SUBJECT_CHARS_MAX]
    try:
        database.write(lambda connection: audit.record(connection, action="backup", subject=subject, touched=contents.events))
    except database.Failure:
        _warn("The audit log does not record this backup: the database cannot be written.")


def verify(file: Path) -> bool:
    """Check a file, print what it holds and which keys open it. Return whether every body can be opened."""
    with _told():
        found = backup_contents.examine(file)
    click.echo(f"{file}: {_described(found)}; {found.file_bytes / 1e6:,.1f} MB, checked.")
    for key, count in found.bodies.items():
        says = "is NOT configured, or does not open them" if key in found.missing_keys else "opens them"
        click.echo(f"{count:,} bodies: the key {key} {says}.")
    if found.missing_keys:
        _warn(f"{_sealed(found)} Give that key, in the second place of ENCRYPTION_KEYS, and verify again.")
    return not found.missing_keys


def restore(file: Path, *, unasked: bool, without_keys: bool) -> None:
    """Print what will happen, ask, and restore. By default, a file of which no body can be opened is refused."""
    with _told():
        path, found = backup.database_file(), backup_contents.examine(file)
        if found.is_sealed and not without_keys:
            raise backup_contents.Refused(
                f"{_sealed(found)} Nothing was changed. Configure the right key (`standing verify-backup {file}` names it),"
                " or give --without-keys."
            )
        _say_what_will_happen(file, found, path)
        consent.ask("Restore it?", yes=unasked)
        with _bar("restoring") as progress:
            kept = backup.restore(file, actor=operators.at_this_terminal(), progress=progress)
    click.echo(f"Restored {path}: {_described(found)}. A new epoch of the feed has begun.")
    if kept:
        click.echo(f"What was there is kept as {kept}: remove it once you need it no more.")


def _say_what_will_happen(file: Path, found: Contents, path: Path) -> None:
    for line in (
        f"{file}: {_described(found)}.",
        f"It takes the place of {path}: {_described_now(path)}. The service must not run meanwhile.",
        "What was received since is not in it, and vendors do not send again. Each reader of the feed must start again.",
    ):
        click.echo(line, err=True)
    if found.missing_keys:
        _warn(_sealed(found))


def _sealed(found: Contents) -> str:
    total = sum(found.bodies.values())
    return f"The configured encryption keys (from the {_source_of_keys()}) open {found.openable:,} of its {total:,} bodies."


def _described_now(path: Path) -> str:
    if not path.exists():
        return "there is none yet"
    try:
        return f"{_described(backup_contents.glance(path))}, to be kept beside it"
    except backup_contents.Failed:
        return "it cannot be read, and is kept beside it"


def _described(contents: Contents) -> str:
    newest = f", the newest received at {clock.rfc3339(contents.newest_received_at)}" if contents.newest_received_at else ""
    return f"{counted(contents.events, 'event')}{newest}, {counted(contents.applicants, 'applicant')}"


def _source_of_keys() -> str:
    return environment.Environment().source("ENCRYPTION_KEYS") or "environment"


def _warn(text: str) -> None:
    click.secho(text, fg="yellow", bold=True, err=True)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (InUse, backup_contents.Refused, backup_contents.Failed) as error:
        raise NotDone(error) from error


@contextmanager
def _bar(what: str) -> Iterator[backup.OnProgress]:
    """Show a bar on standard error, removed once it is full; nothing where there is no terminal."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
