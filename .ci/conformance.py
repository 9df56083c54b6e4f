"""Run the conformance cases twice on the same data, against a service that `./dev up` starts, on each database."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.servers import throwaway_cluster  # noqa: E402
from tests.support.service import Service, end, eventually, free_port  # noqa: E402


def main(cases: Path) -> int:
    failed = run(cases, {})
    with throwaway_cluster() as cluster:
        failed += run(cases, {"DATABASE_URL": cluster.url})
    return 1 if failed else 0


def run(cases: Path, settings: dict[str, str]) -> int:
    """Start a service in an empty folder, and put the cases to it twice; return how often they failed."""
    print(f"conformance on {'PostgreSQL' if settings else 'SQLite'}", flush=True)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | wanted_settings(cases) | settings | {"PORT": str(port), "CONSOLE_PORT": str(free_port())}
        with open(Path(folder) / "log", "wb") as log:
            up = subprocess.Popen([str(ROOT / "dev"), "up"], cwd=folder, env=environment, stdout=log, stderr=log)
        service = Service(Path(folder), {})
        service.port = port
        try:
            eventually(lambda: service.is_up() and service.get("/readyz").json["status"] == "ok", "readiness", seconds=120)
            base = ["--base", f"http://127.0.0.1:{port}"]
            failures = [subprocess.call([sys.executable, str(cases / "run.py"), *base]) for _ in range(2)]
        finally:
            end(up)
        if any(failures):
            print((Path(folder) / "log").read_text()[-5000:])
        return sum(failures)


def wanted_settings(cases: Path) -> dict[str, str]:
    """The settings that the cases were written for."""
    specification = importlib.util.spec_from_file_location("kit", cases / "kit.py")
    assert specification and specification.loader
    kit = importlib.util.module_from_spec(specification)
    sys.modules["kit"] = kit
    specification.loader.exec_module(kit)
    settings: dict[str, str] = kit.ENV
    return settings


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
