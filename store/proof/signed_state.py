"""LOG_STATE: the checkpoint that was signed last, in a file outside the database."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from msgspec import Struct

from store import config
from store.system import durable_files


class Unreadable(Exception):
    """The file is there, and no checkpoint can be read from it. The message says why."""


class Head(Struct, frozen=True):
    """What a checkpoint says."""

    origin: str
    size: int
    root: bytes


def read() -> Head | None:
    """Return what was signed last; None if there is no such file. Raises Unreadable."""
    try:
        return head_of(config.settings().log.state.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"LOG_STATE cannot be read ({type(error).__name__})") from error
    except ValueError as error:
        raise Unreadable("LOG_STATE holds no checkpoint") from error


def write(note: str) -> None:
    """Replace the file by a signed checkpoint. It is on the disk when this returns. Raises OSError."""
    path = config.settings().log.state
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable_files.replace(path, note)


def permit(origin: str) -> None:
    """Allow the log to be signed under another origin from now on. That lies beside LOG_STATE, so that whoever writes to the database alone
    can begin no epoch. Raises OSError."""
    path = _permit_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    durable_files.replace(path, f"{origin}\n")


def is_permitted(origin: str) -> bool:
    """Return whether the log may be signed under another origin than the one in LOG_STATE. Raises Unreadable."""
    try:
        return _permit_file().read_text(encoding="utf-8") == f"{origin}\n"
    except FileNotFoundError:
        return False
    except (OSError, UnicodeDecodeError) as error:
        raise Unreadable(f"the file beside LOG_STATE cannot be read ({type(error).__name__})") from error


def _permit_file() -> Path:
    path = config.settings().log.state
    return path.with_name(f"{path.name}.next")


def head_of(note: str) -> Head:
    """Return what a signed checkpoint says, without looking at its signature. Raises ValueError."""
    origin, size, root, *_ = note.split("\n")
    try:
        return Head(origin, int(size), base64.b64decode(root, validate=True))
    except binascii.Error as error:
        raise ValueError("no base64") from error
