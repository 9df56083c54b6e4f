"""The mutated copy of the project: made by mutmut, tried by pytest, with what is known of each mutant beside it."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

from mutmut.__main__ import create_mutants
from mutmut.configuration import config
from mutmut.mutation.data import SourceFileMutationData
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, walk_mutatable_files

from tests.mutants.meeting import TO_TRY, TRIED

FOLDER = Path("mutants")

#: The same samples of values at every run, so that what survives once survives again.
SAME_SAMPLES = {"TEST_SEED": "1"}

#: Whether a test fails is all that counts: nothing explains why, or keeps what was printed.
UNEXPLAINED = ("-q", "--tb=native", "--assert=plain", "--capture=sys", "-p", "no:logging", "-p", "no:unraisableexception",
               "-p", "no:threadexception", "-p", "no:cacheprovider", "-p", "no:xdist")  # fmt: skip


def make(*, jobs: int) -> None:
    """Copy what changed, with its mutants. What is known of the mutants of an unchanged function is kept."""
    FOLDER.mkdir(exist_ok=True)
    shutil.rmtree(FOLDER / "tests", ignore_errors=True)
    with redirect_stdout(io.StringIO()):
        copy_src_dir()
        copy_also_copy_files()
        create_mutants(jobs)
    keep()


def meet(names: list[str], *, jobs: int) -> int:
    """Let mutants meet the tests, and keep what became of each; return pytest's exit status."""
    if not names:
        return 0
    # What an interrupted run knows is then a fair sample.
    names = random.Random(len(names)).sample(names, len(names))
    (FOLDER / TO_TRY).write_text(json.dumps({"names": names, "jobs": jobs}))
    selection = config().pytest_add_cli_args_test_selection
    command = [sys.executable, "-m", "pytest", "--rootdir=.", "-p", "tests.mutants.meeting", *UNEXPLAINED, *selection]
    try:
        return subprocess.call(command, cwd=FOLDER, env=os.environ | SAME_SAMPLES)
    finally:
        keep()


def keep() -> None:
    """Move what became of mutants, also in a run that was interrupted, to where mutmut looks for it."""
    if not (FOLDER / TRIED).exists():
        return
    codes = {name: int(code) for name, code in map(str.split, (FOLDER / TRIED).read_text().splitlines())}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        data.exit_code_by_key |= {name: codes[name] for name in data.exit_code_by_key.keys() & codes.keys()}
        data.save()
    (FOLDER / TRIED).unlink()
