"""The upkeep of master keys, killed between two of its steps: it is resumed, and every body can be read all the while."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from store import database
from store.inbox.sealing.encryption import keyring
from store.privacy import master_keys
from tests.conftest import forget
from tests.store.inbox.test_body_keys import keep_handled
from tests.store.privacy.test_master_keys import body_of, in_file
from tests.store.privacy.test_master_keys import own as own


@pytest.mark.parametrize("point", ["key_made", "key_condemned", "key_destroyed", "wrapped"])
def test_a_kill_between_two_steps_is_resumed(own: Path, tmp_path: Path, point: str) -> None:
    event_id = keep_handled(b"one")
    [first] = in_file(own)
    for day in (0, 7, 20, 36, 37):
        if day in (7, 36):
            killed(tmp_path, day, point)
        assert run(tmp_path, day) == 0
        assert body_of_another(event_id) == b"one"
    assert first not in in_file(own)
    assert len(in_file(own)) <= 4
    assert sorted(file.name for file in own.parent.iterdir()) == ["ENCRYPTION_KEYS"]
    forget()
    with database.reading() as connection:
        [state] = [state for state in master_keys.states(connection) if state.key_id == first]
    assert (state.destroyed_at is not None, state.destroyed_by) == (True, "standing")


def killed(tmp_path: Path, day: int, point: str) -> None:
    folder = tmp_path / "faults"
    folder.mkdir(exist_ok=True)
    (folder / point).write_text("kill")
    run(tmp_path, day)
    (folder / point).unlink(missing_ok=True)


def run(tmp_path: Path, day: int) -> int:
    """Run the upkeep in a process of its own, whose clock is days ahead; give its exit status."""
    folder = tmp_path / "faults"
    folder.mkdir(exist_ok=True)
    (folder / "clock").write_text(str(day * 86400))
    program = "from store.privacy import master_keys; from store.system import clock; print(master_keys.upkeep(clock.now()))"
    return subprocess.run([sys.executable, "-c", program], env=dict(os.environ) | {"FAULTS_DIR": str(folder)}, check=False).returncode


def body_of_another(event_id: str) -> bytes | None:
    """What a process reads that began before: it knows none of the newer keys."""
    keyring()
    return body_of(event_id)
