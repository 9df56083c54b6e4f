"""`./dev bench`: how fast deliveries are durably taken, and a backlog worked off, against an empty Flask view in the same run.

Starts its own PostgreSQL (fsync on), Valkey and gunicorn. The machine is shared, so that what counts is the ratio between
figures of one run, measured in turns; each is the median of its rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks import load  # noqa: E402
from tests import servers  # noqa: E402
from tests.conftest import KEY  # noqa: E402
from tests.service import PROGRAMS, Service, end, eventually, free_port  # noqa: E402

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--deliveries", type=int, default=6000, help="in each round, for each")
    wanted = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, servers.valkey(Path(folder)) as valkey, servers.throwaway_cluster() as cluster:
        databases = {"sqlite": f"sqlite:///{folder}/bench.sqlite3", "postgresql": cluster.url}
        rounds = [one_round(Path(folder), databases, valkey.url, wanted.deliveries) for _ in range(wanted.rounds)]
    medians = {name: round(statistics.median(one[name] for one in rounds), 2) for name in rounds[0]}
    report(medians, rounds)


def one_round(folder: Path, databases: dict[str, str], redis_url: str, deliveries: int) -> dict[str, float]:
    """Each figure once."""
    figures = {"empty view, requests/s": empty_view(folder, deliveries)}
    for kind, url in databases.items():
        with Service(folder, settings(url, redis_url), worker=False) as service:
            taken = load.send(service.port, load.requests(deliveries))
            assert taken.refused == 0, f"{taken.refused} deliveries were not kept"
            figures[f"{kind}: kept, deliveries/s"] = taken.per_second
            figures[f"{kind}: kept, ms at p50"] = taken.milliseconds[len(taken.milliseconds) // 2]
            figures[f"{kind}: kept, ms at p99"] = taken.milliseconds[len(taken.milliseconds) * 99 // 100]
            figures[f"{kind}: worked off, events/s"] = drained(service, deliveries)
    return figures


def empty_view(folder: Path, deliveries: int) -> float:
    """An empty view under the same gunicorn settings."""
    port = free_port()
    command = [
        str(PROGRAMS / "gunicorn"),
        "--bind",
        f"127.0.0.1:{port}",
        "-w",
        "2",
        "--threads",
        "12",
        "-k",
        "gthread",
        "--no-control-socket",
    ]
    with (folder / "empty.log").open("ab") as log:
        process = subprocess.Popen([*command, "benchmarks.empty:app"], cwd=ROOT, stdout=log, stderr=log)
    service = Service(folder, {})
    service.port = port
    eventually(lambda: reachable(service), "the empty view")
    try:
        return load.send(port, load.requests(deliveries)).per_second
    finally:
        end(process)


def drained(service: Service, events: int) -> float:
    """Events a second that one process handles of a backlog, its start not counted."""
    script = "import time; from handlers import process; t = process.new_token(); process.handle_some(t); b = time.perf_counter(); n = 0\n"
    script += "while c := process.handle_some(t): n += c\nprint(n / (time.perf_counter() - b))"
    environment = service.environment | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def settings(url: str, redis_url: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "REDIS_URL": redis_url, "ENCRYPTION_KEYS": KEY, "IDNGO_SECRETS": load.SECRET.decode()}


def reachable(service: Service) -> bool:
    try:
        return service.request("POST", "/webhooks/idngo", b"{}", timeout=2).status == 200
    except OSError:
        return False


def report(medians: dict[str, float], rounds: list[dict[str, float]]) -> None:
    empty = medians["empty view, requests/s"]
    table = Table("figure", "median", "lowest", "highest", "of the empty view")
    for name, median in medians.items():
        values = [one[name] for one in rounds]
        ratio = f"{median / empty:.2f}" if name.endswith("/s") else ""
        table.add_row(name, f"{median:,.1f}", f"{min(values):,.1f}", f"{max(values):,.1f}", ratio)
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    machine = {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count(), "at": time.strftime("%Y-%m-%d")}
    (RESULTS / "latest.json").write_text(json.dumps({"machine": machine, "medians": medians, "rounds": rounds}, indent=2) + "\n")


if __name__ == "__main__":
    main()
