"""How long the console's pages take with many events kept, and what deliveries notice of ten open tabs.

python -m benchmarks.console [--events 1000000] [--times 20]
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import copies, load, population, stage
from benchmarks.stage import POSTGRESQL, STANDING
from tests.support.browser.consoles import NIGHT, beside
from tests.support.browser.visitor import Visitor
from tests.support.service import Service

PAGES = (
    "", "applicants", "applicants?status=rejected", "review", "reversals", "events", "events?status=applied&vendor=idngo", "events/failed",
    "replays", "reactions", "reconcile", "vendors", "audit", "overview", "sessions",
)  # fmt: skip

#: Deliveries a second, how long each slice lasts, and how many slices there are with open tabs and without, in turn.
RATE, SLICE_SECONDS, SLICES = 50, 10.0, 4

#: As many tabs are open, and each reads its page again as often as the page's script does.
TABS, AGAIN_SECONDS = 10, 10.0


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__)
    options.add_argument("--events", type=int, default=1_000_000, help="how many events are kept (default: %(default)s)")
    options.add_argument("--times", type=int, default=20, help="how often each page is asked for (default: %(default)s)")
    asked = options.parse_args()
    with stage.stage() as on, on.database(POSTGRESQL) as engine:
        _, handled = copies.templates(on, POSTGRESQL)
        began = time.monotonic()
        runs = copies.multiply(handled, engine, -(-asked.events // handled.events))
        print(f"{asked.events:,} events are kept after {time.monotonic() - began:.0f} s", flush=True)
        with on.service(engine, web=STANDING, workers=1) as service, beside(service) as port:
            operator = Visitor(port, NIGHT)
            _time_pages(operator, [*PAGES, *_of_one_applicant(operator, runs)], asked.times)
            _compare_deliveries(service, operator)


def _of_one_applicant(operator: Visitor, runs: list[str]) -> Iterator[str]:
    """The pages of an applicant anywhere among those that are kept, and of its person."""
    vendor, reference = random.choice(population.references())
    page = f"applicants/{vendor}/{reference.replace(population.RUN, random.choice(runs))}"
    yield page
    if found := re.search(r'href="/console/(persons/[^"?]+)"', operator.get(f"/console/{page}").content):
        yield found[1]


def _time_pages(operator: Visitor, pages: list[str], times: int) -> None:
    """Print how long each page takes: the first time, the median, and the slowest of the others."""
    for page in pages:
        took = []
        for _ in range(times + 1):
            began = time.monotonic()
            status = operator.get(f"/console/{page}").status
            took.append((time.monotonic() - began) * 1000)
        first, *others = took
        says = f"first {first:6.0f} ms, median {statistics.median(others):6.0f} ms, slowest {max(others):6.0f} ms"
        print(f"{status} /console/{page:42} {says}", flush=True)


def _compare_deliveries(service: Service, operator: Visitor) -> None:
    """Print how long deliveries take with ten tabs open, and without, slice by slice in turn."""
    found: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * SLICES):
        are_open = bool(number % 2)
        with _tabs(operator, TABS if are_open else 0):
            answers = load.at_rate(service.port, population.deliveries(int(RATE * SLICE_SECONDS)), per_second=RATE)
        assert all(answer.status == 200 for answer in answers), "a delivery was refused"
        found[are_open] += [answer.milliseconds for answer in answers]
    for are_open, took in found.items():
        cuts = statistics.quantiles(took, n=100)
        print(
            f"{TABS if are_open else 0:2} tabs open: {RATE} deliveries a second, p50 {cuts[49]:.1f} ms, p99 {cuts[98]:.1f} ms", flush=True
        )


@contextmanager
def _tabs(operator: Visitor, count: int) -> Iterator[None]:
    """Tabs that show the first page and read it again as its script does."""
    ended = threading.Event()

    def tab(number: int) -> None:
        ended.wait(number * AGAIN_SECONDS / max(count, 1))
        while not ended.is_set():
            operator.ask("GET", "/console/", **{"Standing-Again": "yes"})
            ended.wait(AGAIN_SECONDS)

    threads = [threading.Thread(target=tab, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
