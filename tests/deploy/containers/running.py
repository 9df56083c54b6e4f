"""Containers without a container engine: an image's files, read-only, in namespaces of their own, for its user without any capability."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy.containers.building import Image
from tests.support.service import eventually

#: What an engine gives every container.
DEVICES = ("null", "zero", "full", "random", "urandom")
#: The programs that a container goes through before its own.
PREPARING = ("", "ip", "unshare", "sh", "chroot", "setpriv", "env")
SHM = "mode=1777,size=64m,noexec,nosuid,nodev"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a container is started with."""

    command: Sequence[str]
    #: None: the image's.
    entrypoint: Sequence[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    #: By place in the container: folders that can be written, and files that can only be read.
    volumes: Mapping[str, Path] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    #: By place: the options of file systems in memory.
    tmpfs: Mapping[str, str] = field(default_factory=dict)
    hostname: str = "container"
    #: The network namespace that it is in; none: one of its own, with a loopback device alone.
    network: str | None = None


class Container:
    """A running container. Its first process is the command."""

    def __init__(self, image: Image, wanted: Wanted, log: Path) -> None:
        self._image, self._wanted, self.log = image, wanted, log
        within = ["ip", "netns", "exec", wanted.network] if wanted.network else []
        namespaces = ["--mount", "--pid", "--fork", "--uts", "--ipc", *([] if wanted.network else ["--net"])]
        script = "\n".join(["set -e", *self._prepared(), f'exec chroot {image.root} {shlex.join(self._as_user())} "$@"'])
        command = [*(wanted.entrypoint or image.config["Entrypoint"]), *wanted.command]
        started = [*within, "unshare", *namespaces, "sh", "-c", script, "sh", *command]
        with log.open("ab") as output:
            self._unshare = subprocess.Popen(started, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        eventually(lambda: self._program() not in PREPARING, "a container to begin")

    @property
    def pid(self) -> int:
        """Return the first process, as this machine numbers it; 0 if there is none."""
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        return int((children.read_text().split() or ["0"])[0]) if self.runs() else 0

    def execute(self, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command in it to its end, as its user."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--net", "--uts", "--ipc", "--root"]
        return subprocess.run([*enter, *self._as_user(), *command], capture_output=True, text=True, timeout=timeout, check=False)

    def is_healthy(self, *command: str) -> bool:
        """Run its health check."""
        return self.execute(*(command or self._image.config["Healthcheck"]["Test"][1:])).returncode == 0

    def signal(self, number: int) -> None:
        """Send a signal to all its processes."""
        own = Path(f"/proc/{self.pid}/ns/pid").readlink()
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # It has ended, or is none of ours.
                if (folder / "ns" / "pid").readlink() == own:
                    os.kill(int(folder.name), number)

    def stop(self, seconds: float) -> int:
        """Stop it as an engine does. Return the exit status; fails if it has to be killed."""
        os.kill(self.pid, signal.Signals[self._image.config["StopSignal"]])
        return self.wait(seconds)

    def wait(self, seconds: float) -> int:
        return self._unshare.wait(seconds)

    def kill(self) -> None:
        """Kill the first process, and with it all others of its namespace."""
        if self.runs():
            os.kill(self.pid or self._unshare.pid, signal.SIGKILL)
        self._unshare.wait()

    def runs(self) -> bool:
        return self._unshare.poll() is None

    def _program(self) -> str:
        """Return the program of the first process; `ended` if the container has ended."""
        try:
            line = Path(f"/proc/{self.pid}/cmdline").read_text()
        except OSError:
            return "" if self.runs() else "ended"
        return Path(line.partition("\0")[0]).name

    def _prepared(self) -> Iterator[str]:
        root = self._image.root
        yield "mount --make-rprivate /"
        yield f"mount --bind {root} {root}"
        yield f"mount -t proc proc {root}/proc"
        yield f"mount -t tmpfs -o mode=755 tmpfs {root}/dev"
        yield f"for name in {' '.join(DEVICES)}; do touch {root}/dev/$name; mount --bind /dev/$name {root}/dev/$name; done"
        for place, options in {"/dev/shm": SHM, **self._wanted.tmpfs}.items():
            yield f"mkdir -p {root}{place}; mount -t tmpfs -o {options} tmpfs {root}{place}"
        for place, folder in self._wanted.volumes.items():
            yield f"mkdir -p {root}{place}; mount --bind {folder} {root}{place}"
        for place, file in self._wanted.files.items():
            yield f"mkdir -p {root}{Path(place).parent}; touch {root}{place}; mount --bind {file} {root}{place}"
        yield f"mount -o remount,bind,ro {root}"
        yield f"ip link set lo up; hostname {self._wanted.hostname}"

    def _as_user(self) -> list[str]:
        """Return the command that runs another one as the image's user, with the image's environment, whose PATH finds it."""
        config = self._image.config
        user, _, group = config["User"].partition(":")
        without_rights = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--"]
        settings = [f"{name}={value}" for name, value in (self._image.environment | self._wanted.environment).items()]
        return [*without_rights, "env", "-i", f"-C{config['WorkingDir']}", *settings]


def volume(image: Image, place: str, folder: Path) -> Path:
    """Make the folder of a named volume. A fresh one takes over the owner and the mode of the image's folder."""
    folder.mkdir()
    like = (image.root / place.lstrip("/")).stat() if (image.root / place.lstrip("/")).exists() else None
    folder.chmod(like.st_mode & 0o7777 if like else 0o755)
    if like:
        os.chown(folder, like.st_uid, like.st_gid)
    return folder


@contextmanager
def running(image: Image, wanted: Wanted, log: Path) -> Iterator[Container]:
    """Start a container, and kill it at the end."""
    container = Container(image, wanted, log)
    try:
        yield container
    finally:
        container.kill()


def until(container: Container, *command: str, seconds: float = 120) -> None:
    """Wait until a container is healthy, as an engine does. Fails when it ends, or is not healthy in time."""
    deadline = time.monotonic() + seconds
    while container.runs() and time.monotonic() < deadline:
        if container.is_healthy(*command):
            return
        time.sleep(1.0)
    raise AssertionError(container.log.read_text()[-3000:] or "it is not healthy")
