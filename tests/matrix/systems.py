"""Systems in folders: Debian's packages, a checkout of this project, and a user without rights."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

CHECKOUT = Path(__file__).parents[2]

#: Where systems and wheels are kept between two runs. git ignores it.
KEPT = CHECKOUT / "var" / "matrix"

PACKAGES = ("python3", "python3-venv", "postgresql", "git", "ca-certificates")

#: The user, and the group, that runs Standing there.
USER = 1000

#: The forms of the tag by which wheels name the oldest C library that they run with.
GLIBC = ("2014", "_2_17", "_2_24", "_2_26", "_2_27", "_2_28", "_2_31", "_2_34", "_2_35", "_2_39")

#: A shell's lines. They take a folder with a system, a user and a command.
WITHIN = """
root=$1 user=$2; shift 2
mount --rbind /dev "$root/dev" && mount --bind /proc "$root/proc" && mount -t tmpfs -o mode=1777 tmp "$root/tmp" || exit 125
exec chroot --userspec="$user" "$root" sh -c 'cd "$HOME/standing" && exec "$@"' - "$@"
"""


@dataclass(frozen=True)
class System:
    """A release of Debian. `suite` is its name in the archive."""

    name: str
    suite: str

    @property
    def root(self) -> Path:
        return KEPT / self.suite

    def make(self) -> None:
        """Install it, unless it is there. Takes about a minute."""
        if (self.root / "usr/bin/python3").exists():
            return
        shutil.rmtree(self.root, ignore_errors=True)
        KEPT.mkdir(parents=True, exist_ok=True)
        # A mirror that is a copy of one day is older than its own files allow.
        apt = ['--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=Acquire::Retries "5"']
        options = ["--variant=minbase", *apt, f"--include={','.join(PACKAGES)}"]
        _checked("mmdebstrap", "--quiet", *options, self.suite, str(self.root), _mirror())
        _checked("chroot", str(self.root), "useradd", "--uid", str(USER), "--create-home", "standing")

    def clone(self) -> None:
        """Put a fresh clone of the newest commit into its user's home."""
        home = self.root / "home/standing"
        shutil.rmtree(home / "standing", ignore_errors=True)
        _checked("git", "clone", "--quiet", "--no-hardlinks", str(CHECKOUT), str(home / "standing"))
        _checked("chown", "--recursive", f"{USER}:{USER}", str(home))

    def fetch_wheels(self) -> None:
        """Download what the lock file of everything names, for its Python. Inside, pip then needs no network."""
        wheels, version = self.root / "wheels", self.prints("python3", "-c", "import platform; print(platform.python_version())")
        wheels.mkdir(exist_ok=True)
        (wheels / "locked.txt").write_text(locked_for(version))
        major, minor, _ = version.split(".", 2)
        platforms = [f"--platform=manylinux{glibc}_{os.uname().machine}" for glibc in GLIBC]
        target = [f"--python-version={major}.{minor}", f"--abi=cp{major}{minor}", "--abi=abi3", "--abi=none", *platforms]
        locked = ["--requirement", str(wheels / "locked.txt"), "--require-hashes", "--no-deps", "--only-binary=:all:"]
        _checked(sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheels), *target, *locked)

    def prints(self, *command: str) -> str:
        """Run a command there to its end; give what it printed."""
        done = subprocess.run(self.within(*command), env=self.environment(), capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def within(self, *command: str) -> list[str]:
        """The command that runs another one there, as its user, in the clone. Both are one process, so signals reach the inner one."""
        return ["unshare", "--mount", "sh", "-c", WITHIN, "-", str(self.root), f"{USER}:{USER}", *command]

    def environment(self, **settings: str) -> dict[str, str]:
        """What an ordinary user's shell would have, where to find the wheels, and settings."""
        own = {"HOME": "/home/standing", "USER": "standing", "LANG": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
        return own | {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"} | settings


#: From the oldest that is supported to what is not released yet.
SYSTEMS = (System("Debian 12", "bookworm"), System("Debian 13", "trixie"), System("Debian 14, not released", "forky"))


def locked_for(version: str) -> str:
    """The lock file of everything as it is for a version of Python. pip's own download asks its own version what applies."""
    python = {"python_version": ".".join(version.split(".")[:2]), "python_full_version": version}
    chosen = []
    for block in re.split(r"\n(?=[a-z0-9])", (CHECKOUT / "requirements-dev.lock").read_text())[1:]:
        first, _, hashes = block.partition(" \\\n")
        requirement = Requirement(first)
        if requirement.marker is None or requirement.marker.evaluate(python):
            chosen.append(f"{requirement.name}{requirement.specifier} \\\n{hashes}")
    return "\n".join(chosen)


def _mirror() -> str:
    """The archive from which this machine itself is installed."""
    listed = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, check=True).stdout
    return next(line for line in listed.splitlines() if not line.rstrip("/").endswith("security"))


def _checked(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
