"""Mutation testing: change one expression of the rules or of a vendor's module at a time, and see whether a test fails.

    ./dev mutants              those that were not tried since their function changed, and those that survived
    ./dev mutants PATTERN…     of these only, such as 'handlers.rules.*' or 'receiver.vendors.idngo.x_scheme__mutmut_3'
    ./dev mutants --again      all of them, whatever is known

mutmut makes the mutants, in a copy in `mutants/`; `.venv/bin/mutmut show NAME` prints one. A mutant survives if every test passes. Each
survivor needs a test, or an entry in `tests/mutants/accepted.toml` that says why it changes nothing. Exit status 1: a survivor has
neither, an entry has no survivor, or a mutant was not tried. An interrupted run continues where it stopped.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.mutants import copy, survivors

ACCEPTED = Path(__file__).with_name("accepted.toml")


def main() -> int:
    options = arguments()
    copy.make(jobs=options.jobs)
    listed = survivors.accepted(ACCEPTED)
    mutants = survivors.named(options.patterns)
    failed = copy.meet([mutant.name for mutant in mutants if options.again or is_to_try(mutant, listed)], jobs=options.jobs)
    report = survivors.report(options.patterns, listed)
    print(*report.lines(), sep="\n")
    return failed or int(not report.passes)


def is_to_try(mutant: survivors.Mutant, listed: set[survivors.Change]) -> bool:
    return mutant.status == survivors.UNTRIED or (mutant.survived and mutant.change not in listed)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="names of mutants; * stands for any letters")
    parser.add_argument("--again", action="store_true", help="try also what is known")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time (one for each processor)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
