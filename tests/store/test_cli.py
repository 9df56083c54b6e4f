"""The command `standing`: it lists and completes every command as though it had loaded them, and loads the one that is run."""

from __future__ import annotations

import copy
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest
from click.shell_completion import CompletionItem, ShellComplete

from store.cli import blocked
from store.cli.root import standing
from store.system.file_locks import HostLock
from tests.conftest import KEY
from tests.support.service import PROGRAMS

ROOT = Path(__file__).parent.parent.parent

#: What a TAB must not load: each takes longer than all else.
HEAVY = ("sqlalchemy", "structlog", "rich", "handlers", "receiver", "store.database", "msgspec")

SECONDS_MAX = 0.3


def loaded() -> click.Group:
    """All commands as their modules have them."""
    commands = [command for entry in entry_points(group="standing.commands") for command in entry.load()]
    named = {str(command.name): unused(command) for command in commands}
    return click.Group("standing", named, params=standing.params, context_settings=standing.context_settings)


def unused(command: click.Command) -> click.Command:
    """Return a command as it was before its first use: click remembers by which options that use asked for help."""
    made = copy.copy(command)
    made._help_option = None
    if isinstance(made, click.Group):
        made.commands = {name: unused(part) for name, part in made.commands.items()}
    return made


def paths(group: click.Group, *before: str) -> Iterator[list[str]]:
    """What can be typed before a TAB: each group and each command, and each option that takes a value."""
    yield [*before]
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from paths(command, *before, name)
            continue
        yield [*before, name]
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag:
                yield [*before, name, option.opts[0]]


def completed(command: click.Command, words: list[str], incomplete: str) -> list[tuple[str, str, str | None]]:
    found: list[CompletionItem] = ShellComplete(command, {}, "standing", "_STANDING_COMPLETE").get_completions(words, incomplete)
    return [(item.type, item.value, item.help) for item in found]


def test_every_command_and_option_is_completed_as_though_it_were_loaded() -> None:
    real = loaded()
    typed = list(paths(real))
    assert len(typed) > 100
    for words in typed:
        for incomplete in ("",) if words and words[-1].startswith("-") else ("", "-"):
            assert completed(standing, words, incomplete) == completed(real, words, incomplete), words


def test_the_list_of_commands_is_as_though_they_were_loaded() -> None:
    def listed(group: click.Group) -> str:
        context = click.Context(group, info_name="standing")
        formatter = context.make_formatter()
        group.format_commands(context, formatter)
        return formatter.getvalue()

    assert isinstance(standing, click.Group)
    assert listed(standing) == listed(loaded())


def test_the_description_of_the_commands_is_that_of_the_commands() -> None:
    done = subprocess.run([sys.executable, ROOT / ".ci" / "commands.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_command_that_runs_while_nothing_may_be_read_is_one() -> None:
    assert {" ".join(words) for words in paths(loaded())} >= blocked.OPEN


TABS = {"standing ": 1, "standing events ": 2, "standing events list --": 3, "standing export applicants --status ": 4}


@pytest.mark.parametrize("typed", TABS)
def test_a_tab_loads_nothing_that_it_does_not_need_and_takes_no_time(typed: str) -> None:
    asked = {"_STANDING_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(TABS[typed])}
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-X", "importtime", PROGRAMS / "standing"], env=os.environ | asked, capture_output=True, text=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    modules = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.stdout
    assert "click" in modules
    assert modules.isdisjoint(HEAVY)
    assert min(seconds) < SECONDS_MAX


def test_a_command_that_cannot_be_loaded_is_told_and_takes_no_other_along(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['handlers.cli'] = None\n")
    broken = os.environ | {"PYTHONPATH": str(tmp_path)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, PROGRAMS / "standing", *words], env=broken, capture_output=True, text=True, check=False)

    missing = run("events", "list")
    assert missing.returncode == 1
    assert "The command events is missing: it cannot be loaded (ModuleNotFoundError" in missing.stderr
    assert run("migrate", "--help").returncode == 0
    assert "no-such" in run("no-such").stderr


def environment(folder: Path, database_url: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "VAR_DIR": str(folder), "DATABASE_URL": database_url, "ENCRYPTION_KEYS": KEY}


def test_a_command_waits_for_others_that_write_to_sqlite(tmp_path: Path) -> None:
    file, program = tmp_path / "standing.sqlite3", str(PROGRAMS / "standing")
    own = environment(tmp_path, f"sqlite:///{file}")
    subprocess.run([program, "migrate"], env=own, check=True, timeout=60, stdout=subprocess.DEVNULL)
    with HostLock(Path(f"{file}.turn")).held(seconds=5) as mine:
        assert mine
        command = subprocess.Popen([program, "new-epoch", "--yes"], env=own, stdout=subprocess.DEVNULL)
        time.sleep(4.0)  # The command starts, and then waits for longer than a delivery would.
        assert command.poll() is None
    assert command.wait(60) == 0


def test_a_database_that_cannot_be_reached_is_told_in_a_sentence(tmp_path: Path) -> None:
    own = environment(tmp_path, "postgresql://standing@127.0.0.1:1/standing")
    ended = subprocess.run(
        [str(PROGRAMS / "standing"), "applicants", "list"], env=own, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, "The database cannot be used: connection refused\n")
