"""Checkpoints of the log are published: sent to web addresses, written into folders, logged. One thread for each place, so that a place
that hangs delays no other."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from handlers import config
from handlers.clients.public_addresses import Unreachable
from handlers.notify import http_sender
from handlers.notify.signing import message, signed
from store import config as store_config
from store import database
from store.config.log_settings import is_address, is_folder
from store.proof import publications
from store.proof.publications import Chosen
from store.system import clock, durable_files, fault_points
from store.system.logs import describe_error

log = structlog.get_logger()

#: The type of the webhook.
TYPE = "log.checkpoint"

#: How long a round waits for its places. A place that takes longer is not tried again before it has ended.
ROUND_SECONDS = 20.0

#: A name in the folder has these characters of the origin.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]")

#: Whoever may enter the folder may read a checkpoint.
_FILE_MODE = 0o644

_publishing: set[str] = set()
_lock = threading.Lock()


class Refused(Exception):
    """A place did not take a checkpoint. The message says why, without the place."""


class Note(Struct, frozen=True, kw_only=True):
    """The parts of a signed checkpoint."""

    origin: str
    size: int
    root: str
    #: The first signature: four bytes of the key's hash, and the signature itself, in base64.
    signature: str


def publish_due() -> None:
    """Publish the checkpoint that is due at the places that lack it, and wait up to 20 s for them. May run in several threads and processes
    at a time: then a place may get a checkpoint twice. Raises what the database raises while it is unavailable."""
    settings = store_config.settings().log
    if not settings.publish:
        return
    with database.reading() as connection:
        chosen = publications.chosen(connection, every=settings.every)
        places = publications.lacking(connection, chosen, settings.publish, every=settings.every) if chosen else []
    if not chosen or not places:
        return
    if not chosen.is_marked and not database.write(lambda connection: publications.mark(connection, chosen)):
        return  # The next round takes the checkpoint that replaced it.
    threads = [threading.Thread(target=_publish, args=(place, chosen), daemon=True) for place in places if _take(place)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + ROUND_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def read(note: str) -> Note:
    """Return the parts of a signed checkpoint of our own."""
    text, _, signatures = note.partition("\n\n")
    origin, size, root = text.split("\n")[:3]
    return Note(origin=origin, size=int(size), root=root, signature=signatures.split("\n")[0].rpartition(" ")[2])


def entry(note: str, *, at: str) -> dict[str, Any]:
    """Return what is sent of a checkpoint."""
    found = read(note)
    return {"type": TYPE, "at": at, "origin": found.origin, "size": found.size, "root": found.root, "checkpoint": note}


def _take(place: str) -> bool:
    """Return whether a place is free, and take it."""
    with _lock:
        is_free = place not in _publishing
        _publishing.add(place)
        return is_free


def _publish(place: str, chosen: Chosen) -> None:
    try:
        error = _failure(place, chosen)
        fault_points.reach("checkpoint published")
        with database.begin() as connection:
            if error is None:
                publications.succeeded(connection, place, chosen)
            else:
                publications.failed(connection, place, chosen, error)
        if error is not None:
            log.warning("a checkpoint could not be published", place=publications.shown(place), error=error)
    except Exception as failure:  # Usually the database is unavailable: the next round publishes it again.
        log.warning("the result of a publication is not recorded yet", error=describe_error(failure))
    finally:
        with _lock:
            _publishing.discard(place)


def _failure(place: str, chosen: Chosen) -> str | None:
    """Publish a checkpoint at a place; return why that failed, or None."""
    publish = _send if is_address(place) else _write if is_folder(place) else _log
    try:
        publish(place, chosen)
    except Refused as refused:
        return str(refused)
    except Exception as error:  # A failure of our own: the others are published all the same.
        return describe_error(error)
    return None


def _send(url: str, chosen: Chosen) -> None:
    settings, body = config.settings(), message(entry(chosen.note, at=str(clock.rfc3339(chosen.at))))
    headers = signed(body, message_id=f"log_{chosen.epoch}_{chosen.size}", secrets=settings.notify_secrets, now=clock.now())
    try:
        answer = asyncio.run(http_sender.post(url, body=body, headers=headers, private_hosts=settings.private_hosts))
    except Unreachable as error:
        raise Refused(str(error)) from error
    if not 200 <= answer.status < 300:
        raise Refused(f"answered {answer.status}{' (a redirect, which is not followed)' if 300 <= answer.status < 400 else ''}")


def _write(place: str, chosen: Chosen) -> None:
    """Write a file, durably. A file that is there already is never changed: it would be another history of the same log."""
    folder, note = Path(place), read(chosen.note)
    path = folder / f"{_NOT_IN_NAMES.sub('_', note.origin)}-{note.size}.checkpoint"
    try:
        if not folder.is_dir():
            raise Refused("the folder does not exist")
        if not path.exists():
            durable_files.replace(path, chosen.note)
        elif path.read_bytes() != chosen.note.encode():
            raise Refused("the folder holds another checkpoint of the same origin and size")
        with suppress(OSError):  # On purpose: some file systems have no modes.
            path.chmod(_FILE_MODE)
    except OSError as error:
        raise Refused(f"the folder cannot be written ({error.strerror})") from error


def _log(_place: str, chosen: Chosen) -> None:
    note = read(chosen.note)
    log.info("a checkpoint of the log", origin=note.origin, size=note.size, root=note.root, signature=note.signature)
