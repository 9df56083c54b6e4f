"""docs/monitoring.md lists every sentence of `status`, `doctor` and `/readyz`; every command that a sentence names can be typed."""

from __future__ import annotations

import importlib
import pkgutil
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

import receiver.monitoring
from receiver.monitoring.findings.sentence import Sentence
from store.cli.root import standing

PAGE = (Path(__file__).parent.parent.parent / "docs" / "monitoring.md").read_text()


def sentences() -> list[Sentence]:
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(receiver.monitoring.__path__, "receiver.monitoring.")]
    return list({value: None for module in modules for value in vars(module).values() if isinstance(value, Sentence)})


@pytest.mark.parametrize("sentence", sentences(), ids=lambda sentence: f"{sentence.about}: {sentence.says}")
def test_every_sentence_is_explained_with_its_command(sentence: Sentence) -> None:
    row = f"| `{sentence.about}` | {sentence.verdict} | `{sentence.says}` |"
    rows = [line for line in PAGE.splitlines() if line.startswith(row)]
    assert len(rows) == 1, row
    cause, command = rows[0].removeprefix(row).rstrip("|").split("|")
    look = sentence.look.replace("{sandbox}", "")
    assert command.strip() == (f"`{look}`" if look else "")
    assert cause.strip() or sentence.verdict == "ok" or not look


def looks() -> list[str]:
    found = {sentence.look for sentence in sentences() if sentence.look}
    return sorted({look.format(sandbox=sandbox, vendor="idngo") for look in found for sandbox in ("", " --sandbox")})


@pytest.mark.parametrize("typed", looks())
def test_every_command_that_a_sentence_names_can_be_typed(typed: str) -> None:
    name, *words = shlex.split(typed)[1:]
    command = next(one for entry in entry_points(group="standing.commands") for one in entry.load() if one.name == name)
    if isinstance(command, click.Group) and not command.invoke_without_command:
        command, words = command.commands[words[0]], words[1:]
    # With the root beside it: a command remembers for good which options of help its first context had.
    command.make_context(
        name, words, parent=click.Context(standing, **standing.context_settings)
    )  # Raises what the command line says of a wrong option.
