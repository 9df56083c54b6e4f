"""Programs that were installed with this code are found wherever an installer put them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from store.system.processes import program


def test_a_program_of_an_environment_lies_beside_python() -> None:
    assert program("gunicorn") == Path(sys.executable).parent / "gunicorn"


def test_a_program_that_was_installed_for_one_user_is_found(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "only-here").touch()
    asked = "from store.system.processes import program; print(program('only-here'))"
    done = subprocess.run(
        [sys.executable, "-c", asked], env=os.environ | {"PYTHONUSERBASE": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()) == tmp_path / "bin" / "only-here"
