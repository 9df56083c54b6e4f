"""`./dev faults`: break what Standing stands on, one thing after another, and see that nothing acknowledged is lost."""

from __future__ import annotations

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from tests.faults import report, rounds, soak
from tests.faults.catalogue import CATALOGUE, chosen
from tests.faults.rounds import Round
from tests.support import servers


def main() -> int:
    wanted = _wanted()
    if wanted.list:
        for fault in CATALOGUE.values():
            print(f"{fault.name:28} {fault.description}")
        return 0
    if wanted.soak:
        return soak.run(wanted.soak)
    faults = chosen(kinds=wanted.kinds, only=wanted.only, seed=wanted.seed)
    report.console.print(f"{len(faults)} faults, about {wanted.events:,} events each, seed {wanted.seed}", highlight=False)
    played: list[Round] = []
    with servers.throwaway_cluster() if any(not fault.on_sqlite for fault in faults) else nullcontext() as cluster:
        for fault in faults:
            with report.console.status(fault.name) as status:
                show = lambda what, name=fault.name: status.update(f"{name}: {what}")  # noqa: E731
                played.append(rounds.play(fault, cluster=cluster, events=wanted.events, seed=wanted.seed, show=show))
            report.line(len(played), len(faults), played[-1])
            if wanted.json:
                report.write(wanted.json, played, seed=wanted.seed)
    report.table(played)
    return report.closing(played)


def _wanted() -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="./dev faults", description=__doc__)
    options.add_argument("--list", action="store_true", help="say which faults there are")
    options.add_argument("--kinds", type=int, metavar="N", help="so many of them, drawn by the seed  [default: all]")
    options.add_argument("--only", nargs="+", metavar="NAME", default=[], choices=list(CATALOGUE), help="these")
    options.add_argument("--events", type=int, metavar="N", default=4500, help="about so many for each fault  [default: 4500]")
    options.add_argument("--seed", type=int, default=1, help="makes the same stories, and breaks at the same moments, again  [default: 1]")
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options.add_argument(
        "--soak", type=int, metavar="EVENTS", nargs="?", const=200_000, help="break nothing; watch what the processes hold  [200000]"
    )
    return options.parse_args()


if __name__ == "__main__":
    sys.exit(main())
