"""`./dev matrix`: the README's two commands on other systems, as an ordinary user, from a fresh clone; then a table.

The commit is tried, not what is changed beside it. Needs root, mmdebstrap and unshare.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console
from rich.table import Table

from tests.matrix.systems import SYSTEMS, System
from tests.support.service import end, free_port

#: What `--quick` runs of the tests: signatures, the tables on both databases, whole stories.
QUICK = ("tests/receiver/vendors", "tests/store/database/test_migrations.py", "tests/journeys/delivery/test_stories.py")

READY_WITHIN_SECONDS = 600

console = Console(highlight=False)


@dataclass(frozen=True)
class Tried:
    """One system's line of the table. Times in seconds."""

    system: System
    python: str
    postgresql: str
    ready_after: float
    simulated: bool
    tests: str
    passed: bool


def main() -> int:
    wanted = _wanted()
    if os.geteuid() != 0 or not shutil.which("mmdebstrap"):
        sys.exit("./dev matrix needs root and mmdebstrap (Debian: apt install mmdebstrap)")
    systems = [system for system in SYSTEMS if system.suite in (wanted.only or [system.suite])]
    if wanted.seed is not None:
        systems = [systems[wanted.seed % len(systems)]]
    selection = QUICK if wanted.quick else tuple(wanted.tests)
    tried = [try_out(system, selection) for system in systems]
    _show(tried)
    return 0 if all(line.passed and line.simulated for line in tried) else 1


def try_out(system: System, selection: tuple[str, ...]) -> Tried:
    """Install a system, and run both commands there."""
    with console.status(f"{system.name}: its packages") as status:
        system.make()
        status.update(f"{system.name}: a clone, and the wheels for its Python")
        system.clone()
        system.fetch_wheels()
        status.update(f"{system.name}: ./dev up")
        ready_after, simulated = up_and_simulate(system)
        status.update(f"{system.name}: ./dev test {' '.join(selection)}")
        done = subprocess.run(
            system.within("./dev", "test", *selection), env=system.environment(), capture_output=True, text=True, check=False
        )
    ended = re.findall(r"^=* ?(\d+ (?:passed|failed|error)[^=\n]*)", done.stdout, re.MULTILINE) or [done.stderr[-300:]]
    if done.returncode != 0:
        console.print(done.stdout[-4000:], done.stderr[-2000:])
    python = system.prints("python3", "-c", "import sys; print(sys.version.split()[0])")
    postgresql = re.sub(r"[^0-9.]*([0-9.]+).*", r"\1", system.prints("sh", "-c", "/usr/lib/postgresql/*/bin/postgres --version"))
    tried = Tried(system, python, postgresql, ready_after, simulated, ", then ".join(line.strip() for line in ended), done.returncode == 0)
    console.print(f"{system.name}: ready after {ready_after:.0f} s, {tried.tests}")
    return tried


def up_and_simulate(system: System) -> tuple[float, bool]:
    """Run `./dev up` until it is ready, and the simulator against it. Gives the seconds until then, and whether all was as it should be."""
    settings = system.environment(PORT=str(free_port()), CONSOLE_PORT=str(free_port()), PLAYED_PORT=str(free_port()))
    began = time.monotonic()
    up = subprocess.Popen(system.within("./dev", "up"), env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _ready(int(settings["PORT"])):
            if up.poll() is not None or time.monotonic() - began > READY_WITHIN_SECONDS:
                return time.monotonic() - began, False
            time.sleep(0.2)
        ready_after = time.monotonic() - began
        simulated = subprocess.run(
            system.within("./dev", "standing", "simulate"), env=settings, capture_output=True, text=True, check=False
        )
        if simulated.returncode != 0:
            console.print(simulated.stdout[-2000:], simulated.stderr[-2000:])
        return ready_after, simulated.returncode == 0
    finally:
        end(up)


def _ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _show(tried: list[Tried]) -> None:
    table = Table("system", "Python", "PostgreSQL", "./dev up: ready after", "simulate", "./dev test")
    for line in tried:
        simulated = "as it should be" if line.simulated else "FAILED"
        tests = line.tests if line.passed else f"FAILED: {line.tests}"
        table.add_row(line.system.name, line.python, line.postgresql, f"{line.ready_after:.0f} s", simulated, tests)
    console.print(table)


def _wanted() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="./dev matrix", description=__doc__)
    options.add_argument(
        "--only", action="append", metavar="SUITE", choices=[system.suite for system in SYSTEMS], help="this system; may be given again"
    )
    options.add_argument("--seed", type=int, metavar="N", help="one system, drawn by this number")
    options.add_argument("--quick", action="store_true", help="a part of the tests")
    options.add_argument("tests", nargs="*", metavar="TEST", help="these tests  [default: every test]")
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
