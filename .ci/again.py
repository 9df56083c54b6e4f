"""Run the tests that failed once more, one at a time, where they are few. The argument is the exit status of `./dev test`: a run that did
not come to its end has left tests out, and none is run again.

CI's machines are shared: beside others a test may wait in vain for a processor. What fails by itself, too, has found something. What passes
is named: it needs a cause and a repair as well, but it says nothing about the change."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: What pytest writes at the end of a run: the tests that failed, this time or earlier, and did not pass since.
FAILED = ROOT / ".pytest_cache" / "v" / "cache" / "lastfailed"

#: What a test's id ends with where it ran beside others: the service that it shares.
GROUP = re.compile(r"@[^@\]]*$")

#: More than these are no chance.
FEW = 6


def main(status: int) -> int:
    if status != pytest.ExitCode.TESTS_FAILED:
        return status
    failed = sorted(GROUP.sub("", test) for test in json.loads(FAILED.read_text()))
    if not failed or len(failed) > FEW:
        print(f"{len(failed)} tests failed; up to {FEW} are run again", flush=True)
        return 1
    ended = subprocess.call([sys.executable, "-m", "pytest", "-q", *failed], cwd=ROOT)
    verdict = "failed by itself, too" if ended else "failed beside others and passed by itself; look for the cause"
    print(*(f"{verdict}: {test}" for test in failed), sep="\n", flush=True)
    return ended


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
