"""The image, built without a registry: a base by mmdebstrap, packages from a folder of wheels, and buildah. Needs root."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent.parent
CONTAINERFILE = ROOT / "deploy" / "Containerfile"

#: What a base needs besides what every Debian has.
INCLUDED = ("python3", "python3-pip")

#: Bases and wheels of earlier runs, each in a folder that its content names.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "standing-tests"

#: What the image is told: its version, and to take packages from a folder alone.
VERSION = "0.0.0.test"
FROM_WHEELS = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels", "UV_OFFLINE": "1", "UV_FIND_LINKS": "/wheels"}

PROGRAMS = ("mmdebstrap", "buildah", "unshare", "nsenter", "/usr/bin/python3")


@dataclass
class Image:
    """An image, and its files in a folder."""

    root: Path
    described: dict[str, Any]

    @cached_property
    def config(self) -> dict[str, Any]:
        """What a container of it is started with, in Docker's words."""
        config: dict[str, Any] = self.described["Docker"]["config"]
        return config

    @property
    def environment(self) -> dict[str, str]:
        return dict(setting.split("=", 1) for setting in self.config["Env"])


def why_not() -> str | None:
    """Return why no image can be built here; None if one can."""
    if os.getuid() != 0:
        return "to build an image without a registry needs root"
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"there is no {', no '.join(missing)}" if missing else None


@contextmanager
def built(folder: Path) -> Iterator[Image]:
    """Build the image, and remove it at the end."""
    base, wheels = _base(), _wheels()
    buildah = _Buildah(folder)
    try:
        given = {"BASE": f"oci-archive:{base}", "VERSION": VERSION} | FROM_WHEELS
        arguments = [f"--build-arg={name}={value}" for name, value in given.items()]
        volume = f"--volume={wheels}:/wheels:ro"
        buildah("build", "--format=docker", f"--file={CONTAINERFILE}", volume, *arguments, "--tag=standing", str(ROOT))
        container = buildah("from", "standing")
        yield Image(Path(buildah("mount", container)), json.loads(buildah("inspect", "--type=image", "standing")))
    finally:
        buildah("umount", "--all")
        shutil.rmtree(folder, ignore_errors=True)


#: Builds leave the processors to the other tests, some of which have deadlines. They get what is left.
GENTLY = ("nice", "-n", "10")
SECONDS_MAX = 1800

#: How often a download is tried.
TRIES = 3


class _Buildah:
    """Runs buildah on a storage of its own, without a daemon. Layers are overlays, or copies where no overlay can be mounted."""

    def __init__(self, folder: Path) -> None:
        driver = "overlay" if _can_overlay(folder) else "vfs"
        storage = [f"--root={folder / 'storage'}", f"--runroot={folder / 'run'}", f"--storage-driver={driver}"]
        self._command = [*GENTLY, "buildah", *storage]

    def __call__(self, *arguments: str) -> str:
        environment = os.environ | {"BUILDAH_ISOLATION": "chroot"}
        done = subprocess.run(
            [*self._command, *arguments], env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout.strip()


def _can_overlay(folder: Path) -> bool:
    """Return whether an overlay can be mounted there: not where that is an overlay itself, as in a container."""
    folders = [folder / "try" / name for name in ("lower", "upper", "work", "both")]
    for one in folders:
        one.mkdir(parents=True, exist_ok=True)
    lower, upper, work, both = map(str, folders)
    mount = ["mount", "--types=overlay", f"--options=lowerdir={lower},upperdir={upper},workdir={work}", "none", both]
    return subprocess.run(["unshare", "--mount", *mount], capture_output=True, check=False).returncode == 0


def _base() -> Path:
    """Return an archive of a Debian like this one, with Python."""
    suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
    command = [*GENTLY, "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(INCLUDED)}", suite]

    def make(folder: Path) -> None:
        _download([*command, folder / "root.tar"])
        buildah = _Buildah(folder / "buildah")
        container = buildah("from", "scratch")
        buildah("add", container, str(folder / "root.tar"), "/")
        buildah("config", f"--env=PATH={os.defpath}", container)
        buildah("commit", container, f"oci-archive:{folder / 'base.tar'}")
        (folder / "root.tar").unlink()
        shutil.rmtree(folder / "buildah")

    return _cached("base", " ".join(command).encode(), make) / "base.tar"


def _wheels() -> Path:
    """Return a folder of what the lock file names, and of uv, for the Python of the base."""
    uv = subprocess.run(["sed", "-n", "/^uv==/,/^    # via/p", ROOT / "requirements-dev.lock"], capture_output=True, check=True).stdout
    lock = (ROOT / "requirements.lock").read_bytes()

    def make(folder: Path) -> None:
        (folder / "all.lock").write_bytes(lock + uv)
        pip = [*GENTLY, sys.executable, "-m", "pip", "--python", "/usr/bin/python3", "download", "--quiet", "--no-deps", "--require-hashes"]
        _download([*pip, "--only-binary=:all:", "--dest", folder, "--requirement", folder / "all.lock"])

    return _cached("wheels", lock + uv, make)


def _download(command: Sequence[str | Path]) -> None:
    """Run a command that downloads, and again if it fails: an archive may refuse a connection."""
    for left in reversed(range(TRIES)):
        if subprocess.run(command, check=not left, timeout=SECONDS_MAX).returncode == 0:
            return


def _cached(name: str, content: bytes, make: Callable[[Path], None]) -> Path:
    """Return the folder of a content, made by the first process that asks for it."""
    folder = CACHE / f"{name}-{hashlib.sha256(content).hexdigest()[:16]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as partial:
                made = Path(partial) / "made"
                made.mkdir()
                make(made)
                made.rename(folder)
    return folder
