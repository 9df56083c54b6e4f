"""Mutation testing: change one expression of the rules or of a vendor's module at a time, and see whether a test fails.

    ./dev mutants                       those that were not tried since their function changed
    ./dev mutants PATTERN…              these again, such as 'handlers.rules.*' or 'receiver.vendors.idngo.x_scheme__mutmut_3'
    ./dev mutants --jobs 1              one at a time

A mutant survives if every test passes. Each survivor needs a test, or an entry in `tests/mutants/accepted.toml` that says why it changes
nothing. Exit status 1: a survivor has neither, an entry has no survivor, or a mutant was not tried. An interrupted run goes on where it
ended. The mutated copy is in `mutants/`; remove it to start again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.mutants import selection, survivors

ACCEPTED = Path(__file__).with_name("accepted.toml")


def main() -> int:
    options = arguments()
    listed = survivors.accepted(ACCEPTED)
    run = [str(Path(sys.executable).with_name("mutmut")), "run", *(["--max-children", str(options.jobs)] if options.jobs else [])]
    failed = subprocess.call([*run, *options.patterns])
    if not failed and (unlisted := survivors.report(options.patterns, listed).unlisted):
        print("what survived the tests of its own folder meets all others", flush=True)
        failed = subprocess.call([*run, *unlisted], env=os.environ | {selection.MEET_ALL: "yes"})
    report = survivors.report(options.patterns, listed)
    print(*report.lines(), sep="\n")
    return failed or int(not report.passes)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev mutants", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="names of mutants; * stands for any letters")
    parser.add_argument("--jobs", type=int, help="how many at a time (one for each processor)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
